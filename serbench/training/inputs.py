"""Speech from anywhere as utterances: paths, arrays, or a table of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from serbench.benchmarks.auditing.recordings import measure
from serbench.benchmarks.reading.audio import durations
from serbench.benchmarks.reading.layout import as_table
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.training.waves import DecodedClips, decode, decoded, enrol_speakers

if TYPE_CHECKING:
    from serbench.upstreams import Upstream

_FORMS = (
    "give a list of paths, a list of (samples,) float arrays, or a DataFrame with a column 'path'"
)


@dataclass(frozen=True)
class Utterances:
    """Speech to encode.

    Attributes:
        table: as that of a benchmark, with `seconds`; `speaker` is "" where nobody said.
        samples: (samples,) float32 of each, if there are no files.
        rate: Hz of the samples.
    """

    table: DataFrame
    samples: Sequence[NDArray[np.float32]] | None = None
    rate: int = 0

    @property
    def speakers(self) -> list[str]:
        """The names of those who are known to speak, sorted."""
        return sorted(set(self.table["speaker"]) - {""})

    def decode(self, rows: NDArray[np.int64], upstream: Upstream) -> DecodedClips:
        """Return some of them at the upstream's rate."""
        part = self.table.iloc[rows]
        if self.samples is None:
            return decode(part, upstream)
        return decoded(part, upstream, [self.samples[row] for row in rows], self.rate)

    def enrol(self, upstream: Upstream, device: str) -> None:
        """Let an upstream hear the speakers whom it does not know, as a run does."""
        known = self.table[self.table["speaker"] != ""].reset_index(drop=True)
        if "recording" not in known:
            # what a run orders them by; it measures the audio of a corpus in its audit
            known["recording"] = measure("features", known, Silent())["recording"]
        enrol_speakers(known, upstream, Silent(), device)


def utterances(speech: Any, rate: int | None) -> Utterances:
    """Return what is to be encoded.

    Args:
        speech: paths, arrays, or a table.
        rate: Hz of arrays.

    Raises:
        SerbenchError: it is none of these, nothing at all, or a file cannot be read.
    """
    if isinstance(speech, DataFrame):
        return Utterances(_from_table(speech))
    items = [] if isinstance(speech, str | PathLike) else list(speech)
    if items and all(isinstance(item, str | PathLike) for item in items):
        return Utterances(_from_table(DataFrame({"path": items})))
    if not items or any(isinstance(item, str | PathLike) for item in items):
        what = "nothing" if not items else "both paths and arrays"
        raise SerbenchError(f"there is {what} to encode; {_FORMS}")
    samples = [_samples(number, item) for number, item in enumerate(items)]
    if rate is None or rate <= 0:
        msg = f"at which rate are the arrays, in Hz? give rate=16000, not {rate}"
        raise SerbenchError(msg)
    names = [f"clip {number}" for number in range(len(samples))]
    seconds = [len(wave) / rate for wave in samples]
    table = as_table({"utterance": names, "speaker": "", "seconds": seconds})
    return Utterances(table, samples, rate)


def _from_table(given: DataFrame) -> DataFrame:
    there = [*given.get("path", [])]
    if not there or not all(isinstance(path, str | PathLike) for path in there):
        raise SerbenchError(f"a table of {len(given)} rows, not each with a path; {_FORMS}")
    given = given.reset_index(drop=True)
    paths = [fspath(path) for path in given["path"]]
    table = as_table({"utterance": paths, "speaker": "", **given, "path": paths})
    table["speaker"] = table["speaker"].fillna("").astype(str)
    return table.assign(seconds=durations(table))


def _samples(number: int, given: Any) -> NDArray[np.float32]:
    """Return one clip that can be encoded, or say what is wrong with it."""
    wave = np.asarray(given)
    if wave.ndim != 1 or wave.dtype.kind != "f" or not len(wave):
        found = f"has shape {wave.shape} and type {wave.dtype}"
        raise SerbenchError(f"clip {number} {found}; {_FORMS}, full scale [-1, 1]")
    if not np.isfinite(wave).all():
        raise SerbenchError(f"clip {number} holds NaN or infinite samples; mend it")
    return np.ascontiguousarray(wave, np.float32)
