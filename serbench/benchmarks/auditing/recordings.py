"""What the samples of each utterance are: measured once, in parallel, and remembered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame

from serbench.benchmarks.auditing.fingerprints import LONGEST, fingerprint
from serbench.benchmarks.reading.audio import Seconds, mixed, read_blocks
from serbench.benchmarks.reading.layout import CHANNEL
from serbench.benchmarks.reading.opening import AudioError, AudioFile, doubts, open_audio
from serbench.devices import cores
from serbench.durable import kept, usable
from serbench.home import home
from serbench.progress import Progress

# Raised when a field changes its meaning: older caches are then not read.
_FORMAT = 5
# What tells that a file is the one that was measured. Whoever replaces a file may give it the size
# and the time of change of the old one, but not its place on the disk (the inode), nor the time at
# which the disk noticed (ctime).
_STATS = ["size", "mtime", "ctime", "inode"]
_SEGMENT = ["start", "end", CHANNEL]
_KEYS = ["path", *_STATS, *_SEGMENT]
# Files a task: enough to hide the cost of a task, few enough that progress moves.
_FILES_A_TASK = 32


class Measured(NamedTuple):
    """One utterance.

    problem, message: of `AudioError`; both empty if the audio can be read.
    seconds: length of the segment.
    low, high: the smallest and the largest sample.
    finite: no sample is NaN or infinite.
    widest: half the distance from the lowest to the highest sample of any channel, before they are
        averaged.
    recording: SHA-256 (64 hex) over rate and samples, channels averaged; empty with a problem.
    rate: Hz, of the file.
    heard: its `fingerprint`, 4 bytes a word; empty with a problem.
    doubt: what tells that the file was changed after it was made, though it can be read.
    """

    problem: str = ""
    message: str = ""
    seconds: Seconds = np.nan
    low: float = np.nan
    high: float = np.nan
    finite: bool = True
    widest: float = np.nan
    recording: str = ""
    rate: int = 0
    heard: bytes = b""
    doubt: str = ""


class _Task(NamedTuple):
    path: str
    rows: list[int]
    segments: list[list[float]]


def measure(name: str, table: DataFrame, progress: Progress, *, anew: bool = False) -> DataFrame:
    """Return what the samples of each utterance are: one row an utterance, fields of `Measured`.

    Each file is opened once and only its segments are read. What was readable is remembered in
    `home()/audit` by path, by what the disk tells of the file, and by segment, also when
    interrupted.

    Args:
        name: of the benchmark, for the cache's file and the title.
        table: with `path`, `start` and `end`.
        progress: advances by one a file.
        anew: believe nothing that is remembered.
    """
    wanted = _keys(table)
    cache = home() / "audit" / f"{name}.{_FORMAT}.parquet"
    known = _load(cache, progress)
    if anew:
        known = known[~known["path"].isin(wanted["path"])]
    seen = wanted.merge(known[_KEYS], how="left", on=_KEYS, indicator=True)["_merge"] == "both"
    fresh = wanted[~seen.to_numpy()].drop_duplicates(_KEYS)
    if len(fresh):
        found: dict[int, Measured] = {}
        try:
            for row, measured in _measure_all(name, fresh, progress):
                found[row] = measured
        finally:
            known = _learn(known, wanted, found)
            _store(cache, known)
    return wanted.merge(known, how="left", on=_KEYS)[list(Measured._fields)]


def _dtypes() -> dict[str, type]:
    types = {field: type(value) for field, value in Measured._field_defaults.items()}
    return types | {"heard": object}


def _keys(table: DataFrame) -> DataFrame:
    """Return what identifies the content of each utterance; -1 where the file is missing."""
    channel = table.get(CHANNEL, np.nan)
    keys = table[["path", "start", "end"]].assign(**{CHANNEL: channel}).reset_index(drop=True)
    keys = keys.astype({"path": str} | dict.fromkeys(_SEGMENT, float))
    stats = {path: _stat(path) for path in keys["path"].unique()}
    for i, column in enumerate(_STATS):
        keys[column] = np.array([stats[path][i] for path in keys["path"]], dtype=np.int64)
    return keys


def _stat(path: str) -> tuple[int, ...]:
    try:
        stat = os.stat(path)  # noqa: PTH116 - a Path for each of 100 000 files takes seconds
    except OSError:
        return (-1,) * len(_STATS)
    # an inode may have 64 bits, a column of a table has room for 63 and the sign
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & (1 << 63) - 1


def _measure_all(name: str, rows: DataFrame, progress: Progress) -> Iterator[tuple[int, Measured]]:
    tasks = [
        _Task(str(path), list(group.index), group[_SEGMENT].to_numpy(dtype=float).tolist())
        for path, group in rows.groupby("path", sort=False)
    ]
    chunks = [tasks[i : i + _FILES_A_TASK] for i in range(0, len(tasks), _FILES_A_TASK)]
    pool = ThreadPoolExecutor(min(8, cores()))
    try:
        with progress.step(f"check audio of {name}", total=len(tasks)) as step:
            for chunk, results in zip(chunks, pool.map(_measure_chunk, chunks), strict=True):
                for task, measured in zip(chunk, results, strict=True):
                    yield from zip(task.rows, measured, strict=True)
                step.advance(len(chunk))
    finally:
        pool.shutdown(cancel_futures=True)


def _measure_chunk(tasks: list[_Task]) -> list[list[Measured]]:
    return [_measure_file(Path(task.path), task.segments) for task in tasks]


def _measure_file(path: Path, segments: list[list[float]]) -> list[Measured]:
    measured = []
    try:
        with open_audio(path) as file:
            doubt = doubts(file)
            for segment in segments:
                try:
                    measured.append(_describe(file, *segment)._replace(doubt=doubt))
                except AudioError as problem:
                    measured.append(Measured(problem.kind, str(problem)))
    except AudioError as problem:
        return [Measured(problem.kind, str(problem))] * len(segments)
    return measured


def _describe(file: AudioFile, start: Seconds, end: Seconds, channel: float) -> Measured:
    digest = hashlib.sha256(file.samplerate.to_bytes(8, "little"))
    count, finite, begun = 0, True, np.zeros(0, np.float32)
    most = round(LONGEST * file.samplerate)
    lows, highs = np.full((2, file.channels + 1), np.inf, np.float32) * [[1], [-1]]
    for block in read_blocks(file, start, end):
        samples = mixed(block, file, channel)
        digest.update(np.ascontiguousarray(samples).data)
        count += len(samples)
        all_of_them = np.column_stack([samples, block])
        lows = np.minimum(lows, all_of_them.min(axis=0))
        highs = np.maximum(highs, all_of_them.max(axis=0))
        finite = finite and bool(np.isfinite(samples).all())
        begun = np.concatenate([begun, samples[: most - len(begun)]])
    return Measured(
        seconds=count / file.samplerate,
        low=float(lows[0]),
        high=float(highs[0]),
        finite=finite,
        widest=float(((highs - lows)[1:] / 2).max()),
        recording=digest.hexdigest(),
        rate=file.samplerate,
        heard=fingerprint(begun, file.samplerate).tobytes() if finite else b"",
    )


def _load(cache: Path, progress: Progress) -> DataFrame:
    """Return what is remembered; a cache that cannot be read is told, and as good as none."""
    read = partial(pd.read_parquet, columns=[*_KEYS, *Measured._fields])
    if usable(cache, "measurements in", progress.tell, read):
        return read(cache)
    empty = {**dict.fromkeys(_KEYS, float), **dict.fromkeys(_STATS, int), "path": str}
    return DataFrame({c: pd.Series(dtype=t) for c, t in (empty | _dtypes()).items()})


def _learn(known: DataFrame, wanted: DataFrame, found: dict[int, Measured]) -> DataFrame:
    """Return what is known with what was found: the newest of each segment of each file."""
    fields = DataFrame(list(found.values()), columns=Measured._fields).astype(_dtypes())
    fresh = wanted.loc[list(found)].reset_index(drop=True).join(fields)
    return pd.concat([known, fresh]).drop_duplicates(["path", *_SEGMENT], keep="last")


def _store(cache: Path, known: DataFrame) -> None:
    """Remember what is readable; what ails other files may go without change of size or time."""
    with kept(cache) as fresh:
        known[known["problem"] == ""].to_parquet(fresh, index=False)
