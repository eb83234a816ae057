"""Files that people really have, whose headers say something else than what they hold."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from serbench.benchmarks import Classification
from serbench.benchmarks.auditing.audio import check_audio
from serbench.benchmarks.auditing.causes import explained
from serbench.benchmarks.auditing.recordings import measure
from serbench.benchmarks.reading import mp3
from serbench.benchmarks.reading.audio import read_audio
from serbench.benchmarks.reading.layout import CHANNEL
from serbench.benchmarks.reading.opening import AudioError
from serbench.benchmarks.tasks.findings import Finding
from serbench.progress import Silent

NAN = float("nan")
RATE = 16_000


@pytest.fixture(autouse=True)
def _fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))


def hum(seconds: float = 3.0, rate: int = 44_100) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.2 * np.sin(2 * np.pi * 120 * time) * np.sin(2 * np.pi * time)).astype(np.float32)


def mp3_of(path: Path, wave: np.ndarray, rate: int = 44_100) -> bytes:
    soundfile.write(path, wave, rate, format="MP3", bitrate_mode="VARIABLE", compression_level=0.6)
    return path.read_bytes()


def findings(path: Path, **columns: float) -> list[Finding]:
    row = {"utterance": "a", "path": str(path), "speaker": "s", "start": NAN, "end": NAN}
    table = pd.DataFrame([row | {"emotion": "x", **columns}])
    facts = measure("own", table, Silent())
    whole = table.assign(recording=facts["recording"])
    return list(check_audio(Classification(("x", "y")), whole, facts))


@pytest.mark.parametrize("start", ["loud", "quiet"])
def test_an_mp3_without_a_header_is_as_long_as_its_frames(tmp_path, start):
    wave, draw = hum(), np.random.default_rng(5)
    wave[:2500] = draw.normal(0, 0.3 if start == "loud" else 1e-4, 2500)
    path = tmp_path / "a.mp3"
    content = mp3_of(path, wave)
    whole = read_audio(path, NAN, NAN, 44_100)
    frames = mp3.count_frames(content)
    path.write_bytes(content[frames.first :])  # the frame with the header is gone
    guessed = soundfile.info(path).frames
    assert abs(guessed - len(wave)) > 44_100  # by libsndfile, which stops there or runs dry

    bare = read_audio(path, NAN, NAN, 44_100)

    assert len(bare) == pytest.approx(len(wave), abs=4 * 1152)
    at = len(bare) // 2
    shifts = [np.abs(bare[at - d : at - d + 4000] - whole[at : at + 4000]).max() for d in SHIFTS]
    assert min(shifts) < 1e-4
    assert findings(path) == []


SHIFTS = range(-3000, 3000)


def test_frames_beyond_those_of_the_header_are_read_with_a_warning(tmp_path):
    path = tmp_path / "a.mp3"
    content = mp3_of(path, hum(1.0))
    path.write_bytes(content * 2)  # as `cat a.mp3 b.mp3` joins them

    assert len(read_audio(path, NAN, NAN, 44_100)) > 1.9 * 44_100
    (found,) = findings(path)
    assert (found.severity, found.kind) == ("warning", "altered")
    assert "where its header counts" in found.message


def test_a_segment_of_an_mp3_is_that_of_the_whole(tmp_path):
    draw = np.random.default_rng(0)
    path = tmp_path / "a.mp3"
    mp3_of(path, draw.normal(0, 0.1, 44_100 * 8).astype(np.float32) * hum(8.0) * 5)
    whole = read_audio(path, NAN, NAN, 44_100)

    for start in (0.9, 2.7, 5.4):
        part = read_audio(path, start, start + 0.9, 44_100)
        first = round(start * 44_100)
        np.testing.assert_array_equal(part, whole[first : first + len(part)])


def test_segments_of_one_mp3_have_the_samples_of_the_whole_in_any_order(tmp_path):
    path = tmp_path / "a.mp3"
    mp3_of(path, hum(4.0))
    whole = read_audio(path, NAN, NAN, 44_100)
    table = pd.DataFrame({"path": str(path), "start": [2.0, 0.5], "end": [3.0, 1.0]})

    found = measure("own", table, Silent())

    parts = [whole[88_200:132_300], whole[22_050:44_100]]
    assert found["high"].tolist() == [part.max() for part in parts]


@pytest.mark.parametrize("extra", [2, 44])
def test_a_wav_that_counts_its_own_header_is_read_with_a_warning(tmp_path, extra):
    path = tmp_path / "a.wav"
    soundfile.write(path, hum(0.6, RATE), RATE)
    content = bytearray(path.read_bytes())
    there = struct.unpack("<I", content[40:44])[0]
    content[40:44] = struct.pack("<I", there + extra)
    path.write_bytes(content)

    assert len(read_audio(path, NAN, NAN, RATE)) == 9600
    (found,) = findings(path)
    assert (found.severity, found.kind) == ("warning", "altered")
    assert f"counts {extra} bytes too many" in found.message
    assert "all its samples are read" in found.message


def test_a_wav_that_is_cut_short_is_still_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, hum(0.6, RATE), RATE)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(AudioError, match="cut short"):
        read_audio(path, NAN, NAN, RATE)


def test_samples_that_a_header_does_not_count_are_told_of(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 9600), RATE)
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 9600)  # half of the bytes
    path.write_bytes(content)

    (found,) = findings(path)
    assert "goes on after the 4800 samples that its header counts" in found.message


def test_a_wav_with_bytes_but_no_samples_says_so(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, hum(0.6, RATE), RATE)
    content = bytearray(path.read_bytes())
    content[40:44] = bytes(4)  # a recorder that was stopped before it wrote the length
    path.write_bytes(content)

    with pytest.raises(AudioError, match="19244 bytes, but no samples by its header"):
        read_audio(path, NAN, NAN, RATE)


def test_a_flac_out_of_a_pipe_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, hum(1.0, RATE), RATE)
    whole = read_audio(path, NAN, NAN, RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples, which such an encoder cannot know
    content[22:26] = bytes(4)
    path.write_bytes(content)

    np.testing.assert_array_equal(read_audio(path, NAN, NAN, RATE), whole)
    np.testing.assert_array_equal(read_audio(path, 0.25, 0.5, RATE), whole[4000:8000])
    assert findings(path) == []


def test_what_cannot_be_searched_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, hum(1.0, 8000), 8000, subtype="GSM610")
    whole = read_audio(path, NAN, NAN, 8000)
    table = pd.DataFrame({"path": str(path), "start": [0.5, 0.1], "end": [0.75, 0.2]})

    np.testing.assert_array_equal(read_audio(path, 0.5, 0.75, 8000), whole[4000:6000])
    assert measure("own", table, Silent())["high"].tolist() == [
        whole[4000:6000].max(),
        whole[800:1600].max(),
    ]


def test_the_name_of_a_file_does_not_make_it_headerless(tmp_path):
    path = tmp_path / "a.raw"
    soundfile.write(path, hum(0.6, RATE), RATE, format="WAV")

    assert len(read_audio(path, NAN, NAN, RATE)) == 9600


def test_channels_that_cancel_are_told_as_that_and_one_can_be_chosen(tmp_path):
    path = tmp_path / "a.wav"
    wave = hum(0.6, RATE)
    soundfile.write(path, np.stack([wave, -wave], 1), RATE)

    (found,) = findings(path)

    assert found.kind == "cancelled"
    assert "`channel = 1`" in found.message
    assert findings(path, **{CHANNEL: 2.0}) == []
    left, right = (read_audio(path, NAN, NAN, RATE, channel) for channel in (1, 2))
    np.testing.assert_allclose(left, wave, atol=1e-4)
    np.testing.assert_allclose(right, -wave, atol=1e-4)
    (found,) = findings(path, **{CHANNEL: 3.0})
    assert "has 2 channel(s), no number 3" in found.message


def test_a_folder_in_the_place_of_a_file_is_called_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    missing = Finding("missing", "error", "is a folder", "a", tmp_path / "a.wav")
    assert [*explained([missing])] == [missing]
