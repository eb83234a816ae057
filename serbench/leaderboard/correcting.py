"""What post-processors did to a result: its scores before and after, and how much they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from serbench.leaderboard.comparing import Line, figures_of
from serbench.leaderboard.standing import standing

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.leaderboard.record import Result
    from serbench.leaderboard.store import Entry

_ROUNDING = 1e-9  # weights that are multiplied by one and divided by their sum


class Correction(NamedTuple):
    """What post-processors did to a result.

    Attributes:
        sentence: how many predictions they changed.
        figures: those of the task, one after the correction, other before, and their difference
            over speakers; none where nothing changed or the result is incomplete.
    """

    sentence: str
    figures: tuple[Line, ...]


def correction(after: Entry, before: Entry) -> Correction:
    """Return what post-processors did.

    Args:
        after: the corrected result.
        before: the one that it was made of.
    """
    from serbench.scoring.predictions import values

    task = after.result.benchmark.task
    rows = _like(before.predictions, after.predictions)
    gap = abs(values(task, after.predictions) - values(task, rows)).max(axis=1)
    changed = int((gap > _ROUNDING).sum())
    if not changed:
        return Correction(f"Changed nothing: {_unchanged(after.result, len(gap))}", ())
    said = f"Corrected {changed} of {len(gap)} predictions"
    if task.classes:
        others = (after.predictions["prediction"].to_numpy() != rows["prediction"].to_numpy()).sum()
        said += f"; {others} have another label"
    return Correction(f"{said}.", tuple(figures_of(standing(*after), standing(*before))))


def _like(rows: DataFrame, order: DataFrame) -> DataFrame:
    """Return predictions in the order of others of the same."""
    keys = ["fold", "seed", "utterance"]
    return rows.set_index(keys).loc[order.set_index(keys).index].reset_index()


def _unchanged(result: Result, count: int) -> str:
    enrols = result.protocol.enrolled is not None
    if enrols and not any(fold.enrol for fold in result.split.folds):
        return f"nothing is enrolled, so that nobody is known, and all {count} predictions stay."
    return f"all {count} predictions are as before."
