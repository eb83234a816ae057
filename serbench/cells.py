"""State of a run under way: one file of predictions and one of choices a fold and seed.

A finished cell is never computed again, so a stopped run goes on where it was and ends with the
same numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from serbench.leaderboard.record import Fit

if TYPE_CHECKING:
    from pandas import DataFrame


def find(state: Path, fold: int, seed: int) -> Fit | None:
    """Return what training chose in a finished cell, or None."""
    path = _path(state, fold, seed)
    return Fit.model_validate_json(path.read_text()) if path.exists() else None


def save(state: Path, fold: int, seed: int, fit: Fit, predictions: DataFrame) -> None:
    """Keep a finished cell; its choices are written last and mark it as finished."""
    state.mkdir(parents=True, exist_ok=True)
    path = _path(state, fold, seed)
    predictions.to_parquet(path.with_suffix(".parquet"), index=False)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(fit.model_dump_json())
    temporary.replace(path)


def collect(state: Path) -> DataFrame:
    """Return the predictions of all finished cells, by fold and seed."""
    import pandas as pd

    finished = sorted(state.glob("*.json"))
    return pd.concat([pd.read_parquet(p.with_suffix(".parquet")) for p in finished])


def _path(state: Path, fold: int, seed: int) -> Path:
    return state / f"{fold:04d}-{seed:010d}.json"
