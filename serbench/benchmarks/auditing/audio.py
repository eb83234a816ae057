"""Faults of a corpus' audio: files, segments, samples, copies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from serbench.benchmarks import Task
from serbench.benchmarks.reading.audio import Seconds
from serbench.benchmarks.tasks.findings import Finding

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# One analysis window of every common front end; a shorter clip has no frame.
SHORTEST: Seconds = 0.025
# Half the distance from the lowest to the highest sample below which a clip is silent: -60 dBFS.
SILENT = 1e-3
# Of the channel that swings most, above which it is the channels that make the mean silent.
_HEARD = 10 * SILENT
# Beyond full scale by more than any decoder overshoots: integers that were stored as floats.
LOUDEST = 2.0

_SHOWN = 3
_OUT = "replace it or leave it out"

# Faults of one utterance's audio: such an utterance may be left out of a run.
AUDIO_KINDS = frozenset(
    {
        *("missing", "unreadable", "empty", "truncated", "damaged", "segment", "too_long"),
        *("not_finite", "silent", "too_loud", "too_short", "identical", "channel", "cancelled"),
    }
)


def check_audio(task: Task, table: DataFrame, facts: DataFrame) -> Iterator[Finding]:
    """Yield what is wrong with the audio of each utterance, by kind (`AUDIO_KINDS`).

    All are errors, save that the same samples twice, with the same speaker, label and values, and
    what tells that a file was altered ("altered"), are warnings.

    Args:
        task: what is predicted.
        table: of a benchmark, with `recording` (SHA-256).
        facts: of the same utterances, as `_recordings.measure` gives them.
    """
    rows = table[["utterance", "path"]].join(facts)
    rows["swing"] = (facts["high"] - facts["low"]) / 2
    rows["peak"] = np.maximum(facts["high"].abs(), facts["low"].abs())
    readable = rows["problem"] == ""
    for problem, group in rows[~readable].groupby("problem", sort=False):
        yield from _errors(str(problem), group, group["message"])
    heard = readable & rows["finite"]
    quiet = heard & (rows["swing"] < SILENT)
    cancelled = rows["widest"] > _HEARD
    checks: list[tuple[str, Series, str, Callable[[float], str]]] = [
        ("not_finite", readable & ~rows["finite"], "seconds", _nonsense),
        ("cancelled", quiet & cancelled, "widest", _cancellation),
        ("silent", quiet & ~cancelled, "swing", _silence),
        ("too_loud", heard & (rows["peak"] > LOUDEST), "peak", _loudness),
        ("too_short", rows["seconds"] < SHORTEST, "seconds", _shortness),
    ]
    for kind, mask, column, tell in checks:
        found = rows[mask]
        files = zip(map(Path, found["path"]), found[column], strict=True)
        told = (f"audio file '{p}' {tell(v)}" for p, v in files)
        yield from _errors(kind, found, told)
    doubtful = rows[rows["doubt"] != ""]
    for utterance, path, doubt in doubtful[["utterance", "path", "doubt"]].to_numpy():
        said = f"audio file '{Path(path)}' {doubt}; get it again, or compare it with a checksum"
        yield Finding("altered", "warning", said, str(utterance), Path(path))
    yield from _copies(task, table[heard & (rows["swing"] >= SILENT)])


def _errors(kind: str, rows: DataFrame, messages: Iterable[str]) -> Iterator[Finding]:
    for utterance, path, message in zip(rows["utterance"], rows["path"], messages, strict=True):
        yield Finding(kind, "error", message, str(utterance), Path(path))


def _nonsense(_: Seconds) -> str:
    return f"holds NaN or infinite samples; {_OUT}"


def _silence(swing: float) -> str:
    if swing == 0:
        return f"is silent: all its samples are equal; {_OUT}"
    level = math.ceil(20 * math.log10(swing))
    return f"is silent: it stays below {level} dBFS, speech is above -60; {_OUT}"


def _cancellation(swing: float) -> str:
    return (
        f"has channels that cancel each other, one being the other's inverse (up to {swing:.2g} "
        "each, nothing in their mean); choose one, as with `channel = 1` in benchmark.toml"
    )


def _loudness(peak: float) -> str:
    return (
        f"has samples up to {peak:g} where full scale is 1, as of integers stored as floats; {_OUT}"
    )


def _shortness(seconds: Seconds) -> str:
    return (
        f"gives {seconds * 1e3:.1f} ms of audio where {SHORTEST * 1e3:g} ms are the least; {_OUT}"
    )


def _copies(task: Task, table: DataFrame) -> Iterator[Finding]:
    """Yield a finding for each utterance whose samples another one has as well."""
    doubled = table[table["recording"].duplicated(keep=False)]
    for _, rows in doubled.groupby("recording", sort=False):
        differing = [c for c in ("speaker", *task.columns) if rows[c].nunique(dropna=False) > 1]
        first = rows["utterance"].head(_SHOWN + 1)
        for utterance, path in zip(rows["utterance"], rows["path"], strict=True):
            others = [str(other) for other in first if other != utterance][:_SHOWN]
            more = f" and {len(rows) - 1 - _SHOWN} more" if len(rows) - 1 > _SHOWN else ""
            same = f"the same samples as {', '.join(others)}{more}"
            if differing:
                said = f"{same}, with another {' and '.join(differing)}; keep the one that is right"
                yield Finding("identical", "error", said, str(utterance), Path(path))
            else:
                said = f"{same}; it counts more than once"
                yield Finding("identical", "warning", said, str(utterance), Path(path))
