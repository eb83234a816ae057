"""Reading the audio of a corpus: anything that libsndfile reads, whole files or segments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from serbench import bounds
from serbench.benchmarks.reading.mp3 import is_altered
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

Seconds = float
Samples = NDArray[np.float32]

# Annotated ends are often rounded up; up to so many seconds past the file they mean its end.
END_SLACK: Seconds = 0.01

# libsndfile's log of a chunk whose header promises more bytes than the file holds.
_PROMISE = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
# Recorders that write to a pipe cannot know the length and promise this many bytes or more.
_UNKNOWN_LENGTH = 0x7FFFF000
# What its log says of an Ogg stream that does not hang together; a page is checked by its CRC.
_LOST = re.compile(
    r"Skipped \d+ bytes looking for the next page|libogg reports a hole|Junk after the last page"
)
_NO_END = "Last page lacks an end-of-stream bit"
_BLOCK = 2**20  # samples of all channels that are decoded at once
_GIT_LFS = b"version https://git-lfs"


class AudioError(SerbenchError):
    """Audio that cannot be used; the message names the file and the remedy.

    Attributes:
        kind: "missing", "unreadable", "empty", "truncated", "damaged", "segment", "too_long" or
            "not_finite".
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def read_audio(path: Path, start: Seconds, end: Seconds, rate: int) -> Samples:
    """Return a segment of an audio file as one channel at one sampling rate.

    Args:
        path: of the file, of any rate, any number of channels (they are averaged).
        start: of the segment, in seconds; NaN: the file's beginning.
        end: of the segment, in seconds, at most `END_SLACK` past the file; NaN: the file's end.
        rate: Hz of what is returned; resampled with soxr's HQ setting (20 bits).

    Returns:
        (samples,) float32, full scale is [-1, 1].

    Raises:
        AudioError: the file is missing, unreadable, empty, damaged or cut short, the segment is not
            in it or too long, or samples are NaN or infinite.
    """
    with open_audio(path) as file:
        samples = read_segment(file, start, end)
        native: int = file.samplerate
    if not np.isfinite(samples).all():
        msg = f"audio file '{path}' holds NaN or infinite samples; make it again from its source"
        raise AudioError("not_finite", msg)
    return resample(samples, native, rate)


def resample(samples: Samples, native: int, rate: int) -> Samples:
    """Return (samples,) float32 at another rate, in Hz, with soxr's HQ setting (20 bits)."""
    if native == rate:
        return samples
    resampled: Samples = soxr.resample(samples, native, rate, quality="HQ")
    return resampled


def durations(table: DataFrame) -> NDArray[np.float64]:
    """Return (N,) seconds of each utterance of a table, from the headers of its files.

    Args:
        table: with `path`, `start` and `end`.

    Raises:
        AudioError: as `read_audio`, save for what only the samples tell.
    """
    seconds = np.empty(len(table))
    for path, rows in table.reset_index(drop=True).groupby("path", sort=False):
        with open_audio(Path(str(path))) as file:
            for row, start, end in zip(rows.index, rows["start"], rows["end"], strict=True):
                first, stop = _frames(file, start, end)
                seconds[row] = (stop - first) / file.samplerate
    return seconds


