"""The contract of a benchmark: each broken one gets its sentence, wherever it is broken."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from serbench.benchmarks.reading import custom
from serbench.checks import check_benchmark
from serbench.errors import SerbenchError
from serbench.progress import Silent

SOUND = '''"""Six speakers say two clips each (made for these tests)."""

import itertools
import random
import time
from functools import partial

import numpy as np
from pandas import DataFrame

from serbench.benchmarks import Benchmark, Classification, Fold, Protocol, Regression, protocols
from serbench.errors import SerbenchError

LABELS = ("calm", "loud")
TIMES = itertools.count()


def make(*, version: str = "1") -> Benchmark:
    return Benchmark(
        name="mine",
        version=version,
        task=Classification(LABELS),
        read=read,
        protocols={"speaker_folds": partial(protocols.speaker_folds, k=3), "own": own},
        folder="mine",
        licence="CC0 1.0",
        citation="Me, 2026",
        obtain="ask me",
        known_defects={"f1-calm": "a door"},
    )


def read(folder):
    files = sorted(folder.glob("*.wav"))
    if not files:
        raise SerbenchError(f"no wav files in {folder}; ask me for them")
    parts = [file.stem.split("-") for file in files]
    table = DataFrame(
        {
            "utterance": [file.stem for file in files],
            "path": [str(file) for file in files],
            "start": float("nan"),
            "end": float("nan"),
            "speaker": [speaker for speaker, _ in parts],
            "session": None,
            "gender": ["female" if speaker[0] == "f" else "male" for speaker, _ in parts],
            "text": None,
            "split": None,
            "emotion": [emotion for _, emotion in parts],
            "loudness": 0.5,
        }
    )
    return table


def own(*, first: int = 0):
    return Protocol("own", partial(split, first=first))


def split(table, task, *, first):
    names = sorted(set(table["speaker"]))
    rows = lambda *some: np.flatnonzero(table["speaker"].isin(some))
    folds = []
    for number in range(len(names)):
        test, valid, *train = names[number:] + names[:number]
        folds.append(Fold(f"speaker {test}", rows(*train), rows(valid), rows(test)))
    return folds
'''

NO_TABLE = "read of benchmark 'mine' returns a int, not a DataFrame"
LEFT_OUT = (
    "not checked, as the corpus of 'mine' is not there: its table and folds; give --data DIR or "
    "set SERBENCH_DATA to the folder that holds 'mine'. ask me"
)

TOML = """
name = "described"
version = "1"
table = "clips.csv"
task = "classification"
labels = ["calm", "loud"]
"""

# What is replaced, by what, and the sentence for it, where no corpus is needed to see it.
DECLARED = [
    ('name="mine"', 'name="yours"', "name is 'yours', but it is found as 'mine'; give both one"),
    ('name="mine"', 'name="../mine"', "name is '../mine'; it must be letters, digits, _ and -"),
    ('name="mine"', "name=3", "name is 3; it must be letters"),
    ('version: str = "1"', 'version: str = ""', "version is ''; it must be a text"),
    ('licence="CC0 1.0"', 'licence=" "', "licence is ' '; it must be a text"),
    ('citation="Me, 2026"', "citation=None", "citation is None; it must be a text"),
    ('obtain="ask me"', 'obtain=""', "obtain is ''; it must be a text"),
    ('folder="mine"', 'folder="/mine"', "folder is '/mine'; it must be one below the data folder"),
    ('folder="mine"', 'folder="../mine"', "folder is '../mine'; it must be one below"),
    ('folder="mine"', 'folder=""', "folder is ''; it must be one below"),
    ('"a door"', "3", "known defect 'f1-calm': 3 must be an id and a sentence, both texts"),
    ('"f1-calm"', '""', "known defect '': 'a door' must be an id and a sentence"),
    ("Classification(LABELS)", "LABELS", "task is a tuple; it must be a Classification or Regr"),
    ('("calm", "loud")', '("calm",)', "labels ('calm',) must be different from each other, and at"),
    ('("calm", "loud")', '("calm", "calm")', "labels ('calm', 'calm') must be different from each"),
    ('("calm", "loud")', '["calm", "loud"]', "results cannot hold its task"),
    ('("calm", "loud")', "(1, 2)", "results cannot hold its task"),
    ("(LABELS)", '(LABELS, "speaker")', "target column 'speaker' means something else"),
    ("(LABELS)", '(LABELS, "seconds")', "target column 'seconds' means something else"),
    ("Classification(LABELS)", "Regression((), 0, 1)", "dimensions () must be different from each"),
    ("Classification(LABELS)", "Regression(('x',), 1, 1)", "'low' is 1, which is not below 'high'"),
    ("Classification(LABELS)", "Regression('x', 0, 1)", "results cannot hold its task"),
    ('{"speaker_folds": partial', '{} and {"speaker_folds": partial', "it has no protocol"),
    (
        "LABELS = ",
        "NAMES = tuple('ab')\nLABELS = ",
        "NAMES is read without importing; write it as a",
    ),
    ("LABELS = ", "HOLDS = ('a', '=')\nLABELS = ", "HOLDS is ('a', '='); it must hold texts"),
    (
        "def own(*, first: int",
        "def own(first: int",
        "option 'first' of protocol 'own' cannot stand",
    ),
    ("first: int = 0", "first: int", "option 'first' of protocol 'own' cannot stand in a recipe"),
    ("first: int = 0", "first: int", "making protocol 'own' ends in TypeError: own() missing 1"),
    ("first: int = 0", "first=LABELS.index", "option 'first' of protocol 'own' cannot stand"),
    ("first: int = 0", "name=1, first=0", "option 'name' of protocol 'own' cannot stand"),
    ("first: int = 0", "first=0, **more", "option 'more' of protocol 'own' cannot stand"),
    ('Protocol("own", partial', '("own", partial', "the factory of protocol 'own' returns a tuple"),
    ('Protocol("own"', 'Protocol("other"', "protocol 'own' calls itself 'other'; give both one"),
    ("first=first))", "first=first), frozenset({'room'}))", "protocol 'own' shares room; it can"),
    ("k=3", "k=2", "making protocol 'speaker_folds' ends in SerbenchError: option 'k'"),
    ("    return Benchmark(", "    raise KeyError('x')\n    Benchmark(", "ends in KeyError: 'x'"),
    ("    return Benchmark(", "    return dict(", "make returns a dict, not a Benchmark"),
    ("version=version", "version=str(time.time_ns())", "made again, it differs in its version"),
    ("k=3", "k=3 + time.time_ns() % 10**6", "made again, it differs in its protocols"),
    (
        "    return Benchmark(",
        "    random.seed(0)\n    return Benchmark(",
        "state of random; use a",
    ),
    ("    return Benchmark(", "    np.random.rand()\n    return Benchmark(", "state of numpy; use"),
    ("import time", "import time, torch", "it loads torch, which takes long to start"),
    (
        "    if not files:\n",
        "    if files[0] is None:\n",
        "an empty folder ends in IndexError: list",
    ),
    ("    if not files:\n", "    if files:\n", "an empty folder is read as if it were the corpus"),
]

# The same, where it takes the corpus.
READ = [
    ("    parts =", "    import torch\n    parts =", "it loads torch, which takes long to start"),
    (
        "    parts =",
        "    files['x']\n    parts =",
        "reading the corpus ends in TypeError: list ind",
    ),
    ("    parts =", "    files['x']\n    parts =", "raise SerbenchError with a remedy"),
    ("    parts =", "    raise SerbenchError('no m1-loud')\n    parts =", "no m1-loud"),
    ("    parts =", "    np.random.rand()\n    parts =", "random state of numpy"),
    (
        "return table",
        "return list(table)",
        "read of benchmark 'mine' returns a list, not a DataFrame",
    ),
    ("return table", "return table.assign(path=None)", "'path' is None in 12 utterances (f1-calm"),
    ("return table", "return table.assign(speaker=[[1]] * 12)", "'speaker' is [1] in 12"),
    ("return table", "return table.assign(end='soon')", "'end' is 'soon' in 12"),
    ("return table", "return table.iloc[:, [*range(table.shape[1]), 0]]", "' twice; give it"),
    ("return table", "return table[:0]", "the table of benchmark 'mine' has no utterances"),
    (
        "return table",
        "return table.drop(columns='text')",
        "lacks the columns text; its `read` must",
    ),
    ("return table", "return table.assign(seconds=1.0)", "has a column 'seconds', which serbench"),
    ("[file.stem for file", "[None for file", "'utterance' is None in 12 utterances (None"),
    ("[file.stem for file", "[3 for file", "the same id: 12 utterances (3, 3"),
    ("[file.stem for file", "[file.stem[0] for file", "the same id: 6 utterances (f, f"),
    ("[speaker for", "[3 for", "needs 3 speakers; there are 1: 3"),
    ("[speaker for", "['' for", "makes folds of speakers, but 12 of 12"),
    ('"session": None', '"session": 1', "needs 3 groups of speakers without a co"),
    (
        '"split": None',
        '"split": "dev"',
        "it must be 'train', 'valid', 'test' (or 'test1', ...), 'unlabelled' or None",
    ),
    ('"start": float("nan")', '"start": None', "'start' is of object; it must be float, NaN if"),
    ('"end": float("nan")', '"end": 1', "'end' is of int64; it must be float"),
    ("[str(file) for", "[file for", "'path' is PosixPath("),
    ("[str(file) for", "[file.name for", "paths are not absolute: 12 utterances"),
    ("[str(file) for", "[str(file) + 'e' for", "files do not exist: 12 utterances (f1-calm"),
    ("[emotion for", "['clam' for", "no label 'clam'; did you mean 'calm'?"),
    ("Classification(LABELS)", "Regression(('loudness',), 1, 5)", "is off the scale 1 to 5"),
    ("Classification(LABELS)", "Regression(('emotion',), 1, 5)", "it must be numbers"),
    ('"f1-calm"', '"f9-calm"', "known defects of utterances that do not exist: f9-calm"),
    ('"text": None', '"text": str(time.time_ns())', "read again, the table is another one"),
]

SPLIT = [
    ("    folds = []", "    return []", "protocol 'own': protocol 'own' gives no folds"),
    ("    folds = []", "    table['x']", "splitting by 'own' ends in KeyError: 'x'"),
    ("    return folds", "    return list(map(vars, folds))", "splitting by 'own' ends in Attribu"),
    ("    folds = []", "    folds = []; table['a'] = 1", "protocol 'own' changes the table"),
    ("    folds = []", "    folds = []; random.random()", "random state of random; use a"),
    (
        "    folds = []",
        "    folds, n = [], next(TIMES); names = names[n:] + names[:n]",
        "protocol 'own' gives other folds the second time",
    ),
    (
        "sorted(set(table",
        "list(dict.fromkeys(table",
        "protocol 'own' gives other folds if the rows come in another order",
    ),
    ('f"speaker {test}"', '"speaker"', "protocol 'own': several folds have one name: speaker"),
    (
        "rows(valid), rows(test)",
        "rows(test)[1:], rows(test)[:1]",
        "protocol 'own': fold 'speaker f1': valid and test share a speaker (f1); use a protocol "
        "that keeps them apart, or one that declares it (6 such errors)",
    ),
    ("rows(valid), rows(test)", "rows(valid), rows(valid)", "a row is in two parts"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the corpus; its files are empty, as nobody opens them."""
    root = tmp_path_factory.mktemp("data")
    (root / "mine").mkdir()
    for speaker in ("f1", "f2", "f3", "m1", "m2", "m3"):
        for emotion in ("calm", "loud"):
            (root / "mine" / f"{speaker}-{emotion}.wav").touch()
    return root


