"""What stands behind one row, as plain JSON values: folds, speakers, pictures, recipe, origin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from statistics import fmean
from typing import Any

from serbench.errors import SerbenchError
from serbench.leaderboard import notes
from serbench.leaderboard.columns import COLUMNS, texts
from serbench.leaderboard.page.content import rounded
from serbench.leaderboard.record import Fit, Result
from serbench.leaderboard.table import Board, Row

Written = Callable[[Result], str]
"""From a result its recipe as a user writes it; raises `SerbenchError` where there is none."""

_FACTS = ("parameters", "head_parameters", "speed", "rate")
_TITLES = [COLUMNS[name].title for name in _FACTS]
_CURVES = 45  # trainings that are drawn


def details(board: Board, written: Written) -> Iterator[dict[str, Any]]:
    """Yield the details of each row of a board.

    Args:
        board: with the rows.
        written: gives their recipes.
    """
    for row, facts in zip(board.rows, texts(board, _FACTS), strict=True):
        yield _detail(board, row, facts, written)


def _detail(board: Board, row: Row, facts: Sequence[str], written: Written) -> dict[str, Any]:
    result, scores = row.result, row.standing.measured.scores
    task = result.benchmark.task
    keys = [figure.key for figure in task.figures if figure.over == "folds"]
    return {
        "digest": result.digest,
        "figures": keys,
        "folds": [*_folds(scores.fold_rows, keys)],
        "main": task.called,
        "speakers": [[s["speaker"], s["utterances"], s[task.main]] for s in scores.speaker_rows],
        "shares": _shares(board, row),
        "picture": row.standing.measured.picture,
        "curves": [*_curves(result.training)],
        "trainings": len(result.training),
        "layers": _layers(result.training),
        "about": notes.about_adaptation(result),
        "facts": [*zip(_TITLES, facts, strict=True)],
        "encoders": [encoder.provenance for encoder in result.encoders],
        "recipe": _recipe(result, written),
        "settings": result.recipe,
        "seconds": result.seconds,
        "versions": result.versions,
        "device": result.device,
        "created": result.created.isoformat(),
    }


def _folds(cells: Sequence[dict[str, Any]], keys: Sequence[str]) -> Iterator[list[Any]]:
    """Yield name, clips and figures of each fold, averaged over seeds."""
    folds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        folds[str(cell["fold"])].append(cell)
    for name, own in folds.items():
        values = [[cell[key] for cell in own] for key in keys]
        yield [name, own[0]["utterances"], [*map(fmean, values)]]


def _shares(board: Board, row: Row) -> dict[str, Any] | None:
    """Return the ranking figure taken apart by speaker, so that two rows can be compared."""
    key = board.columns[0].key
    if key not in row.intervals:
        return None
    shares = row.shares[key]
    return {
        "value": shares.value,
        "speakers": shares.speakers,
        "parts": [rounded(each, 9) for each in shares.parts.tolist()],
        "weights": [rounded(each, 9) for each in shares.weights.tolist()],
        "reach": _reach(row.intervals[key].speakers),
    }


@cache
def _reach(speakers: int) -> float:
    """Return how many standard errors the interval of a difference reaches."""
    from serbench.scoring.intervals import LEVEL, t_quantile

    return t_quantile(LEVEL, speakers)


def _curves(training: Sequence[Fit]) -> Iterator[list[Any]]:
    for fit in training[:_CURVES]:
        if fit.curve is not None:
            curve = fit.curve
            losses, scores = ([*map(rounded, each)] for each in (curve.losses, curve.valid_scores))
            yield [fit.fold, fit.seed, fit.learning_rate, fit.epoch, curve.epochs, losses, scores]


def _layers(training: Sequence[Fit]) -> list[list[list[float | None]]]:
    """Return for each stream and layer the mean, least and largest weight over trainings."""
    streams = zip(*(fit.layers for fit in training if fit.layers), strict=False)
    return [
        [[rounded(fmean(own)), min(own), max(own)] for own in zip(*stream, strict=False)]
        for stream in streams
    ]


def _recipe(result: Result, written: Written) -> dict[str, str]:
    try:
        return {"toml": written(result)}
    except SerbenchError as error:
        return {"none": str(error)}
