"""Whether the trainings of a record are those of its folds and seeds, within what was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from serbench.leaderboard.identity import is_derived
from serbench.leaderboard.listing import some
from serbench.leaderboard.record import Fit, Result

_ROUNDING = 1e-3  # of weights of layers that are kept in few digits


def unlike(result: Result) -> Iterator[str]:
    """Yield where trainings are missing, are of none of the folds and seeds, or are there twice.

    Fused results have none of their own; those of corrected ones are those of the run. Also yield
    what the recipe of a run did not let its trainings choose, and the same of the fine-tuning of
    its upstreams.

    Raises:
        LookupError, TypeError: that recipe is not whole.
    """
    folds = () if result.members else result.split.folds
    asked = dict.fromkeys((fold.name, seed) for fold in folds for seed in result.seeds)
    run = "format" in result.recipe and not is_derived(result.recipe)
    # an older record may tell of none; one that is not whole has those that there are
    whole = result.complete and bool(result.training or run)
    yield from _misplaced(result.training, asked, "training", whole=whole)
    if run:
        settings: Any = result.recipe["training"]
        yield from _unasked(result.training, settings, "trainings")
    yield from _misweighed(result.training)
    yield from _unlike_tuned(result, run=run)


def _unlike_tuned(result: Result, *, run: bool) -> Iterator[str]:
    """Yield the same of the fine-tuning of upstreams, which are one a fold, of one seed."""
    for tuned in (encoder.finetuned for encoder in result.encoders):
        if tuned is None:
            continue
        settings: Any = result.recipe.get("finetune") if run else None
        seeds = {settings["seed"]} if settings else {fit.seed for fit in tuned.training[:1]}
        asked = dict.fromkeys((fold.name, seed) for fold in result.split.folds for seed in seeds)
        yield from _misplaced(tuned.training, asked, "fine-tuning", whole=True)
        if settings:
            yield from _unasked(tuned.training, settings, "fine-tunings")


def _misplaced(
    fits: Iterable[Fit], asked: Collection[tuple[str, int]], what: str, *, whole: bool
) -> Iterator[str]:
    """Yield which folds and seeds have no training, which have several, and which are unknown."""
    known = Counter((fit.fold, fit.seed) for fit in fits)
    if whole and (lost := [each for each in asked if not known[each]]):
        yield f"it has no {what} of {_named(lost)}"
    if foreign := [each for each in known if each not in asked]:
        yield f"it has a {what} of {_named(foreign)}, and no such fold and seed"
    if twice := [each for each, count in known.items() if count > 1]:
        yield f"it has more than one {what} of {_named(twice)}"


def _unasked(fits: Sequence[Fit], settings: Mapping[str, Any], what: str) -> Iterator[str]:
    """Yield which learning rates and epochs a recipe does not have, and its trainings do."""
    rates, epochs = settings["learning_rates"], settings["epochs"]
    if other := sorted({fit.learning_rate for fit in fits} - {*rates}):
        said = f"its {what} chose the learning rate {some(other)}"
        yield f"{said}, and its recipe has {some(rates)}"
    averaged, most = {len(fit.averaged) for fit in fits} - {0}, settings.get("average", 1)
    if other := sorted(count for count in averaged if most == 1 or count > most):
        yield f"its {what} averaged {some(other)} epochs, and its recipe {most} at most"
    told = {epoch for fit in fits for epoch in _epochs(fit)}
    if other := sorted(epoch for epoch in told if not 1 <= epoch <= epochs):
        yield f"its {what} tell of epoch {some(other)}, and its recipe has 1 to {epochs}"


def _epochs(fit: Fit) -> Iterator[int]:
    yield from (fit.epoch, *fit.averaged)
    if fit.curve is not None:
        yield from fit.curve.epochs


def _misweighed(fits: Sequence[Fit]) -> Iterator[str]:
    """Yield that layers are weighted as no softmax does, or that curves go back in time."""
    for fit in fits:
        where = _named([(fit.fold, fit.seed)])
        if any(not _is_share(layers) for layers in fit.layers):
            yield f"the weights of layers of {where} are not shares of sum 1"
        if fit.curve is not None and [*fit.curve.epochs] != sorted({*fit.curve.epochs}):
            yield f"the curve of {where} does not go from epoch to epoch"
    if len({tuple(map(len, fit.layers)) for fit in fits if fit.layers}) > 1:
        yield "its trainings weight other numbers of layers"


def _is_share(weights: Sequence[float]) -> bool:
    return all(0 <= each <= 1 for each in weights) and abs(sum(weights) - 1) < _ROUNDING


def _named(cells: list[tuple[str, int]]) -> str:
    return some([f"fold '{fold}' with seed {seed}" for fold, seed in cells])
