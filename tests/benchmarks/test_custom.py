from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serbench.benchmarks import Classification, Regression
from serbench.benchmarks.auditing.audit import audit_corpus
from serbench.benchmarks.auditing.describing import tables
from serbench.benchmarks.auditing.summary import summary
from serbench.benchmarks.reading import custom, custom_table
from serbench.benchmarks.reading.audio import read_audio
from serbench.benchmarks.reading.names import as_texts
from serbench.errors import SerbenchError
from serbench.progress import Silent

CLASSES = """
name = "mine"
version = "1"
table = "clips.csv"
audio = "wav"
task = "classification"
labels = ["anger", "neutral"]
"""
DIMENSIONS = """
name = "mine"
version = "2"
table = "clips.csv"
task = "regression"
dimensions = ["arousal", "valence"]
low = -1
high = 1
"""
TABLE = """path,speaker,emotion
a.wav,007,anger
b.wav,007,neutral
sub/c.flac,1,anger
sub/c.flac,NA,neutral
"""


def corpus(folder: Path, toml: str = CLASSES, table: str = TABLE) -> Path:
    """Write a description, its table and four sounds; return the description."""
    (folder / "wav" / "sub").mkdir(parents=True)
    for i, (name, rate) in enumerate((("a.wav", 8000), ("b.wav", 44100), ("sub/c.flac", 16000))):
        wave = np.random.default_rng(i).uniform(-0.3, 0.3, (rate, 1 + i % 2))
        soundfile.write(folder / "wav" / name, wave, rate)
    (folder / "clips.csv").write_text(table, encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(toml, encoding="utf-8")
    return path


def read(path: Path):
    return custom.read_benchmark(path).read(None)


def test_the_least_description(tmp_path):
    benchmark = custom.read_benchmark(corpus(tmp_path))
    table = benchmark.read(None)

    assert (benchmark.name, benchmark.version) == ("mine", "1")
    assert benchmark.task == Classification(("anger", "neutral"))
    assert benchmark.folder is None
    assert not benchmark.synthetic
    assert list(benchmark.protocols) == [
        *("speaker_folds", "leave_one_speaker_out", "speaker_dependent_random", "random_clips")
    ]
    assert table["speaker"].tolist() == ["007", "007", "1", "NA"]
    assert table["utterance"].tolist() == ["a.wav", "b.wav", "sub/c.flac", "sub/c.flac"]
    assert table["path"].tolist()[2] == str(tmp_path / "wav" / "sub" / "c.flac")
    assert table["emotion"].tolist() == ["anger", "neutral"] * 2
    assert table["row"].tolist() == [2, 3, 4, 5]
    assert table[["start", "end", "session", "gender", "text", "split"]].isna().all(axis=None)


def test_everything_that_can_be_said(tmp_path):
    toml = """
name = "all-of_it"
version = "3"
table = "clips.csv"
audio = "wav"
task = "regression"
dimensions = ["arousal", "valence"]
low = 1
high = 7
licence = "private"
citation = "me"
obtain = "ask me"

[columns]
utterance = "id"
path = "File name"
speaker = "who"
start = "from"
end = "to"
session = "day"
gender = "sex"
text = "words"
split = "part"
arousal = "act"

[protocol]
name = "corpus_split"
shares = ["speaker"]

[known_defects]
"u 1" = "far away"
"""
    table = (
        "\ufeffid;File name;who;from;to;day;sex;words;part;act;valence;room;speaker\r\n"
        'u 1; a.wav ;01;;0.5;1;F;"so; ""well""\nthen";train;3.5;7;kitchen;x\r\n'
        ";;;;;;;;;;;;\r\n"
        "u2;b.wav;02;0.25;;1;male;;valid;1;2e0;kitchen;y\r\n"
        "u3;sub/c.flac;03;0.25;0.75;2;;NA;test;1.25;7.0;bath;z\r\n"
    )
    path = corpus(tmp_path, toml, table)

    benchmark = custom.read_benchmark(path)
    read = benchmark.read(None)

    assert benchmark.task == Regression(("arousal", "valence"), 1.0, 7.0)
    assert (benchmark.licence, benchmark.citation, benchmark.obtain) == ("private", "me", "ask me")
    assert benchmark.known_defects == {"u 1": "far away"}
    assert list(benchmark.protocols) == [
        "corpus_split",
        "speaker_folds",
        "leave_one_speaker_out",
        "leave_one_session_out",
        "sentence_folds",
        "speaker_dependent_random",
        "random_clips",
    ]
    assert benchmark.protocols["corpus_split"]().shares == {"speaker"}
    assert read["utterance"].tolist() == ["u 1", "u2", "u3"]
    assert read["speaker"].tolist() == ["01", "02", "03"]
    np.testing.assert_array_equal(read["start"], [np.nan, 0.25, 0.25])
    np.testing.assert_array_equal(read["end"], [0.5, np.nan, 0.75])
    assert read["session"].tolist() == ["1", "1", "2"]
    assert read["gender"].tolist() == ["female", "male", None]
    assert read["text"].tolist() == ['so; "well"\nthen', None, "NA"]
    assert read["split"].tolist() == ["train", "valid", "test"]
    assert read["arousal"].tolist() == [3.5, 1.0, 1.25]
    assert read["valence"].tolist() == [7.0, 2.0, 7.0]
    assert read["room"].tolist() == ["kitchen", "kitchen", "bath"]
    assert read["row"].tolist() == [2, 4, 5]
    assert audit_corpus(benchmark, read, Silent()).table["seconds"].tolist() == [0.5, 0.75, 0.5]
    for row in read.itertuples():
        assert len(read_audio(Path(row.path), row.start, row.end, 16000)) in (8000, 12000)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(tmp_path, separator):
    path = corpus(tmp_path, table=TABLE.replace(",", separator))
    assert read(path)["speaker"].tolist() == ["007", "007", "1", "NA"]


def test_options_of_the_default_protocol(tmp_path):
    toml = CLASSES + '[protocol]\nname = "speaker_folds"\nk = 3\nbalance = ["room"]\n'
    rows = "".join(f"a.wav,{i},{('anger', 'neutral')[i % 2]},r{i % 3}\n" for i in range(18))
    path = corpus(tmp_path, toml, f"path,speaker,emotion,room\n{rows}")

    benchmark = custom.read_benchmark(path)
    folds = benchmark.protocols["speaker_folds"]().split(benchmark.read(None), benchmark.task)

    assert len(folds) == 3


def test_absolute_paths(tmp_path):
    path = corpus(tmp_path, table=TABLE.replace("a.wav", str(tmp_path / "wav" / "b.wav")))
    assert read(path)["path"].tolist()[0] == str(tmp_path / "wav" / "b.wav")


def test_a_relative_description(tmp_path, monkeypatch):
    corpus(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert Path(read(Path("mine.toml"))["path"][0]).is_absolute()


def test_files_that_define_it(tmp_path):
    path = corpus(tmp_path)
    assert custom.files(path) == {"description": path, "table": tmp_path / "clips.csv"}


def refused(path: Path) -> str:
    with pytest.raises(SerbenchError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "instead", "words"),
    [
        ('name = "mine"', 'nam = "mine"', "no key 'nam'; did you mean 'name'?"),
        ('name = "mine"', 'nam = "mine"', "'name' is missing"),
        ('name = "mine"', 'name = "../mine"', "'name': .*not '../mine'"),
        ('name = "mine"', 'name = "emodb"', "'emodb' is taken by a benchmark"),
        ('name = "mine"', 'name = "EmoDB"', "'EmoDB' is taken by a benchmark"),
        ('version = "1"', "version = 1", "'version': .*string, not 1"),
        ('version = "1"', "version = ", "not valid TOML: .*line 3"),
        ('"classification"', '"classificatoin"', "'task': .*'classification', 'regression' or"),
        ('table = "clips.csv"', 'table = "clip.csv"', "clip.csv': No such file.*'table'"),
        ('audio = "wav"', 'audio = "wave"', "'audio': folder '.*wave' does not exist"),
        ("labels =", "lables =", "no key 'lables'; did you mean 'labels'?"),
        ('["anger", "neutral"]', '["anger"]', "at least two"),
        ('["anger", "neutral"]', '["anger", "anger"]', "different from each other"),
        ('["anger", "neutral"]', '["anger", 1]', "'labels.1': .*string, not 1"),
        ("labels =", "low = 1\nlabels =", "task 'classification' needs 'labels', and not 'low'"),
        ('labels = ["anger", "neutral"]', "", "needs 'labels', and not nothing else"),
    ],
)
def test_wrong_keys_and_values(tmp_path, line, instead, words):
    assert line in CLASSES
    path = corpus(tmp_path, CLASSES.replace(line, instead))

    message = refused(path)

    assert re.search(words, message), message
    assert str(tmp_path) in message


@pytest.mark.parametrize(
    ("line", "instead", "words"),
    [
        ("low = -1\n", "", "needs 'dimensions', 'high', 'low'"),
        ("high = 1", "high = -1", "'low' is -1, which is not below 'high'"),
        ("high = 1", 'high = "much"', "'high': .*number.*not 'much'"),
        ('"valence"]', '"arousal"]', "different from each other"),
        ('"valence"]', '"start"]', "'start' means something else"),
    ],
)
def test_wrong_dimensions(tmp_path, line, instead, words):
    assert line in DIMENSIONS
    message = refused(corpus(tmp_path, DIMENSIONS.replace(line, instead)))
    assert re.search(words, message), message


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("[columns]\nspeeker = 'who'", "'columns': no column 'speeker'; did you mean 'speaker'?"),
        ("[columns]\nspeaker = 'spaeker'", "no column 'spaeker'; did you mean 'speaker'?"),
        ("[columns]\ngender = 'sex'", "no column 'sex'.*'gender' has another name"),
        ("[protocol]\nk = 5", "'protocol' has no 'name'"),
        ("[protocol]\nname = 'speaker_fold'", "did you mean 'speaker_folds'?"),
        ("[protocol]\nname = 'speaker_folds'\nkk = 5", "no option .*'kk'.*did you mean 'k'?"),
        ("[protocol]\nname = 'speaker_folds'\nk = 2", "option 'k' .*not 2"),
        ("[protocol]\nname = 'leave_one_session_out'", "needs a column 'session'"),
        ("[protocol]\nname = 'corpus_split'", "needs a column 'split'"),
        ("[known_defects]\nu1 = 3", "'known_defects.u1': .*string"),
    ],
)
def test_wrong_tables_of_the_description(tmp_path, lines, words):
    message = refused(corpus(tmp_path, f"{CLASSES}\n{lines}\n"))
    assert re.search(words, message), message
    assert str(tmp_path) in message


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "is empty, or its first row is"),
        ("path,speaker,emotion\n", "a header and no rows"),
        ("path,speaker\na.wav,1\n", "no column 'emotion'.*say so under \\[columns\\]"),
        ("path,speaker,emotion,path\na.wav,1,anger,a.wav\n", "column 'path' twice"),
        ("path,speaker,emotion\na.wav,1\nb.wav,1,anger\n", "row 2 has 2 cells, the header has 3"),
        ("path,speaker,emotion\na.wav,1,anger\n\nb.wav,1,anger,x\n", "row 4 has 4 cells"),
        ("path,speaker,emotion\n,1,anger\n", "row 2: no path"),
        ("utterance,path,speaker,emotion\n,a.wav,1,anger\n", "row 2: no utterance"),
        ('path,speaker,emotion\n"a.wav,1,anger\n', "not valid CSV"),
        (
            "path,speaker,emotion,start\na.wav,1,anger,\nb.wav,1,anger,0:01\n",
            "row 3: 'start' is '0:01', not a number",
        ),
        (
            "path;speaker;emotion;end\na.wav;1;anger;1,5\n",
            "row 2: 'end' is '1,5', not a number such as 1.25",
        ),
        (
            "path,speaker,emotion,split\na.wav,1,anger,Test1\n",
            "1 rows from row 2 on: no part 'split' 'Test1'; did you mean 'test'",
        ),
    ],
)
def test_wrong_cells(tmp_path, table, words):
    message = refused(corpus(tmp_path, table=table))
    assert re.search(words, message), message
    assert str(tmp_path / "clips.csv") in message