@contextmanager
def open_audio(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file that holds at least one sample and all that its header promises.

    Raises:
        AudioError: of kind "missing", "unreadable", "empty" or "truncated".
    """
    try:
        bounds.regular(path, bounds.AUDIO)
    except OSError as error:
        msg = f"audio file '{path}' does not exist; get it again or correct its path"
        raise AudioError("missing", msg) from error
    except SerbenchError as error:
        raise AudioError("unreadable", str(error)) from error
    try:
        file = soundfile.SoundFile(path)
    # TypeError: a name that ends in .raw means samples without a header
    except (soundfile.SoundFileError, TypeError) as error:
        raise _unreadable(path, error) from error
    with file:
        _check_complete(path, file)
        yield file


def read_segment(file: soundfile.SoundFile, start: Seconds, end: Seconds) -> Samples:
    """Return (samples,) float32 of a segment at the file's own rate, channels averaged.

    Args:
        file: as `open_audio` gives it.
        start: in seconds; NaN: the file's beginning.
        end: in seconds; NaN: the file's end.

    Raises:
        AudioError: as `read_blocks`.
    """
    first, stop = _frames(file, start, end)
    samples, done = np.empty(stop - first, np.float32), 0
    for block in read_blocks(file, start, end):
        samples[done : done + len(block)] = block
        done += len(block)
    return samples


def read_blocks(file: soundfile.SoundFile, start: Seconds, end: Seconds) -> Iterator[Samples]:
    """Yield a segment as `read_segment` returns it, in blocks of at most 4 MiB once decoded.

    Raises:
        AudioError: of kind "segment", "too_long", "truncated", "damaged" or "unreadable".
    """
    first, stop = _frames(file, start, end)
    size, done = max(1, _BLOCK // file.channels), 0
    try:
        file.seek(first)
        while done < stop - first:
            block = file.read(min(size, stop - first - done), dtype="float32", always_2d=True)
            if not len(block):
                break
            done += len(block)
            # 20 times as fast as block.mean(axis=1)
            total: Samples = sum(block.T[1:], start=block.T[0])
            yield total / np.float32(file.channels)
    except soundfile.SoundFileError as error:
        raise _unreadable(Path(file.name), error) from error
    _check_sync(file)
    if done < stop - first:
        msg = (
            f"audio file '{file.name}' is cut short: {done} of {stop - first} samples can "
            "be decoded; get it again"
        )
        raise AudioError("truncated", msg)


def _frames(file: soundfile.SoundFile, start: Seconds, end: Seconds) -> tuple[int, int]:
    """Return first frame and the frame after the last of a segment that lies in the file."""
    rate, frames = file.samplerate, file.frames
    length = frames / rate
    begin, finish = (0.0 if np.isnan(start) else start), (length if np.isnan(end) else end)
    if 0 <= begin < finish <= length + END_SLACK:
        first, stop = round(begin * rate), min(round(finish * rate), frames)
        if first < stop:
            _check_length(file, stop - first)
            return first, stop
    msg = (
        f"segment {begin:g}-{finish:g} s is not in audio file '{file.name}' of {length:.3f} s, or "
        "holds no sample; start must be 0 or more and before end; correct the table"
    )
    raise AudioError("segment", msg)


def _check_length(file: soundfile.SoundFile, samples: int) -> None:
    """Refuse what a header promises to be longer than any utterance, before it is decoded."""
    what = f"an utterance in audio file '{file.name}'"
    try:
        bounds.bound(what, samples / file.samplerate, bounds.SECONDS)
        bounds.bound(what, samples, bounds.SAMPLES)
    except SerbenchError as error:
        raise AudioError("too_long", f"{error}; or give start and end of each utterance") from error


def _check_sync(file: soundfile.SoundFile) -> None:
    """Refuse a file in which the decoder had to look for where the next piece begins."""
    if lost := _LOST.search(file.extra_info):
        msg = f"audio file '{file.name}' is damaged ({lost[0].strip(' .?!')}); get it again"
        raise AudioError("damaged", msg)


def doubts(file: soundfile.SoundFile) -> str:
    """Return what tells that a file is not as it was made, though it was read to its end.

    Args:
        file: as `open_audio` gives it.

    Returns:
        The end of a sentence about the file, empty if there is nothing.
    """
    if _NO_END in file.extra_info:
        return "does not end as an Ogg stream does, so some of it may be lost"
    if file.format == "MP3" and is_altered(Path(file.name)):
        return "holds other frames than those that the checksum in its tag is of"
    return ""


def _unreadable(path: Path, error: Exception) -> AudioError:
    """Return the problem of a file that libsndfile refuses, with the cause if it shows."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_GIT_LFS))
    except OSError as denied:
        msg = f"audio file '{path}' cannot be opened ({denied.strerror}); get leave to read it"
        return AudioError("unreadable", msg)
    if not head:
        return AudioError("empty", f"audio file '{path}' is empty (0 bytes); get it again")
    if head == _GIT_LFS:
        msg = f"'{path}' is a Git LFS pointer, not audio; run `git lfs pull` in its repository"
        return AudioError("unreadable", msg)
    reason = getattr(error, "error_string", "") or "not a format with a header"
    msg = f"'{path}' cannot be read as audio ({reason}); get it again or convert it to WAV or FLAC"
    return AudioError("unreadable", msg)


def _check_complete(path: Path, file: soundfile.SoundFile) -> None:
    promise = _PROMISE.search(file.extra_info)
    promised, there = map(int, promise.groups()) if promise else (0, 0)
    if there < promised < _UNKNOWN_LENGTH:
        msg = (
            f"audio file '{path}' is cut short: its header promises {promised} bytes of samples, "
            f"{there} are there; get it again"
        )
        raise AudioError("truncated", msg)
    if file.frames == 0:
        msg = f"audio file '{path}' is empty (no samples); get it again or take it out of the table"
        raise AudioError("empty", msg)
    _check_sync(file)
