"""Whether the trainings of a record are those of its folds and seeds, within what was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from serbench.leaderboard.identity import is_derived
from serbench.leaderboard.listing import some
from serbench.leaderboard.record import Fit, Result


def unlike(result: Result) -> Iterator[str]:
    """Yield where trainings are missing, are of none of the folds and seeds, or are there twice.

    Fused results have none of their own; those of corrected ones are those of the run. Also yield
    what the recipe of a run did not let its trainings choose.

    Raises:
        LookupError, TypeError: that recipe is not whole.
    """
    folds = () if result.members else result.split.folds
    asked = dict.fromkeys((fold.name, seed) for fold in folds for seed in result.seeds)
    known = Counter((fit.fold, fit.seed) for fit in result.training)
    run = "format" in result.recipe and not is_derived(result.recipe)
    # an older record may tell of none; one that is not whole has those that there are
    if result.complete and (known or run) and (lost := [each for each in asked if not known[each]]):
        yield f"it has no training of {_named(lost)}"
    if foreign := [each for each in known if each not in asked]:
        yield f"it has a training of {_named(foreign)}, and no such fold and seed"
    if twice := [each for each, count in known.items() if count > 1]:
        yield f"it has more than one training of {_named(twice)}"
    if run:
        settings: Any = result.recipe["training"]
        yield from _unasked(result.training, settings["learning_rates"], settings["epochs"])


def _unasked(fits: Iterable[Fit], rates: list[float], epochs: int) -> Iterator[str]:
    """Yield which learning rates and epochs a recipe does not have, and its trainings do."""
    if other := sorted({fit.learning_rate for fit in fits} - {*rates}):
        said = f"its trainings chose the learning rate {some(other)}"
        yield f"{said}, and its recipe has {some(rates)}"
    told = {epoch for fit in fits for epoch in _epochs(fit)}
    if other := sorted(epoch for epoch in told if not 1 <= epoch <= epochs):
        yield f"its trainings tell of epoch {some(other)}, and its recipe has 1 to {epochs}"


def _epochs(fit: Fit) -> Iterator[int]:
    yield from (fit.epoch, *fit.averaged)
    if fit.curve is not None:
        yield from fit.curve.epochs


def _named(cells: list[tuple[str, int]]) -> str:
    return some([f"fold '{fold}' with seed {seed}" for fold, seed in cells])