def test_all_wrong_cells_at_once(tmp_path):
    rows = "".join(f"a.wav,1,x{i},0\n" for i in range(30))
    path = corpus(tmp_path, DIMENSIONS, f"path,speaker,arousal,valence\n{rows}")

    message = refused(path)

    assert "has 30 wrong rows or cells" in message
    assert message.count("\n- row") == 10
    assert "row 11: 'arousal' is 'x9'" in message
    assert message.endswith("- and 20 more")


def test_another_encoding(tmp_path):
    path = corpus(tmp_path)
    (tmp_path / "clips.csv").write_bytes(
        "path,speaker,emotion\na.wav,Müller,anger\n".encode("latin1")
    )
    assert "is not UTF-8" in refused(path)


def test_no_such_description(tmp_path):
    for call in (custom.read_benchmark, custom.files):
        with pytest.raises(SerbenchError, match=r"nothing\.toml': No such file"):
            call(tmp_path / "nothing.toml")


def test_the_audit_names_the_rows(tmp_path):
    table = TABLE + "gone.wav,2,angr\n,,\na.wav,,neutral\n"
    benchmark = custom.read_benchmark(corpus(tmp_path, table=table))

    found = audit_corpus(benchmark, benchmark.read(None), Silent())

    told = {f.kind: f.message for f in found.findings}
    assert "(sub/c.flac, sub/c.flac; rows 4, 5)" in told["duplicate_id"]
    assert "did you mean 'anger'" in told["unknown_label"]
    assert "row 6" in told["unknown_label"]
    assert found.table["speaker"].tolist()[-1] == "Unknown"
    assert str(tmp_path / "wav" / "gone.wav") in told["missing"]


