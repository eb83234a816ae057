"""Fused and corrected predictions made again, of the runs that they say they were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.identity import CORRECTED, FUSED
from serbench.leaderboard.naming import believed
from serbench.leaderboard.record import Result
from serbench.runs.fusing import fused_of
from serbench.runs.parts import Part
from serbench.runs.postprocessing import Finished, made_of
from serbench.runs.recipe import steps_of

if TYPE_CHECKING:
    from pandas import DataFrame


def remade(result: Result, folders: Sequence[Path]) -> DataFrame:
    """Return what comes of the runs that a result was made of, with the code that is here.

    Args:
        result: the record of a fused or corrected result.
        folders: where these runs may lie.

    Returns:
        Predictions for its test parts in any order.

    Raises:
        SerbenchError: a run or what has to lie beside it is missing or not sound, or a step is not
            of serbench as it is here.
    """
    recipe: Mapping[str, Any] = result.recipe
    runs = believed(result, folders)
    if not runs:
        raise SerbenchError("a run that it was made of is not here, or not sound; send it along")
    if FUSED in recipe:
        return fused_of(runs, recipe[FUSED])
    return _corrected(runs[0], recipe[CORRECTED])


def _corrected(run: Path, told: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Return the corrected predictions of a run."""
    parts = _steps(told)
    entry = store.load_result(run)
    task = entry.result.benchmark.task
    return Finished(run, entry).material.corrected(task, made_of(parts, task)).tested


def _steps(told: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    """Return the steps of a recipe.

    Raises:
        SerbenchError: one is not as it is here, or comes from elsewhere.
    """
    for each in told:
        if each.get("origin") != "serbench" or "contents" in each:
            raise SerbenchError(f"step '{each['name']}' is not of serbench, and not run")
    parts = steps_of([{"name": each["name"], **each.get("options", {})} for each in told])
    for part, each in zip(parts, told, strict=True):
        if part.identity() != each:
            raise SerbenchError(f"step '{each['name']}' is not as it is in this serbench")
    return parts
