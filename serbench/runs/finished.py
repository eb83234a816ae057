"""Finished trials on disk: what each chose, and a file for each table that it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench.durable import kept, usable
from serbench.home import home
from serbench.leaderboard.record import Amount, Fit

if TYPE_CHECKING:
    from pandas import DataFrame


class Tables(NamedTuple):
    """What trials give.

    tested: predictions for the test part of each fold.
    validated: for its validation part, before a refit.
    trained: for its training part, by the same weights.
    enrolled: for what is enrolled of those who are tested.
    voices: the vector of each speaker of the fold.
    unlabelled: predictions for what has no truth; no rows if there is nothing.
    embedded: what the output sees of each utterance; without rows where it is not kept.
    """

    tested: DataFrame
    validated: DataFrame
    trained: DataFrame
    enrolled: DataFrame
    voices: DataFrame
    unlabelled: DataFrame
    embedded: DataFrame


class Trial(NamedTuple):
    """What a trial chose, what it gives, and how many seconds it took over all its starts."""

    fit: Fit
    tables: Tables
    seconds: float


class _Told(Fit):
    """How a file tells of a finished trial."""

    seconds: Amount = 0.0


def find(state: Path, fold: int, seed: int, tell: Callable[[str], object]) -> Trial | None:
    """Return a finished trial, or None; files of it that are damaged are told and removed."""
    import pandas as pd

    path, files = _path(state, fold, seed), _files(state, fold, seed)
    whole = usable(path, "trial", tell, _read)
    if not (whole and all(usable(file, "trial", tell, pd.read_parquet) for file in files)):
        return None
    told = _read(path)
    fit = Fit(**told.model_dump(exclude={"seconds"}))
    return Trial(fit, Tables(*map(pd.read_parquet, files)), told.seconds)


def kept_of_runs() -> Counter[str]:
    """Return how many finished trials are kept of runs that have no result, by their digests.

    Of these the first 32 digits, as they name the folders.
    """
    counts = Counter[str]()
    for state in (home() / "runs").glob("*-*"):
        counts[state.name.split("-")[0]] += len([*state.glob("????-??????????.json")])
    return counts


def _read(path: Path) -> _Told:
    return _Told.model_validate_json(path.read_text())


def save(state: Path, fold: int, seed: int, trial: Trial) -> None:
    """Keep a finished trial; its choices are written last and mark it as finished."""
    for file, table in zip(_files(state, fold, seed), trial.tables, strict=True):
        with kept(file) as fresh:
            table.to_parquet(fresh, index=False)
    with kept(_path(state, fold, seed)) as fresh:
        told = _Told(seconds=trial.seconds, **trial.fit.model_dump())
        fresh.write_text(told.model_dump_json())


def files(state: Path, fold: int, seed: int) -> list[Path]:
    """Return the files of a finished trial, the one that marks it as finished last."""
    return [*_files(state, fold, seed), _path(state, fold, seed)]


def going(state: Path, fold: int, seed: int) -> Path:
    """Return the folder of a trial under way."""
    return _path(state, fold, seed).with_suffix("")


def _path(state: Path, fold: int, seed: int) -> Path:
    return state / f"{fold:04d}-{seed:010d}.json"


def _files(state: Path, fold: int, seed: int) -> list[Path]:
    path = _path(state, fold, seed)
    return [path.with_suffix(f".{name}.parquet") for name in Tables._fields]
