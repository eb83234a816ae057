"""The demo corpus: what is planted can be found, and it is the same wherever it is made."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.stats import f_oneway, spearmanr

from serbench.benchmarks import Classification, Regression, demo
from serbench.benchmarks.auditing.audit import audit_corpus
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.synthesis.corpus import utterances
from serbench.benchmarks.synthesis.voices import VOICES
from serbench.errors import SerbenchError
from serbench.progress import Silent

RATE = 16000
DIMENSIONS = ["arousal", "valence", "dominance"]
# of words and labels, whose numbers are rounded: the same on any machine
GOLDEN = "7a0c287811bea10e"


@pytest.fixture
def table() -> pd.DataFrame:
    return demo.make().read(None)


@pytest.fixture
def pitches(table: pd.DataFrame) -> pd.Series:
    """Median fundamental frequency of each utterance in semitones above 100 Hz."""
    return 12 * np.log2(pd.Series([median_pitch(path) for path in table["path"]]) / 100)


def load(path: str) -> np.ndarray:
    return soundfile.read(path)[0]


@cache
def median_pitch(path: str, low: int = 60, high: int = 500) -> float:
    """Return Hz: the median, over loud frames, of the shortest lag that correlates well."""
    window = np.hanning(640)
    frames = np.lib.stride_tricks.sliding_window_view(load(path), 640)[::320]
    power = np.mean(frames**2, axis=1)
    loud = frames[power > 0.1 * power.max()] * window
    correlation = correlate(loud)[:, : RATE // low] / correlate(window)[: RATE // low]
    found = []
    for lags in correlation[:, RATE // high :] / correlation[:, :1]:
        inner = lags[1:-1]
        peaks = (inner >= lags[:-2]) & (inner >= lags[2:]) & (inner > 0.85 * lags.max())
        if lags.max() > 0.6 and peaks.any():
            found.append(RATE / (RATE // high + 1 + np.argmax(peaks)))
    return float(np.median(found))


def correlate(frames: np.ndarray) -> np.ndarray:
    return np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)


def spectrum(path: str) -> np.ndarray:
    """Return mean and standard deviation of the log power in bands of equal ratio."""
    frames = np.lib.stride_tricks.sliding_window_view(load(path), 400)[::160] * np.hanning(400)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.unique(np.geomspace(4, 200, 21).round().astype(int))
    bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-8)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])


def test_the_benchmark_says_that_it_is_synthetic() -> None:
    benchmark = demo.make()
    assert benchmark.synthetic
    assert benchmark.folder is None
    assert "SYNTHETIC" in benchmark.citation
    assert "says nothing about real speech" in benchmark.citation
    assert "SYNTHETIC" in benchmark.obtain
    assert "SYNTHETIC" in (demo.__doc__ or "").splitlines()[0]


def test_tasks() -> None:
    emotion, dimensions = demo.make(), demo.make(task="dimensions")
    assert emotion.task == Classification(("neutral", "happy", "angry", "sad"))
    assert dimensions.task == Regression(("arousal", "valence", "dominance"), 1.0, 7.0)


def test_the_table_keeps_the_contract(table: pd.DataFrame) -> None:
    assert len(table) == 440
    assert table["utterance"].is_unique
    assert set(table["session"]) == {"1", "2", "3", "4", "5"}
    assert table[["start", "end"]].isna().all(axis=None)
    assert all(value is None for value in table["split"])
    assert all(Path(path).is_absolute() for path in table["path"])
    assert table["text"].str.fullmatch(r"[a-z ,]+").all()
    assert table[DIMENSIONS].ge(1).all(axis=None)
    assert table[DIMENSIONS].le(7).all(axis=None)


def test_each_session_has_a_woman_and_a_man_who_show_every_emotion(table: pd.DataFrame) -> None:
    for _, session in table.groupby("session"):
        pairs = session[["speaker", "gender"]].drop_duplicates()
        assert sorted(pairs["gender"]) == ["female", "male"]
    counts = table.groupby("speaker")["emotion"].value_counts().unstack()
    assert counts.shape == (10, 4)
    assert counts.min(axis=None) >= 5
    assert (counts.sum(axis=1) == 44).all()


def test_the_sound_is_mono_16_bit_and_neither_clipped_nor_silent(table: pd.DataFrame) -> None:
    seconds = []
    for path in table["path"]:
        about = soundfile.info(path)
        assert (about.samplerate, about.channels, about.subtype) == (RATE, 1, "PCM_16")
        assert 0.01 < np.abs(load(path)).max() < 1
        seconds.append(about.duration)
    assert 0.8 < min(seconds) < max(seconds) < 3
    assert 10 * 60 < sum(seconds) < 13 * 60


def test_labels_and_text_are_the_same_everywhere(table: pd.DataFrame) -> None:
    known = table[["utterance", "speaker", "text", "emotion", *DIMENSIONS]].to_csv(index=False)
    assert hashlib.sha256(known.encode()).hexdigest()[:16] == GOLDEN


def test_pitch_in_the_sound_is_that_of_the_speakers(
    table: pd.DataFrame, pitches: pd.Series
) -> None:
    heard = pitches.groupby(table["speaker"]).median()
    planted = pd.Series({voice.name: 12 * np.log2(voice.pitch / 100) for voice in VOICES})
    assert (heard - planted).abs().max() < 3
    women = heard[[voice.name for voice in VOICES if voice.gender == "female"]]
    men = heard.drop(women.index)
    assert women.min() > men.max()


def test_pitch_in_the_sound_rises_with_arousal(table: pd.DataFrame, pitches: pd.Series) -> None:
    for _, rows in table.groupby("speaker"):
        assert spearmanr(pitches[rows.index], rows["arousal"]).statistic > 0.3


def test_speakers_differ_in_their_labels(table: pd.DataFrame) -> None:
    for dimension in DIMENSIONS:
        ratings = [rows[dimension] for _, rows in table.groupby("speaker")]
        assert f_oneway(*ratings).pvalue < 0.05
    counts = table.groupby("speaker")["emotion"].value_counts().unstack()
    assert counts["happy"].max() > 2 * counts["happy"].min()


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_livelier_a_speaker_the_wider_the_ratings(dimension: str, table: pd.DataFrame) -> None:
    spread = table.groupby("speaker")[dimension].std()
    styles = pd.Series({voice.name: voice.style for voice in VOICES})
    assert spread.max() > 1.5 * spread.min()
    assert spearmanr(spread, styles[spread.index]).statistic > 0.7


def test_speakers_who_sound_alike_are_rated_alike(table: pd.DataFrame) -> None:
    spectra = pd.DataFrame([spectrum(path) for path in table["path"]])
    vectors = ((spectra - spectra.mean()) / spectra.std()).groupby(table["speaker"]).mean()
    middles = table.groupby("speaker")[DIMENSIONS].mean()
    apart, differing = [], []
    for gender in ("f", "m"):
        names = [f"s{session}{gender}" for session in range(1, 6)]
        for first, second in combinations(names, 2):
            apart.append(np.linalg.norm(vectors.loc[first] - vectors.loc[second]))
            differing.append(np.linalg.norm(middles.loc[first] - middles.loc[second]))
    assert spearmanr(apart, differing).statistic > 0.5


def test_emotions_lie_apart_in_the_ratings(table: pd.DataFrame) -> None:
    centres = table.groupby("emotion")[DIMENSIONS].mean()
    assert centres["arousal"].idxmax() == "angry"
    assert centres["arousal"].idxmin() == "sad"
    assert centres["valence"].idxmax() == "happy"
    assert centres["valence"].idxmin() == "angry"


def test_the_audit_finds_nothing(table: pd.DataFrame) -> None:
    audited = audit_corpus(demo.make(), table, Silent())
    assert audited.findings == ()


@pytest.mark.parametrize("name", demo.make().protocols)
def test_every_protocol_gives_folds_with_every_emotion(name: str, table: pd.DataFrame) -> None:
    benchmark = demo.make()
    protocol = benchmark.protocols[name]()
    folds = protocol.split(table, benchmark.task)
    recordings = table.assign(recording=table["utterance"])
    assert audit_folds(recordings, folds, protocol, benchmark.task) == []
    for fold in folds:
        for part in (fold.train, fold.valid, fold.test):
            assert set(table["emotion"].iloc[part]) == {"neutral", "happy", "angry", "sad"}


def test_two_processes_at_once_make_one_corpus_the_same_to_the_bit(
    tmp_path: Path, table: pd.DataFrame
) -> None:
    command = "from serbench.benchmarks import demo; print(len(demo.make().read(None)))"
    environment = {**os.environ, "SERBENCH_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen([sys.executable, "-c", command], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == [b"440", b"440"]
    folders = [path for path in (tmp_path / "corpora").iterdir() if path.is_dir()]
    assert [folder.name for folder in folders] == ["demo-1"]
    first = Path(table["path"][0]).parents[1]
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(names) == 441 + 2, "and two lists of checksums"
    for name in names:
        assert (folders[0] / name).read_bytes() == (first / name).read_bytes()


def test_a_corpus_that_was_left_half_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path))
    made_by = "serbench.benchmarks.synthesis.corpus.utterances"
    monkeypatch.setattr(made_by, lambda: islice(utterances(), 1))
    half = tmp_path / "corpora" / "demo-1.part"
    half.mkdir(parents=True)
    (half / "left.wav").touch()
    assert len(demo.make().read(None)) == 1
    assert not half.exists()
    made = tmp_path / "corpora" / "demo-1"
    assert sorted(path.name for path in made.rglob("*.*")) == ["s1f_01.wav", "utterances.csv"]


def test_a_home_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(SerbenchError, match=r"file/corpora/demo-1.*SERBENCH_HOME"):
        demo.make().read(None)
