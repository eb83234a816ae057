from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from serbench.benchmarks import Benchmark, Classification, Regression
from serbench.benchmarks.auditing.audit import AUDIO_KINDS, CorpusAudit, audit_corpus
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.progress import Silent

LABELS = ("anger", "neutral", "sadness")
EMOTIONS = Classification(LABELS)
SCALE = Regression(("arousal", "valence"), 1.0, 7.0)
RATE = 16000


@pytest.fixture(autouse=True)
def _fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def corpus(tmp_path) -> pd.DataFrame:
    """Twelve sound utterances of four speakers, two files of them in other formats."""
    rows = []
    for i in range(12):
        suffix = {3: "flac", 7: "ogg"}.get(i, "wav")
        path = tmp_path / f"u{i}.{suffix}"
        speech(path, seed=i, rate=(8000, 16000, 44100)[i % 3], channels=1 + i % 2)
        rows.append({"utterance": f"u{i}", "path": str(path), "speaker": f"s{i % 4}"})
    table = pd.DataFrame(rows).assign(start=np.nan, end=np.nan)
    table = table.assign(session=None, gender=None, text=None, split=None)
    return table.assign(emotion=[LABELS[i // 4] for i in range(12)])


def speech(
    path: Path, *, seed: int, seconds: float = 0.2, rate: int = RATE, channels: int = 1, level=0.3
) -> Path:
    wave = np.random.default_rng(seed).uniform(-level, level, (int(seconds * rate), channels))
    soundfile.write(path, wave, rate)
    return path


def benchmark(task=EMOTIONS, **fields) -> Benchmark:
    return Benchmark(
        name="tiny",
        version="1",
        task=task,
        read=lambda _: pd.DataFrame(),
        protocols={},
        folder=None,
        licence="",
        citation="",
        obtain="",
        **fields,
    )


def audit(table, task=EMOTIONS, **fields) -> CorpusAudit:
    return audit_corpus(benchmark(task, **fields), table, Silent())


def kinds(found: CorpusAudit) -> dict[str | None, str]:
    return {f.utterance: f"{f.severity} {f.kind}" for f in found.findings}


@pytest.fixture
def opened(monkeypatch) -> Counter[str]:
    """Count how often each file is opened."""
    count: Counter[str] = Counter()
    real = soundfile.SoundFile

    def counting(path, *args, **kwargs):
        count[Path(path).name] += 1
        return real(path, *args, **kwargs)

    monkeypatch.setattr("serbench.benchmarks.reading.opening.soundfile.SoundFile", counting)
    return count


class Watched(Silent):
    """Remembers the totals and what was advanced."""

    def __init__(self):
        self.steps = []

    @contextmanager
    def step(self, title, total):
        done = Counter()

        class Step:
            def advance(self, amount=1.0):
                done["advanced"] += amount

            def note(self, text):
                pass

        yield Step()
        self.steps.append((title, total, done["advanced"]))


def test_a_sound_corpus(corpus):
    found = audit(corpus)

    assert found.findings == ()
    assert found.broken == {}
    assert found.table["seconds"].to_numpy() == pytest.approx(0.2, abs=1e-4)
    assert found.table["recording"].str.fullmatch("[0-9a-f]{64}").all()
    assert found.table["recording"].nunique() == 12
    pd.testing.assert_frame_equal(found.usable(), found.table)
    pd.testing.assert_frame_equal(found.table[corpus.columns], corpus)


def damage(corpus: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Give a kind of fault to each of the first ten utterances; return which."""
    path = [Path(p) for p in corpus["path"]]
    path[0].unlink()
    path[1].write_text("this is not audio")
    path[2].write_bytes(b"")
    data = speech(path[4], seed=4).read_bytes()
    path[4].write_bytes(data[: len(data) // 2])
    soundfile.write(path[5], np.full(8000, 0.1), RATE)
    soundfile.write(path[6], np.random.default_rng(6).uniform(-3e-4, 3e-4, 8000), RATE)
    wave = np.random.default_rng(8).uniform(-0.3, 0.3, 8000)
    wave[77] = np.nan
    soundfile.write(path[8], wave, RATE, subtype="FLOAT")
    soundfile.write(path[9], np.random.default_rng(9).uniform(-9e3, 9e3, 8000), RATE, "FLOAT")
    speech(path[10], seed=10, seconds=0.02)
    corpus.loc[3, ["start", "end"]] = 0.1, 0.25
    corpus.loc[7, ["start", "end"]] = 0.15, 0.1
    return {
        "u0": "missing",
        "u1": "unreadable",
        "u2": "empty",
        "u3": "segment",
        "u4": "truncated",
        "u5": "silent",
        "u6": "silent",
        "u7": "segment",
        "u8": "not_finite",
        "u9": "too_loud",
        "u10": "too_short",
    }


def test_every_fault_of_a_file_is_found_at_once(corpus, tmp_path):
    expected = damage(corpus, tmp_path)

    found = audit(corpus)

    assert kinds(found) == {u: f"error {kind}" for u, kind in expected.items()}
    assert set(expected.values()) <= AUDIO_KINDS
    assert set(found.broken) == set(expected)
    messages = {f.utterance: f for f in found.findings}
    for utterance, path in zip(corpus["utterance"], corpus["path"], strict=True):
        if utterance in expected:
            assert messages[utterance].path == Path(path)
            assert path in messages[utterance].message
    assert "all its samples are equal" in messages["u5"].message
    assert "below -70 dBFS" in messages["u6"].message
    assert "20.0 ms" in messages["u10"].message
    assert "lasts" not in messages["u3"].message


def test_broken_utterances_stop_a_run_or_are_left_out(corpus, tmp_path):
    damage(corpus, tmp_path)
    found = audit(corpus)

    with pytest.raises(SerbenchError) as caught:
        found.usable()

    message = str(caught.value)
    assert message.startswith("the corpus of benchmark 'tiny' has 11 errors:\n- u")
    assert message.count("\n- ") == 11
    assert "- and 1 more" in message
    assert "`serbench data check tiny`" in message
    assert "`--leave-out-broken` goes on without the 11 broken ones" in message
    assert list(found.usable(leave_out_broken=True)["utterance"]) == ["u11"]
    assert found.usable(leave_out_broken=True).index.tolist() == [0]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("path", None, "'path' is None in 12 utterances (u0"),
        ("speaker", [1], "'speaker' is [1] in 12"),
        ("end", "soon", "'end' is 'soon' in 12"),
    ],
)
def test_a_column_of_another_type_is_refused_before_any_audio_is_read(corpus, column, value, said):
    corpus[column] = [value] * len(corpus)
    with pytest.raises(SerbenchError) as caught:
        audit(corpus)
    assert said in str(caught.value)


def test_nothing_left(corpus):
    for path in corpus["path"]:
        Path(path).unlink()

    with pytest.raises(SerbenchError, match="all utterances are broken"):
        audit(corpus).usable(leave_out_broken=True)


def test_faults_of_the_table(corpus):
    corpus["row"] = range(2, 14)
    corpus.loc[1, "utterance"] = "u0"
    corpus.loc[[2, 3], "speaker"] = [None, " "]
    corpus.loc[[4, 8], "emotion"] = ["angr", "angr"]
    corpus.loc[6, "emotion"] = None

    found = audit(corpus)

    messages = {f.kind: f.message for f in found.findings}
    assert all(f.severity == "error" for f in found.findings)
    assert messages["duplicate_id"].startswith("the same id: 2 utterances (u0, u0; rows 2, 3)")
    assert "2 utterances (u2, u3; rows 4, 5)" in messages["no_speaker"]
    assert "no label 'angr'; did you mean 'anger'?" in messages["unknown_label"]
    assert "2 utterances (u4, u8; rows 6, 10)" in messages["unknown_label"]
    assert "1 utterance (u6; row 8)" in messages["no_target"]
    assert len(found.findings) == 4
    with pytest.raises(SerbenchError, match="what is wrong with the table must be mended"):
        found.usable(leave_out_broken=True)


def test_values_off_the_scale(corpus):
    table = corpus.assign(arousal=4.0, valence=np.linspace(1, 7, 12))
    table.loc[3, "arousal"] = 7.5
    table.loc[4, "arousal"] = -np.inf
    table.loc[5, "arousal"] = np.nan
    table["valence"] = table["valence"].astype(object)
    table.loc[0, "valence"] = "n/a"

    found = audit(table, SCALE)

    told = [(f.severity, f.kind, f.message) for f in found.findings]
    assert [(s, k) for s, k, _ in told] == [
        ("error", "no_target"),
        ("error", "off_scale"),
        ("error", "no_target"),
    ]
    assert "'arousal': 1 utterance (u5)" in told[0][2]
    assert "'arousal' is off the scale 1 to 7: 2 utterances (u3, u4), first 7.5" in told[1][2]
    assert "'valence': 1 utterance (u0)" in told[2][2]


def test_a_label_of_one_speaker_or_of_nobody(corpus):
    corpus["emotion"] = corpus["emotion"].replace("sadness", "neutral")
    corpus.loc[corpus["speaker"] != "s1", "emotion"] = "neutral"

    found = audit(corpus)

    told = {(f.severity, f.kind): f.message for f in found.findings}
    assert "'anger'" in told["warning", "one_speaker_class"]
    assert "'sadness'" in told["warning", "empty_class"]
    assert len(found.usable()) == 12


def copy(corpus: pd.DataFrame, source: int, target: int) -> None:
    wave, rate = soundfile.read(corpus.loc[source, "path"], dtype="int16")
    soundfile.write(corpus.loc[target, "path"], wave, rate)


def test_the_same_recording_twice(corpus, tmp_path):
    corpus.loc[3, "path"] = str(tmp_path / "copy.flac")
    corpus.loc[[0, 3], "speaker"] = "s0"
    copy(corpus, 0, 3)  # WAV to FLAC, same label, same speaker
    copy(corpus, 4, 8)  # another label
    copy(corpus, 5, 6)  # another speaker

    found = audit(corpus)

    assert kinds(found) == {
        "u0": "warning identical",
        "u3": "warning identical",
        "u4": "error identical",
        "u8": "error identical",
        "u5": "error identical",
        "u6": "error identical",
    }
    messages = {f.utterance: f.message for f in found.findings}
    assert messages["u4"].startswith("the same samples as u8, with another emotion;")
    assert messages["u6"].startswith("the same samples as u5, with another speaker;")
    assert found.table.loc[0, "recording"] == found.table.loc[3, "recording"]
    assert set(found.usable(leave_out_broken=True)["utterance"]) == {
        *("u0", "u1", "u2", "u3", "u7", "u9", "u10", "u11")
    }


def test_the_same_samples_at_another_rate_are_another_recording(corpus):
    wave, _ = soundfile.read(corpus.loc[1, "path"], dtype="int16")
    soundfile.write(corpus.loc[0, "path"], wave, 8000)
    soundfile.write(corpus.loc[1, "path"], wave, 16000)

    assert audit(corpus).findings == ()


def test_one_segment_under_two_labels(corpus):
    corpus["path"] = corpus.loc[1, "path"]
    corpus["start"] = np.arange(12) / 100
    corpus["end"] = corpus["start"] + 0.05
    corpus.loc[11, ["start", "end"]] = corpus.loc[0, ["start", "end"]]

    found = audit(corpus)

    assert kinds(found) == {"u0": "error identical", "u11": "error identical"}
    assert found.table["seconds"].to_numpy() == pytest.approx(0.05)


def test_known_defects_are_told_and_do_not_stop(corpus):
    soundfile.write(corpus.loc[0, "path"], np.zeros(8000), RATE)
    copy(corpus, 4, 8)
    Path(corpus.loc[2, "path"]).unlink()
    known = {
        "u0": "nothing is said",
        "u2": "hard to hear",
        "u4": "the same as u8",
        "u8": "the same as u4",
        "u9": "another sentence is said",
        "u99": "not in this table",
    }

    found = audit(corpus, known_defects=known)

    told = {(f.utterance, f.severity): f.message for f in found.findings}
    assert told["u0", "known"] == "nothing is said"
    assert told["u4", "known"] == "the same as u8"
    assert told["u9", "known"] == "another sentence is said"
    assert "does not exist" in told["u2", "error"]  # a defect does not excuse a missing file
    assert told["u2", "known"] == "hard to hear"
    assert set(found.broken) == {"u2"}
    assert len(told) == 6
    assert [f.severity for f in found.findings] == ["error"] + ["known"] * 5


def test_each_file_is_opened_once_and_then_never_again(corpus, opened):
    segments = pd.concat([corpus.assign(start=i / 20, end=i / 20 + 0.05) for i in range(4)])
    segments["utterance"] = [f"v{i}" for i in range(48)]
    watched = Watched()

    first = audit_corpus(benchmark(), segments, watched)

    assert first.findings == ()
    assert set(opened.values()) == {1}
    assert len(opened) == 12
    read = [("check audio of tiny", 12, 12)]
    assert [step for step in watched.steps if step[0] == read[0][0]] == read
    opened.clear()

    second = audit_corpus(benchmark(), segments, watched)

    assert not opened
    assert [step for step in watched.steps if step[0] == read[0][0]] == read
    pd.testing.assert_frame_equal(second.table, first.table)


def test_what_changed_or_was_faulty_is_looked_at_again(corpus, opened):
    corpus.loc[4, "end"] = 9.0
    audit(corpus)
    speech(Path(corpus.loc[3, "path"]), seed=99, seconds=0.3)
    soundfile.write(corpus.loc[5, "path"], np.zeros(8000), RATE)
    opened.clear()

    found = audit(corpus)

    assert dict(opened) == {"u3.flac": 1, "u4.wav": 1, "u5.wav": 1}
    assert kinds(found) == {"u4": "error segment", "u5": "error silent"}
    assert found.table.loc[3, "seconds"] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("in_place", [True, False])
def test_other_samples_of_the_same_size_and_time_are_noticed(corpus, tmp_path, in_place):
    path = Path(corpus.loc[1, "path"])
    before, old = audit(corpus).table.loc[1, "recording"], path.stat()
    fresh = path if in_place else tmp_path / "fresh.wav"
    speech(fresh, seed=99, rate=16000, channels=2)
    os.utime(fresh, ns=(old.st_atime_ns, old.st_mtime_ns))
    fresh.replace(path)
    new = path.stat()
    assert (new.st_size, new.st_mtime_ns) == (old.st_size, old.st_mtime_ns)

    assert audit(corpus).table.loc[1, "recording"] != before


def test_an_audit_anew_believes_nothing_that_is_remembered(corpus, opened):
    audit(corpus)
    opened.clear()

    audit_corpus(benchmark(), corpus, Silent(), anew=True)

    assert len(opened) == 12
    opened.clear()
    audit(corpus)
    assert not opened, "it is remembered"


def test_another_table_of_the_same_corpus_keeps_what_is_known(corpus, opened):
    audit(corpus)
    opened.clear()

    audit(corpus.iloc[:5])
    audit(corpus)

    assert not opened


def test_a_broken_cache_is_no_cache(corpus):
    audit(corpus)
    caches = list((home() / "audit").glob("[!.]*"))
    assert [c.name for c in caches] == ["tiny.5.parquet"]
    for content in (b"", b"rubbish", caches[0].read_bytes()[:-40]):
        caches[0].write_bytes(content)
        assert audit(corpus).findings == ()
    pd.DataFrame({"path": ["a"]}).to_parquet(caches[0])
    assert audit(corpus).findings == ()


def test_an_interrupted_audit_keeps_what_it_measured(corpus, opened, monkeypatch):
    monkeypatch.setattr("serbench.benchmarks.auditing.recordings._FILES_A_TASK", 1)

    class Impatient(Silent):
        @contextmanager
        def step(self, title, total):
            class Step:
                done = 0

                def advance(self, amount=1.0):
                    self.done += amount
                    if self.done == 5:
                        raise KeyboardInterrupt

            yield Step()

    with pytest.raises(KeyboardInterrupt):
        audit_corpus(benchmark(), corpus, Impatient())
    opened.clear()

    assert audit(corpus).findings == ()
    assert set(opened) == {Path(p).name for p in corpus["path"][5:]}


def test_a_home_that_cannot_be_written(corpus, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "file"))

    with pytest.raises(SerbenchError, match=r"cannot write .* set SERBENCH_HOME"):
        audit(corpus)


@pytest.mark.parametrize("column", ["utterance", "path", "session", "emotion"])
def test_a_table_without_a_column_of_the_contract(corpus, column):
    with pytest.raises(SerbenchError, match=f"lacks the columns {column}; its `read`"):
        audit(corpus.drop(columns=column))


def test_an_empty_table(corpus):
    with pytest.raises(SerbenchError, match="has no utterances"):
        audit(corpus.iloc[:0])


@pytest.mark.parametrize("column", ["utterance", "speaker", "session"])
@pytest.mark.parametrize("character", ["\x1b", "\u202e", "\u200b", "\n"])
def test_names_have_no_characters_that_command_a_terminal(corpus, column, character):
    names = corpus[column].fillna("one").astype(object)
    names[3] = f"a{character}b"
    found = audit_corpus(benchmark(), corpus.assign(**{column: names}), Silent())
    (finding,) = [f for f in found.findings if f.kind == "unseen_character"]
    assert finding.severity == "error"
    with pytest.raises(SerbenchError) as caught:
        found.usable(leave_out_broken=True)
    assert f"in '{column}' of 1 utterance" in str(caught.value)
    assert character not in str(caught.value).replace("\n- ", "") or character == "\n"
