"""What is heard twice is found, however it was cut or coded, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.auditing.audit import audit_corpus
from serbench.benchmarks.auditing.causes import explained
from serbench.benchmarks.auditing.copies import linked, overlapping
from serbench.benchmarks.auditing.fingerprints import fingerprint, near_copies
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.auditing.sharing import imbalance, shared, shares
from serbench.benchmarks.splitting import protocols
from serbench.benchmarks.tasks.findings import Finding, by_cause
from serbench.progress import Silent

RATE = 16_000
NAN = float("nan")
TASK = Classification(("x", "y"))


@pytest.fixture(autouse=True)
def _fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))


def talk(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Return something whose spectrum changes as that of speech does: tones that wander."""
    draw = np.random.default_rng(seed)
    size = int(seconds * RATE)
    time = np.arange(size) / RATE
    wave = np.zeros(size)
    for _ in range(12):
        steps = draw.normal(0, 1, int(seconds * 8) + 2).cumsum() * 60 + draw.uniform(300, 3000)
        pitch = np.interp(time, np.arange(len(steps)) / 8, steps)
        loud = np.interp(time, np.arange(len(steps)) / 8, draw.uniform(0, 1, len(steps)))
        wave += loud * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    return (0.02 * wave + draw.normal(0, 1e-3, size)).astype(np.float32)


def coded(wave: np.ndarray, path: Path, **how: str) -> np.ndarray:
    soundfile.write(path, wave, RATE, **how)
    return soundfile.read(path, dtype="float32")[0]


def changed(wave: np.ndarray, how: str, path: Path) -> tuple[np.ndarray, int]:
    draw = np.random.default_rng(9)
    match how:
        case "a few samples":
            return wave[7:], RATE
        case "cut":
            return wave[3001:-2000], RATE
        case "begins later":
            return np.concatenate([draw.normal(0, 1e-3, 4321).astype(np.float32), wave]), RATE
        case "louder":
            return 2.5 * wave, RATE
        case "mp3":
            return coded(wave, path.with_suffix(".mp3"), format="MP3"), RATE
        case "vorbis":
            return coded(wave, path.with_suffix(".ogg"), format="OGG"), RATE
        case "another rate":
            return soxr.resample(wave, RATE, 44_100), 44_100
    raise AssertionError(how)


@pytest.mark.parametrize(
    "how", ["a few samples", "cut", "begins later", "louder", "mp3", "vorbis", "another rate"]
)
def test_a_copy_is_found_however_it_was_made(tmp_path, how):
    waves = [(talk(seed), RATE) for seed in range(6)]
    waves.append(changed(talk(3), how, tmp_path / "a.wav"))

    (copy,) = near_copies([fingerprint(*wave) for wave in waves])

    assert {copy.first, copy.second} == {3, 6}
    assert copy.different < 0.2


def test_other_recordings_are_no_copies():
    assert near_copies([fingerprint(talk(seed), RATE) for seed in range(60)]) == []
    assert near_copies([]) == []
    assert near_copies([fingerprint(np.zeros(40_000, np.float32), RATE)] * 3) == []
    assert len(fingerprint(np.ones(100, np.float32), RATE)) == 0


def hum(seed: int) -> np.ndarray:
    """Return a voice that holds one note: harmonics of random phases that swell four times a s."""
    draw = np.random.default_rng(seed)
    time = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(278 * (1 + 0.05 * np.sin(2 * np.pi * 4 * time))) / RATE
    wave = sum(np.sin(k * phase + draw.uniform(0, 6)) / k for k in range(1, 8))
    swell = 0.3 + 0.2 * np.sin(2 * np.pi * 4 * time + draw.uniform(0, 6))
    return (0.2 * wave * swell + draw.normal(0, 0.003, len(time))).astype(np.float32)


def beeps(seed: int, clicks: bool = False) -> np.ndarray:
    """Return a tone, or clicks 125 times a second, without a breath of noise."""
    begin = np.random.default_rng(seed).integers(128)
    time = np.arange(begin, begin + 2 * RATE)
    wave = time % 128 == 0 if clicks else np.sin(2 * np.pi * 440 * time / RATE)
    return (0.3 * wave).astype(np.float32)


def test_sound_that_repeats_itself_is_no_copy_of_its_like():
    for kind in ([hum(seed) for seed in range(8)], [*map(beeps, range(4))]):
        assert near_copies([fingerprint(wave, RATE) for wave in kind]) == []
    assert near_copies([fingerprint(beeps(seed, clicks=True), RATE) for seed in range(4)]) == []


@pytest.mark.parametrize("how", ["a few samples", "cut", "louder", "another rate"])
def test_a_copy_of_sound_that_repeats_itself_is_found_among_its_like(tmp_path, how):
    waves = [*((hum(seed), RATE) for seed in range(4)), changed(hum(3), how, tmp_path / "a")]

    (copy,) = near_copies([fingerprint(*wave) for wave in waves])

    assert {copy.first, copy.second} == {3, 4}


