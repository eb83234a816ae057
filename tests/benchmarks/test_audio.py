from __future__ import annotations

import math
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from serbench.benchmarks.auditing.recordings import measure
from serbench.benchmarks.reading.audio import AudioError, durations, read_audio
from serbench.progress import Silent

NAN = float("nan")
RATE = 16000


def noise(samples: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    wave = np.random.default_rng(seed).uniform(-0.5, 0.5, (samples, channels))
    return wave.astype(np.float32)


def write(path: Path, wave: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    soundfile.write(path, wave, rate, subtype=subtype)
    return path


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("wav", "PCM_16"),
        ("wav", "PCM_24"),
        ("wav", "FLOAT"),
        ("wav", "ULAW"),
        ("flac", "PCM_16"),
        ("aiff", "PCM_16"),
        ("ogg", "VORBIS"),
    ],
)
def test_any_format_and_number_of_channels(tmp_path, suffix, subtype, channels):
    path = write(tmp_path / f"a.{suffix}", noise(8000, channels), subtype=subtype)
    stored, _ = soundfile.read(path, always_2d=True)

    wave = read_audio(path, NAN, NAN, RATE)

    assert wave.shape == (8000,)
    assert wave.dtype == np.float32
    np.testing.assert_allclose(wave, stored.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("native", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_any_rate(tmp_path, native):
    """A tone below every Nyquist frequency stays that tone; soxr HQ is good to 20 bits."""
    tone = np.sin(2 * np.pi * 440 * np.arange(native) / native) / 2
    path = write(tmp_path / "a.wav", tone, native, "FLOAT")

    wave = read_audio(path, NAN, NAN, RATE)

    assert len(wave) == RATE
    expected = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE) / 2
    inside = slice(1600, -1600)
    np.testing.assert_allclose(wave[inside], expected[inside], atol=1e-5)


def test_what_is_above_nyquist_does_not_fold(tmp_path):
    tone = np.sin(2 * np.pi * 11000 * np.arange(48000) / 48000)
    path = write(tmp_path / "a.wav", tone, 48000, "FLOAT")

    wave = read_audio(path, NAN, NAN, RATE)

    assert np.abs(wave[1600:-1600]).max() < 1e-5


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_16"), ("flac", "PCM_16"), ("ogg", "VORBIS")]
)
@pytest.mark.parametrize(
    ("start", "end", "first", "stop"),
    [
        (0.25, 0.5, 4000, 8000),
        (NAN, 0.5, 0, 8000),
        (0.25, NAN, 4000, 16000),
        (0.0, 1.0, 0, 16000),
        (0.9, 1.009, 14400, 16000),
    ],
)
def test_segments(tmp_path, suffix, subtype, start, end, first, stop):
    path = write(tmp_path / f"a.{suffix}", noise(16000, 2), subtype=subtype)
    whole = read_audio(path, NAN, NAN, RATE)

    np.testing.assert_array_equal(read_audio(path, start, end, RATE), whole[first:stop])


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (-0.1, 0.5),
        (0.5, 0.5),
        (0.6, 0.5),
        (0.5, 1.02),
        (1.0, NAN),
        (2.0, 3.0),
        (0.5, 0.50001),
        (0.99999, NAN),
    ],
)
def test_segments_that_are_not_in_the_file(tmp_path, start, end):
    path = write(tmp_path / "a.wav", noise(16000))

    with pytest.raises(
        AudioError, match=r"not in audio file '.*a\.wav' of 1\.000 s, or.*table"
    ) as caught:
        read_audio(path, start, end, RATE)

    assert caught.value.kind == "segment"