FOLDS = "protocol = {name = 'speaker_folds', k = 4}"


@pytest.mark.parametrize("written", [FOLDS, "protocol = 'speaker_folds'"])
def test_a_protocol_may_stand_in_one_line(tmp_path, written):
    benchmark = custom.read_benchmark(corpus(tmp_path, f"{written}\n{CLASSES}"))
    name, build = next(iter(benchmark.protocols.items()))
    assert (name, build.keywords) == ("speaker_folds", {"k": 4} if written == FOLDS else {})


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (f"[columns]\ngender = 'sex'\n{FOLDS}", r"'protocol' stands below \[columns\]"),
        ("[columns]\nlicence = 'CC0'", r"'licence' stands below \[columns\]"),
        ("[known_defects]\nmin_utterances = 3", r"'min_utterances' stands below \[known_defects\]"),
        ("[protocol]\nname = 'speaker_folds'\nchannel = 1", r"'channel' stands below \[protocol\]"),
        (FOLDS.replace("{", "{\n"), r"not valid TOML: .* in one line, .* or as a section \[name\]"),
    ],
)
def test_what_stands_at_another_place_in_the_file_is_told(tmp_path, lines, words):
    message = refused(corpus(tmp_path, f"{CLASSES}\n{lines}\n"))
    assert re.search(words, message), message