def written(folder: Path, old: str = "", new: str = "") -> str:
    """Write the sound benchmark with one thing replaced; return its path."""
    assert old in SOUND
    path = folder / "mine.py"
    path.write_text(SOUND.replace(old, new, 1) if old else SOUND)
    return str(path)


def found(failures: list[str], sentence: str) -> bool:
    return any(sentence in failure for failure in failures)


def test_a_sound_benchmark_passes(data: Path, tmp_path: Path) -> None:
    path = written(tmp_path)
    assert check_benchmark(path, data=data) == []
    assert check_benchmark(path, {"version": "2"}, data=data) == []


@pytest.mark.parametrize(("old", "new", "sentence"), DECLARED)
def test_what_is_declared_amiss_is_told_without_the_corpus(
    old: str, new: str, sentence: str, tmp_path: Path
) -> None:
    failures = check_benchmark(written(tmp_path, old, new))
    assert found(failures, sentence), failures


@pytest.mark.parametrize(("old", "new", "sentence"), READ + SPLIT)
def test_what_is_read_or_split_amiss_is_told(
    old: str, new: str, sentence: str, data: Path, tmp_path: Path
) -> None:
    failures = check_benchmark(written(tmp_path, old, new), data=data)
    assert found(failures, sentence), failures


def test_the_part_that_needs_the_corpus_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    class Told(Silent):
        def tell(self, text: str) -> None:
            lines.append(text)

    lines: list[str] = []
    path = written(tmp_path, "return table", "return 3")
    assert check_benchmark(path, data=tmp_path, progress=Told()) == []
    assert check_benchmark(path, progress=Told()) == []
    assert lines[0] == lines[1] == LEFT_OUT
    monkeypatch.setenv("SERBENCH_DATA", str(data))
    assert check_benchmark(path, progress=Told()) == [NO_TABLE]
    assert len(lines) == 2


