"""Audio for pre-training: decoded once, cut into batches of equal length, never padded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from serbench import bounds
from serbench.errors import SerbenchError
from serbench.upstreams import Recording

_BLOCK = 2**18  # samples of a channel that are decoded at once


class Audio:
    """The waveforms of many recordings, at one rate, mono, 16 bits a sample in memory.

    Attributes:
        recordings: what was given.
        rate: Hz.
        lengths: (N,) int64, samples.
    """

    def __init__(
        self, recordings: Sequence[Recording], *, rate: int = 16000, memory: int = 4 << 30
    ) -> None:
        """Read the headers; waveforms are decoded when first asked for.

        Args:
            recordings: at least one.
            rate: Hz; other rates are resampled.
            memory: bytes that decoded audio may take; what does not fit is decoded again each time.

        Raises:
            SerbenchError: no recordings, or a file that is not there or no audio.
        """
        if not recordings:
            raise SerbenchError("no recordings to train on")
        self.recordings = list(recordings)
        self.rate = rate
        self.lengths: NDArray[np.int64] = np.array(
            [_samples(recording, rate) for recording in recordings], dtype=np.int64
        )
        self._room = memory
        self._decoded: dict[int, NDArray[np.int16]] = {}

    def __len__(self) -> int:
        return len(self.recordings)

    @property
    def hours(self) -> float:
        """Hours of audio."""
        return float(self.lengths.sum()) / self.rate / 3600

    def wave(self, row: int, start: int = 0, length: int | None = None) -> Tensor:
        """Return (samples,) float32 in [-1, 1]: `length` samples from `start`, or all left."""
        samples = self._decoded.get(row)
        if samples is None:
            samples = _decode(self.recordings[row], self.rate, int(self.lengths[row]))
            if samples.nbytes <= self._room:
                self._room -= samples.nbytes
                self._decoded[row] = samples
        stop = None if length is None else start + length
        return torch.from_numpy(samples[start:stop].astype(np.float32) / 32768)

    def split(
        self, share: float, seed: int, *, by: Literal["speaker", "recording"] = "speaker"
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows to train on and those to validate on.

        Args:
            share: of the speakers or recordings goes to validation; at least one.
            seed: of the draw.
            by: "speaker": no speaker is in both parts, unless there is one speaker alone.
                "recording": speakers may be, and one with a single recording is trained on.

        Raises:
            SerbenchError: there is one recording alone.
        """
        speakers = [recording.speaker for recording in self.recordings]
        alone = by == "recording" or len(set(speakers)) == 1
        units = [str(row) for row in range(len(self))] if alone else speakers
        names = sorted(set(units))
        if len(names) < 2:
            raise SerbenchError("one recording alone cannot be split; give at least two")
        count = max(1, round(share * len(names)))
        if alone:
            often = [
                unit for unit, who in zip(units, speakers, strict=True) if speakers.count(who) > 1
            ]
            names = sorted(often) or names
        held = set(np.random.default_rng(seed).permutation(names)[:count].tolist())
        valid = np.array([unit in held for unit in units])
        return np.flatnonzero(~valid), np.flatnonzero(valid)


def _samples(recording: Recording, rate: int) -> int:
    try:
        bounds.regular(recording.path, bounds.AUDIO)
        info = soundfile.info(recording.path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise SerbenchError(f"cannot read {recording.path}: {error}") from error
    whole = float(info.duration)
    end = whole if math.isnan(recording.end) else min(recording.end, whole)
    if end <= recording.start:
        raise SerbenchError(f"{recording.path}: nothing between {recording.start} s and {end} s")
    seconds = end - recording.start
    bounds.bound(f"audio file '{recording.path}'", seconds, bounds.SECONDS)
    bounds.bound(f"audio file '{recording.path}'", seconds * info.samplerate, bounds.SAMPLES)
    return round(seconds * rate)


def _decode(recording: Recording, rate: int, length: int) -> NDArray[np.int16]:
    try:
        wave = _read(recording, rate)
    except (soundfile.LibsndfileError, OSError) as error:
        raise SerbenchError(f"cannot decode {recording.path}: {error}") from error
    whole = np.zeros(length, dtype=np.int16)  # a resampled file can miss its length by one
    part = np.clip(np.round(wave[:length] * 32768), -32768, 32767)
    whole[: len(part)] = part
    return whole


def _read(recording: Recording, rate: int) -> NDArray[np.float32]:
    with soundfile.SoundFile(recording.path) as file:
        first = round(recording.start * file.samplerate)
        last = file.frames if math.isnan(recording.end) else round(recording.end * file.samplerate)
        file.seek(first)
        blocks = file.blocks(_BLOCK, frames=last - first, dtype="float32", always_2d=True)
        mono: NDArray[np.float32] = np.concatenate([block.mean(axis=1) for block in blocks])
        if file.samplerate != rate:
            mono = soxr.resample(mono, file.samplerate, rate, quality="HQ")
    return mono


@dataclass(frozen=True)
class Cutting:
    """How recordings become batches: sorted by length, cut to the shortest of the batch.

    This is HuBERT's way: no sample is padding, so a group norm over time sees speech alone.

    Attributes:
        batch: samples a batch holds at most.
        longest: samples of a crop at most; one n times as long gives n crops an epoch.
        shortest: recordings with fewer samples are left out.
        grid: samples; crops start at multiples of it, so that one label a frame fits exactly.
    """

    batch: int = 640_000
    longest: int = 128_000
    shortest: int = 16_000
    grid: int = 320


class Cut(NamedTuple):
    """A batch: `length` samples from `starts` of each of `rows`, both (B,) int64."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    length: int


def plan(
    lengths: NDArray[np.int64], rows: NDArray[np.int64], cutting: Cutting, seed: int
) -> list[Cut]:
    """Return one epoch: every row at least once, batches in random order, crops at random places.

    Args:
        lengths: (N,) samples of all recordings.
        rows: those to use.
        cutting: sizes.
        seed: of order and places; the same seed gives the same epoch.

    Raises:
        SerbenchError: all recordings are shorter than `cutting.shortest`.
    """
    rows = rows[lengths[rows] >= cutting.shortest]
    if not len(rows):
        raise SerbenchError(
            f"no recording has {cutting.shortest} samples, the shortest that training takes"
        )
    draw = np.random.default_rng(seed)
    copies = np.maximum(1, np.round(lengths[rows] / cutting.longest)).astype(np.int64)
    rows = draw.permutation(np.repeat(rows, copies))
    sizes = np.minimum(lengths[rows], cutting.longest)
    rows = rows[np.argsort(sizes // (10 * cutting.grid), kind="stable")]
    groups = list(_groups(lengths[rows], cutting))
    return [_cut(lengths, rows[groups[at]], cutting, draw) for at in draw.permutation(len(groups))]


def _groups(lengths: NDArray[np.int64], cutting: Cutting) -> Iterator[slice]:
    """Cut a nearly sorted list of lengths into runs that fit the batch."""
    first, shortest = 0, cutting.longest
    for at, length in enumerate(lengths.tolist()):
        smaller = min(shortest, length)
        if at > first and (at - first + 1) * smaller > cutting.batch:
            yield slice(first, at)
            first, smaller = at, min(cutting.longest, length)
        shortest = smaller
    yield slice(first, len(lengths))


def _cut(
    lengths: NDArray[np.int64],
    rows: NDArray[np.int64],
    cutting: Cutting,
    draw: np.random.Generator,
) -> Cut:
    size = int(min(lengths[rows].min(), cutting.longest))
    places = (lengths[rows] - size) // cutting.grid + 1
    return Cut(rows, draw.integers(places) * cutting.grid, size)
