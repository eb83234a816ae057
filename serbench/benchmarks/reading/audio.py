"""Reading the audio of a corpus: anything that libsndfile reads, whole files or segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr
from numpy.typing import NDArray

from serbench import bounds
from serbench.benchmarks.reading.opening import AudioError, AudioFile, open_audio
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

Seconds = float
Samples = NDArray[np.float32]

# Annotated ends are often rounded up; up to so many seconds past the file they mean its end.
END_SLACK: Seconds = 0.01


def read_audio(
    path: Path, start: Seconds, end: Seconds, rate: int, channel: float = np.nan
) -> Samples:
    """Return a segment of an audio file as one channel at one sampling rate.

    Args:
        path: of the file, of any rate, any number of channels.
        start: of the segment, in seconds; NaN: the file's beginning.
        end: of the segment, in seconds, at most `END_SLACK` past the file; NaN: the file's end.
        rate: Hz of what is returned; resampled with soxr's HQ setting (20 bits).
        channel: which one, from 1; NaN: their mean.

    Returns:
        (samples,) float32, full scale is [-1, 1].

    Raises:
        AudioError: the file is missing, unreadable, empty, damaged or cut short, the segment is not
            in it or too long, or samples are NaN or infinite.
    """
    with open_audio(path) as file:
        samples = read_segment(file, start, end, channel)
        native = file.samplerate
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


def read_segment(file: AudioFile, start: Seconds, end: Seconds, channel: float = np.nan) -> Samples:
    """Return (samples,) float32 of a segment at the file's own rate, of one channel.

    Args:
        file: as `open_audio` gives it.
        start: in seconds; NaN: the file's beginning.
        end: in seconds; NaN: the file's end.
        channel: which one, from 1; NaN: their mean.

    Raises:
        AudioError: as `read_blocks`.
    """
    first, stop = _frames(file, start, end)
    samples, done = np.empty(stop - first, np.float32), 0
    for block in read_blocks(file, start, end):
        samples[done : done + len(block)] = mixed(block, file, channel)
        done += len(block)
    return samples


def read_blocks(file: AudioFile, start: Seconds, end: Seconds) -> Iterator[Samples]:
    """Yield (samples, channels) of a segment, in blocks of at most 4 MiB once decoded.

    Raises:
        AudioError: of kind "segment", "too_long", "truncated", "damaged" or "unreadable".
    """
    first, stop = _frames(file, start, end)
    done = 0
    for block in file.blocks(first, stop):
        done += len(block)
        yield block
    if done < stop - first:
        msg = (
            f"audio file '{file.path}' is cut short: {done} of {stop - first} samples can "
            "be decoded; get it again"
        )
        raise AudioError("truncated", msg)


def mixed(block: Samples, file: AudioFile, channel: float = np.nan) -> Samples:
    """Return (samples,) one channel of a (samples, channels) block, or their mean.

    Raises:
        AudioError: the file has no such channel.
    """
    if np.isnan(channel):
        # 20 times as fast as block.mean(axis=1)
        total: Samples = sum(block.T[1:], start=block.T[0])
        return total / np.float32(file.channels)
    if not 1 <= channel <= file.channels:
        msg = (
            f"audio file '{file.path}' has {file.channels} channel(s), no number {channel:g}; "
            "correct 'channel'"
        )
        raise AudioError("channel", msg)
    one: Samples = block.T[int(channel) - 1]
    return one


def _frames(file: AudioFile, start: Seconds, end: Seconds) -> tuple[int, int]:
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
        f"segment {begin:g}-{finish:g} s is not in audio file '{file.path}' of {length:.3f} s, or "
        "holds no sample; start must be 0 or more and before end; correct the table"
    )
    raise AudioError("segment", msg)


def _check_length(file: AudioFile, samples: int) -> None:
    """Refuse what a header promises to be longer than any utterance, before it is decoded."""
    what = f"an utterance in audio file '{file.path}'"
    try:
        bounds.bound(what, samples / file.samplerate, bounds.SECONDS)
        bounds.bound(what, samples, bounds.SAMPLES)
    except SerbenchError as error:
        raise AudioError("too_long", f"{error}; or give start and end of each utterance") from error


__all__ = [
    "END_SLACK",
    "AudioError",
    "Samples",
    "Seconds",
    "durations",
    "mixed",
    "open_audio",
    "read_audio",
    "read_blocks",
    "read_segment",
    "resample",
]