def test_the_caller_keeps_his_random_state(data: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "    parts =", "    np.random.seed(0); random.seed(0)\n    parts =")
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert len(check_benchmark(path, data=data)) == 2
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def test_an_unknown_benchmark_or_option_is_the_users_fault(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match="no benchmark 'emodbb'; did you mean 'emodb'"):
        check_benchmark("emodbb")
    with pytest.raises(SerbenchError, match="benchmark 'mine' has no option 'versoin'"):
        check_benchmark(written(tmp_path), {"versoin": "2"})


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """Return a description of three speakers: too few for five folds, enough for one each."""
    rows = [f"{who}-{what}.wav,{who},{what}" for who in "abc" for what in ("calm", "loud")]
    for row in rows:
        (tmp_path / row.split(",")[0]).touch()
    (tmp_path / "clips.csv").write_text("\n".join(["path,speaker,emotion", *rows]))
    path = tmp_path / "corpus.toml"
    path.write_text(f'{TOML}[protocol]\nname = "leave_one_speaker_out"')
    return path


def test_a_description_is_checked_with_the_protocol_that_it_names(described: Path) -> None:
    assert "speaker_folds" in custom.read_benchmark(described).protocols
    assert check_benchmark(str(described)) == []
    described.write_text(TOML)
    (failure,) = check_benchmark(str(described))
    assert failure.startswith("splitting by 'speaker_folds' ends in SerbenchError: protocol 'spea")


def test_a_fault_of_a_description_is_told(described: Path) -> None:
    table = described.with_name("clips.csv")
    table.write_text(table.read_text().replace(",loud", ",lout"))
    assert found(check_benchmark(str(described)), "did you mean 'loud'?")
    described.write_text(TOML.replace('"calm", "loud"', '"calm"'))
    with pytest.raises(SerbenchError, match="at least two"):
        check_benchmark(str(described))
    with pytest.raises(SerbenchError, match="takes no options"):
        check_benchmark(str(described), {"k": 3})