def corpus(folder: Path, waves: dict[str, np.ndarray], **columns: list) -> pd.DataFrame:
    for name, wave in waves.items():
        soundfile.write(folder / f"{name}.wav", wave, RATE)
    names = list(waves)
    table = pd.DataFrame({"utterance": names, "path": [str(folder / f"{n}.wav") for n in names]})
    table = table.assign(start=NAN, end=NAN, session=None, gender=None, text=None, split=None)
    table = table.assign(speaker=[n[0] for n in names], emotion=["x", "y"] * (len(names) // 2))
    return table.assign(**columns)


def audited(table: pd.DataFrame, **fields):
    made = Benchmark("own", "1", TASK, lambda _: table, {}, None, "", "", "", **fields)
    return audit_corpus(made, table, Silent())


def people(folder: Path) -> dict[str, np.ndarray]:
    names = [f"{speaker}{i}" for speaker in "abc" for i in range(4)]
    return {name: talk(seed, 1.0) for seed, name in enumerate(names)}


def test_a_near_copy_in_two_parts_is_refused_unless_it_is_known(tmp_path):
    waves = people(tmp_path)
    waves["b3"] = waves["a2"][11:]
    found = audited(corpus(tmp_path, waves))

    told = {f.utterance: f for f in found.findings}
    assert {u: f.kind for u, f in told.items()} == {"a2": "near_copy", "b3": "near_copy"}
    assert "heard in b3 as well" in told["a2"].message
    protocol = protocols.leave_one_speaker_out()
    folds = protocol.split(found.table, TASK)
    errors = [f for f in audit_folds(found.table, folds, protocol, TASK) if f.severity == "error"]
    assert {f.kind for f in errors} == {"shared_copy"}
    assert all("a2, b3" in f.message for f in errors)
    assert shares(found.table, folds)["copy: test in train"] > 0

    known = audited(corpus(tmp_path, waves), known_defects={"a2": "twice", "b3": "twice"})
    assert {f.severity for f in known.findings} == {"known"}
    assert audit_folds(known.table, folds, protocol, TASK) == []


def test_segments_that_overlap_are_told_and_refused_in_two_parts(tmp_path):
    waves = people(tmp_path)
    table = corpus(tmp_path, waves)
    table.loc[0, ["start", "end"]] = 0.0, 0.6
    table.loc[4, ["path", "start", "end"]] = table["path"][0], 0.4, 1.0
    found = audited(table)

    (told,) = found.findings
    assert (told.kind, told.severity) == ("overlap", "warning")
    assert "a0 and b0" in told.message
    protocol = protocols.leave_one_speaker_out()
    folds = protocol.split(found.table, TASK)
    errors = [f for f in audit_folds(found.table, folds, protocol, TASK) if f.severity == "error"]
    assert {f.kind for f in errors} == {"shared_overlap"}


def test_neighbouring_segments_do_not_overlap():
    table = pd.DataFrame(
        {
            "path": ["x/a.wav"] * 4 + ["x/./b.wav", "x/b.wav"],
            "start": [0.0, 0.98, 3.0, 3.5, NAN, 5.0],
            "end": [1.0, 2.0, 6.0, 4.0, NAN, 6.0],
        }
    )
    assert list(overlapping(table)) == [(2, 3), (4, 5)]
    assert linked(6, overlapping(table), pd.Series(list("uvwxyz"))) == ["", "", "w", "w", "y", "y"]


def test_why_files_are_not_found_is_told_once(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("a.wav", "b.wav", "Ju\u0308rgen.wav"):
        (tmp_path / "wav" / name).touch()
    given = {
        "a": tmp_path / "wav" / "..\\wav\\a.wav",
        "b": tmp_path / "wav" / "..\\WAV\\B.wav",
        "c": tmp_path / "Wav" / "A.WAV",
        "d": tmp_path / "wav" / "J\u00fcrgen.wav",
        "e": tmp_path / "wav" / "gone.wav",
    }
    missing = [Finding("missing", "error", "gone", u, path) for u, path in given.items()]

    causes = [(len(group), group[0].cause) for group in by_cause(explained(missing))]

    assert [count for count, _ in causes] == [2, 1, 1, 1]
    words = ("another system", "capital and small letters", "Unicode form", "")
    assert all(word in cause for word, (_, cause) in zip(words, causes, strict=True))


def test_what_parts_share_is_counted(tmp_path):
    table = pd.DataFrame(
        {
            "utterance": [f"u{i}" for i in range(12)],
            "speaker": [s for s in "abcdef" for _ in range(2)],
            "session": None,
            "gender": ["f"] * 6 + ["m"] * 6,
            "text": ["One.", "two"] * 5 + ["one!", "three"],
            "recording": [f"r{i}" for i in range(12)],
            "emotion": ["x", "y"] * 6,
            "copy": "",
        }
    )
    protocol = protocols.speaker_folds(k=3)
    folds = protocol.split(table, TASK)

    found = {(s.what, s.part, s.other): s.share for s in shared(table, folds)}

    assert found["speaker", "test", "train"] == 0
    assert ("session", "test", "train") not in found
    assert found["text", "test", "train"] == pytest.approx(11 / 12)  # nobody else says "three"
    assert found["recording", "test", "train"] == found["copy", "test", "train"] == 0
    assert all(row["labels"] == 0 for row in imbalance(table, folds, TASK))
    assert max(float(row["gender"]) for row in imbalance(table, folds, TASK)) in (0, 50)
