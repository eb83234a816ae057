"""What a training chose, and how it went, for the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from serbench.leaderboard.record import Curve, Fit

if TYPE_CHECKING:
    from serbench.training.attempt import Epoch
    from serbench.training.averaging import State
    from serbench.training.fit import Trained

_POINTS = 30  # of a curve, so that records of many folds stay small
_DIGITS = 4


def fit_of(fold: str, seed: int, trained: Trained) -> Fit:
    """Return what a training chose.

    Args:
        fold: its name.
        seed: of the training.
        trained: what it gave.
    """
    return Fit(
        fold=fold,
        seed=seed,
        learning_rate=trained.learning_rate,
        epoch=trained.epoch,
        valid_score=trained.valid_score,
        skipped=sum(epoch.skipped for epoch in trained.history),
        averaged=trained.averaged,
        curve=curve(trained.history, trained.epoch),
        layers=tuple(_layers(trained.state)),
    )


def averaged(fit: Fit, asked: int) -> str:
    """Return how many epochs were averaged, and whether there were as many as asked for."""
    count = len(fit.averaged)
    fewer = f" ({asked} were asked for; there are no more)" if count < asked else ""
    return f", mean of {count} epochs{fewer}" if count else ""


def curve(history: Sequence[Epoch], chosen: int) -> Curve:
    """Return a training at its chosen epoch and at others, evenly spaced, first and last included.

    Args:
        history: all epochs.
        chosen: number of one of them, from 1.
    """
    apart = (len(history) - 1) / (_POINTS - 1)
    spaced = {1 + round(step * apart) for step in range(_POINTS)}
    epochs = sorted({chosen, *(spaced if apart > 1 else range(1, 1 + len(history)))})
    return Curve(
        epochs=tuple(epochs),
        losses=tuple(round(history[epoch - 1].loss, _DIGITS) for epoch in epochs),
        valid_scores=tuple(round(history[epoch - 1].valid, _DIGITS) for epoch in epochs),
    )


def _layers(state: State) -> Iterator[tuple[float, ...]]:
    """Yield the weights of the layers of each stream of a system that has several layers."""
    for name, logits in state.items():
        if name.startswith("streams.") and name.endswith(".mix.logits") and len(logits) > 1:
            weights = logits.double().softmax(0).tolist()
            yield tuple(round(weight, _DIGITS) for weight in weights)