def test_the_documented_description_is_one(tmp_path):
    """The example in the module's docstring, as it stands."""
    example = re.search(r"The TOML file::\n\n((?:    .*\n|\n)+)", custom.__doc__ + "\n")[1]
    table = "path,spk,label,gender\na.wav,1,anger,f\nb.wav,2,neutral,m\n"
    path = corpus(tmp_path, re.sub(r"(?m)^    ", "", example), table)
    path.with_name("clips.csv").rename(tmp_path / "utterances.csv")

    benchmark = custom.read_benchmark(path)

    assert benchmark.name == "my_corpus"
    assert benchmark.read(None)["speaker"].tolist() == ["1", "2"]
    assert benchmark.known_defects == {"clip 17": "nothing is said"}


def test_rows_without_labels_are_a_part_of_their_own(tmp_path):
    rows = ["path,speaker,emotion,split"]
    parts = {"train": "calm", "valid": "loud", "test": "calm", "Unlabelled": ""}
    for part, label in parts.items():
        soundfile.write(tmp_path / f"{part}.wav", np.linspace(-0.1, 0.1, 8000), 16000)
        rows.append(f"{part}.wav,{part},{label},{part}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    (tmp_path / "own.toml").write_text(
        'name = "own"\nversion = "1"\ntable = "table.csv"\ntask = "classification"\n'
        'labels = ["calm", "loud"]\n'
    )
    benchmark = custom.read_benchmark(tmp_path / "own.toml")
    table = benchmark.read(None)
    (fold,) = benchmark.protocols["corpus_split"]().split(table, benchmark.task)
    assert table["path"].iloc[fold.unlabelled].str.endswith("Unlabelled.wav").tolist() == [True]
    assert 3 not in {*fold.train, *fold.valid, *fold.test}
    heard = as_texts(table).assign(seconds=1.0, rate=16000)
    told = dict(summary(heard, benchmark.task))
    assert told["unlabelled"] == "1, which nothing is learnt from or scored on"
    speakers = tables(heard, benchmark.task)["speakers"]
    assert speakers.set_index("speaker").loc["Unlabelled", ["calm", "loud"]].tolist() == [0, 0]


def test_a_header_with_semicolons_in_quotes_is_one_of_commas(tmp_path):
    text = 'path,speaker,"note;x;y;z;u",emotion\na.wav,s,"1;2",calm\n'
    (tmp_path / "t.csv").write_text(text)
    rows = [cells for _, cells in custom_table.rows_of(tmp_path / "t.csv")]
    assert rows[1] == ["a.wav", "s", "1;2", "calm"]