def cut(path: Path, wave: np.ndarray, subtype: str | None = None) -> Path:
    data = write(path, wave, subtype=subtype).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def bad_file(folder: Path, what: str) -> Path:
    path = folder / f"{what}.wav"
    match what:
        case "missing":
            return path
        case "folder":
            path.mkdir()
        case "no bytes":
            path.touch()
        case "no samples":
            write(path, noise(0))
        case "text":
            path.write_text("speaker,label\n1,anger\n")
        case "git lfs":
            path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
        case "raw":
            path = folder / "a.raw"
            path.write_bytes(noise(8000).tobytes())
        case "half a WAV":
            cut(path, noise(8000))
        case "half an AIFF":
            path = cut(folder / "a.aiff", noise(8000))
        case "half an MP3":
            path = cut(folder / "a.mp3", noise(16000))
        case "half a FLAC":
            path = cut(folder / "a.flac", noise(16000), "PCM_16")
        case "NaN" | "infinite":
            wave = noise(8000)
            wave[4000] = np.nan if what == "NaN" else -np.inf
            write(path, wave, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("missing", "missing", "does not exist; get it again"),
        ("folder", "missing", "is a folder, not an audio file"),
        ("no bytes", "empty", "0 bytes"),
        ("no samples", "empty", "no samples"),
        ("text", "unreadable", "convert it to WAV or FLAC"),
        ("git lfs", "unreadable", "git lfs pull"),
        ("raw", "unreadable", "Format not recognised"),
        ("half a WAV", "truncated", "cut short"),
        ("half an AIFF", "truncated", "cut short"),
        ("half an MP3", "truncated", "cut short"),
        ("half a FLAC", "unreadable", "get it again"),
        ("NaN", "not_finite", "NaN or infinite"),
        ("infinite", "not_finite", "NaN or infinite"),
    ],
)
def test_bad_files_are_named_with_the_remedy(tmp_path, what, kind, words):
    path = bad_file(tmp_path, what)

    with pytest.raises(AudioError) as caught:
        read_audio(path, NAN, NAN, RATE)

    assert caught.value.kind == kind
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_recording_of_undeclared_length_is_whole(tmp_path):
    """Recorders that write to a pipe leave the length at its largest value."""
    path = write(tmp_path / "a.wav", noise(8000))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    path.write_bytes(data)

    assert len(read_audio(path, NAN, NAN, RATE)) == 8000


def test_durations_come_from_headers(tmp_path):
    long = write(tmp_path / "long.flac", noise(32000))
    stereo = write(tmp_path / "stereo.wav", noise(4410, 2), 44100)
    table = pd.DataFrame(
        [
            (str(long), NAN, NAN),
            (str(stereo), NAN, NAN),
            (str(long), 0.5, NAN),
            (str(long), NAN, 0.75),
            (str(long), 1.0, 1.5),
        ],
        columns=["path", "start", "end"],
        index=[7, 7, 3, 2, 1],
    )

    np.testing.assert_allclose(durations(table), [2.0, 0.1, 1.5, 0.75, 0.5])
    assert math.isclose(durations(table.iloc[:1])[0], 2.0)


def promise(path: Path, samples: int) -> Path:
    """Let the header of a FLAC file promise another number of samples."""
    data = bytearray(path.read_bytes())
    fields = int.from_bytes(data[18:26], "big")
    data[18:26] = (fields >> 36 << 36 | samples).to_bytes(8, "big")
    path.write_bytes(data)
    return path


def test_days_of_sound_are_refused_by_their_header(tmp_path, monkeypatch):
    path = promise(write(tmp_path / "a.flac", noise(RATE)), 40 * 3600 * RATE)
    with pytest.raises(AudioError, match=r"144,000 seconds, 10,800 are the most.*=14") as caught:
        read_audio(path, NAN, NAN, RATE)
    assert caught.value.kind == "too_long"
    assert len(read_audio(path, 0.25, 0.5, RATE)) == RATE // 4  # a segment is as long as it is
    monkeypatch.setenv("SERBENCH_LIMITS", "14")
    with pytest.raises(AudioError) as caught:
        read_audio(path, NAN, NAN, RATE)
    assert caught.value.kind in ("truncated", "unreadable")


def test_a_huge_rate_does_not_hide_a_length(tmp_path):
    path = write(tmp_path / "a.flac", noise(RATE), 655_350)
    with pytest.raises(AudioError, match="6,553,500,000 samples"):
        read_audio(promise(path, 10_000 * 655_350), NAN, NAN, RATE)


def test_memory_does_not_follow_the_length_of_a_file(tmp_path):
    """Five minutes of stereo at 48 kHz are 110 MiB of floats."""
    header = write(tmp_path / "a.wav", noise(48_000, 2), 48_000).read_bytes()[:44]
    path, size = tmp_path / "long.wav", 300 * 48_000 * 4
    sizes = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(header[:4] + sizes[0] + header[8:40] + sizes[1])
    os.truncate(path, size + 44)
    whole = pd.DataFrame({"path": [str(path)], "start": [NAN], "end": [NAN]})

    tracemalloc.start()  # which NumPy tells of its arrays
    try:
        found = measure("long", whole, Silent())
        read_audio(path, 200.0, 200.5, RATE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found["seconds"].tolist() == [300.0]
    assert peak < 2**25


@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_are_the_whole(tmp_path, monkeypatch, channels):
    from serbench.benchmarks.reading import opening

    path = write(tmp_path / "a.ogg", noise(40_000, channels))
    whole = read_audio(path, 0.1, 2.4, RATE)
    monkeypatch.setattr(opening, "_BLOCK", 1000)
    np.testing.assert_array_equal(read_audio(path, 0.1, 2.4, RATE), whole)
