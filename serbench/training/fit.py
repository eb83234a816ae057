"""Training of a head, alone or with its upstream: a grid of rates, stopped by validation.

Only the validation part chooses, both the epoch and the learning rate; it may then be trained on as
well, for as long as it chose. The test part is predicted once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from serbench.benchmarks import Fold
from serbench.errors import SerbenchError
from serbench.progress import Step
from serbench.training.attempt import Attempt, Epoch
from serbench.training.learning import Learner
from serbench.training.optimizing import schedule
from serbench.training.randomness import seeded
from serbench.training.system import System
from serbench.training.trial import Trial


@dataclass(frozen=True)
class Fitted:
    """What training gives for one fold and seed.

    Attributes:
        scores: (n, C) for the fold's test rows, in their order: probabilities of the classes, or
            dimensions on the benchmark's scale.
        valid_score: UA, or O-CCC averaged over dimensions, on the validation part.
        learning_rate: the chosen one.
        epoch: the chosen one, counted from 1.
        history: all epochs that were run at the chosen learning rate.
        valid_scores: the best validation score of each learning rate; -inf where training diverged.
        state: parameters and buffers of the system after the chosen epoch, or after the refit, on
            the CPU.
    """

    scores: NDArray[np.float64]
    valid_score: float
    learning_rate: float
    epoch: int
    history: tuple[Epoch, ...]
    valid_scores: dict[float, float]
    state: dict[str, Tensor]


def fit(trial: Trial, make_system: Callable[[], System], step: Step) -> Fitted:
    """Train on a fold's training part, choose by its validation part, predict its test part.

    The same arguments give the same numbers, bit for bit on a CPU. Every learning rate starts
    from the same weights, drawn for the seed alone.

    Args:
        trial: what to train on, and how.
        make_system: makes a new system; its initial weights come from torch's generator, those of
            an upstream in it are the same each time.
        step: progress; advances by 1 an epoch, by `training.most_epochs` in all.

    Raises:
        SerbenchError: a part of the fold is too small, or training diverges at every rate.
    """
    learner = Learner.of(trial)
    attempts = []
    for rate in trial.training.learning_rates:
        with seeded(trial.seed, trial.device):
            attempt = Attempt(rate, learner.start(make_system))
            _train(learner, attempt, np.random.default_rng(trial.seed), step)
        attempt.system.cpu()  # large upstreams of several rates do not fit on a GPU together
        attempts.append(attempt)
    best = max(attempts, key=lambda attempt: attempt.valid_score)
    if best.valid_score == -math.inf:
        rates = trial.training.learning_rates
        what = f"training gave numbers that are not finite at each of the learning rates {rates}"
        raise _not_finite(trial, what)
    if trial.training.refit:
        with seeded(trial.seed, trial.device):
            _refit(learner, best, make_system, np.random.default_rng(trial.seed), step)
    return _fitted(learner, best, attempts)


def _fitted(learner: Learner, best: Attempt, attempts: list[Attempt]) -> Fitted:
    best.system.to(learner.trial.device).load_state_dict(best.state)
    scores = learner.predict(best.system, learner.trial.fold.test)
    if not np.isfinite(scores).all():
        raise _not_finite(learner.trial, "the predictions for the test part are not finite")
    return Fitted(
        scores=scores,
        valid_score=best.valid_score,
        learning_rate=best.rate,
        epoch=best.epoch,
        history=tuple(best.history),
        valid_scores={each.rate: each.valid_score for each in attempts},
        state=best.state,
    )


def _train(learner: Learner, attempt: Attempt, shuffle: np.random.Generator, step: Step) -> None:
    """Train for as many epochs as validation allows, or until a number is not finite."""
    training = learner.trial.training
    patience = training.patience or training.epochs
    rates = schedule(attempt.system, attempt.rate, training)
    for number in range(1, training.epochs + 1):
        loss, skipped = learner.learn(attempt.system, rates, shuffle)
        scores = learner.predict(attempt.system, learner.trial.fold.valid)
        step.advance(1)
        attempt.diverged = not (math.isfinite(loss) and np.isfinite(scores).all())
        if attempt.diverged:
            break
        score = learner.valid_score(scores)
        attempt.add(Epoch(loss, score, skipped))
        told = f"epoch {number}, loss {loss:.2f}, valid {score:.2f}{_odd(skipped)}"
        step.note(f"rate {attempt.rate:g}, {told}")
        if number - attempt.epoch >= patience:
            break
    step.advance(training.epochs - number)


def _refit(
    learner: Learner,
    attempt: Attempt,
    make_system: Callable[[], System],
    shuffle: np.random.Generator,
    step: Step,
) -> None:
    """Train on the training and validation parts for as many epochs as validation chose."""
    fold, training = learner.trial.fold, learner.trial.training
    rows = np.concatenate([fold.train, fold.valid])
    merged = Fold(fold.name, rows, fold.valid[:0], fold.test)
    whole = replace(learner, trial=replace(learner.trial, fold=merged))
    attempt.system = whole.start(make_system)
    rates = schedule(attempt.system, attempt.rate, training)
    for number in range(1, attempt.epoch + 1):
        loss, skipped = whole.learn(attempt.system, rates, shuffle)
        if math.isnan(loss):
            raise _not_finite(
                whole.trial, "training on both parts gave numbers that are not finite"
            )
        step.advance(1)
        told = f"epoch {number}, loss {loss:.2f}{_odd(skipped)}"
        step.note(f"training and validation part, {told}")
    step.advance(training.epochs - attempt.epoch)
    attempt.keep()


def _odd(skipped: int) -> str:
    """Return what there is to say of batches that were left out."""
    return f", {skipped} batches not finite and left out" if skipped else ""


def _not_finite(trial: Trial, what: str) -> SerbenchError:
    """Return the error for numbers that rates were too large for."""
    return SerbenchError(
        f"fold '{trial.fold.name}': {what}; give smaller learning rates, such as "
        "--set training.learning_rates=[1e-5]"
    )
