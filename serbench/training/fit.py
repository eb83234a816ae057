"""Training of a head, alone or with its upstream: a grid of rates, stopped by validation.

Only the validation part chooses, both the epoch and the learning rate; it may then be trained on as
well, for as long as it chose. The test part is predicted once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serbench.devices import seeded
from serbench.errors import SerbenchError
from serbench.progress import Step
from serbench.training.attempt import Attempt, Epoch
from serbench.training.averaging import BestEpochs, State
from serbench.training.course import Course, Keeping, state_of
from serbench.training.learning import Learner
from serbench.training.objectives import Scores
from serbench.training.system import System
from serbench.training.trial import Trial, check


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training and validation part of one fold give, with one seed.

    Attributes:
        valid_score: UA, or O-CCC averaged over dimensions, on the validation part: of the averaged
            weights if several epochs were averaged, else of the chosen epoch, before a refit.
        learning_rate: the chosen one.
        epoch: the chosen one, counted from 1.
        history: all epochs that were run at the chosen learning rate.
        valid_scores: the best validation score of each learning rate; -inf where training diverged.
        state: parameters and buffers of the system after the chosen epoch, averaged over epochs,
            or after the refit, on the CPU.
        averaged: the epochs whose mean it is, if several were asked for; fewer than those if there
            are no more.
    """

    valid_score: float
    learning_rate: float
    epoch: int
    history: tuple[Epoch, ...]
    valid_scores: dict[float, float]
    state: State
    averaged: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fitted(Trained):
    """The same, and what it gives for the parts of the fold.

    Attributes:
        scores: (n, C) for the test rows, in their order: probabilities of the classes, or
            dimensions on the benchmark's scale.
        validation: (n, C) for the validation rows likewise, before a refit: never from weights
            that were trained on them.
        training: (n, C) for the training rows, by the same weights.
        enrolled: (n, C) for the rows that are enrolled, as for the test rows.
        unlabelled: (n, C) for the rows that nobody scores, likewise; None if there are none.
        embeddings: (n, E) for the training, validation, test and enrolled rows, one after the
            other: the mean over time of what heads get, before a refit.
        pooled: (n, H) for the same rows: what the output gets of heads, before a refit.
    """

    scores: Scores
    validation: Scores
    training: Scores
    enrolled: Scores
    unlabelled: Scores | None
    embeddings: NDArray[np.float32]
    pooled: NDArray[np.float32]


def fit(
    trial: Trial, make_system: Callable[[], System], step: Step, keeping: Keeping | None = None
) -> Fitted:
    """Train on a fold's training part, choose by its validation part, predict both others.

    The arguments, and what is the same each time, are those of `train`.
    """
    check(trial)
    learner = Learner.of(trial)
    best, trained = _train(learner, make_system, step, keeping)
    system = best.course.system
    system.load_state_dict(trained.state)
    validation = _finite(learner, system, "validation")
    training = _finite(learner, system, "training")
    fold = trial.fold
    everybody = np.concatenate([fold.train, fold.valid, fold.test, fold.enrol])
    embeddings, pooled = learner.embed(system, everybody)
    if trial.training.refit:
        # who validated is now trained on, and known to a head that looks at who speaks
        learner = Learner.of(replace(trial, fold=trial.fold.merged()))
        system = _refit(learner, best, make_system, step, keeping)
        trained = replace(trained, state=state_of(system))
    return Fitted(
        **vars(trained),
        scores=_finite(learner, system, "test"),
        validation=validation,
        training=training,
        enrolled=_finite(learner, system, "enrolled"),
        unlabelled=_finite(learner, system, "unlabelled") if len(fold.unlabelled) else None,
        embeddings=embeddings,
        pooled=pooled,
    )


def train(
    trial: Trial, make_system: Callable[[], System], step: Step, keeping: Keeping | None = None
) -> Trained:
    """Train on a fold's training part and choose by its validation part; a refit is for `fit`.

    The same arguments give the same numbers, bit for bit on a CPU. Every learning rate starts
    from the same weights, drawn for the seed alone.

    Args:
        trial: what to train on, and how; the test part of its fold is left alone.
        make_system: makes a new system; its initial weights come from torch's generator, those of
            an upstream in it are the same each time.
        step: progress; advances by 1 an epoch, by `training.most_epochs` in all.
        keeping: where the training is kept, and how often; one that was killed goes on from there
            and ends with the same bits. None: nowhere.

    Raises:
        SerbenchError: a part of the fold is too small, or training diverges at every rate.
    """
    check(trial, tested=False)
    return _train(Learner.of(trial), make_system, step, keeping)[1]


def _train(
    learner: Learner, make_system: Callable[[], System], step: Step, keeping: Keeping | None
) -> tuple[Attempt, Trained]:
    """Return the best attempt, its system on the device, and what it gives before a refit."""
    trial = learner.trial
    best, valid_scores = _choose(learner, make_system, step, keeping)
    if best.valid_score == -math.inf:
        rates = trial.training.learning_rates
        what = f"training gave numbers that are not finite at each of the learning rates {rates}"
        raise _not_finite(trial, what)
    system = best.course.system.to(trial.device)
    state, valid_score = best.best.mean(), best.valid_score
    if len(best.best.epochs) > 1:
        system.load_state_dict(state)
        valid_score = learner.valid_score(_finite(learner, system, "validation"))
    trained = Trained(
        valid_score=valid_score,
        learning_rate=best.rate,
        epoch=best.epoch,
        history=tuple(best.history),
        valid_scores=valid_scores,
        state=state,
        averaged=tuple(sorted(best.best.epochs)) if trial.training.average > 1 else (),
    )
    return best, trained


def _choose(
    learner: Learner, make_system: Callable[[], System], step: Step, keeping: Keeping | None
) -> tuple[Attempt, dict[float, float]]:
    """Return the best attempt by validation, and the score of each learning rate."""
    best, scores = None, {}
    for number, rate in enumerate(learner.trial.training.learning_rates):
        place = keeping and keeping._replace(folder=keeping.folder / f"rate-{number}")
        attempt = _attempt(learner, rate, make_system, step, place)
        scores[rate] = attempt.valid_score
        if best is None or attempt.valid_score > best.valid_score:
            best, attempt = attempt, best
        if attempt is not None:
            attempt.give_way(best)
    assert best is not None
    return best, scores


def _attempt(
    learner: Learner,
    rate: float,
    make_system: Callable[[], System],
    step: Step,
    keeping: Keeping | None,
) -> Attempt:
    """Train at one learning rate."""
    trial = learner.trial
    folder = keeping and keeping.folder
    with seeded(trial.seed, trial.device):
        course = Course(learner, rate, make_system, keeping)
        attempt = Attempt.of(rate, course, BestEpochs(trial.training.average, folder))
        _run_epochs(learner, attempt, step)
    course.system.cpu()  # large upstreams of two rates do not fit on a GPU together
    return attempt


def _finite(
    learner: Learner,
    system: System,
    part: Literal["training", "validation", "test", "enrolled", "unlabelled"],
) -> Scores:
    """Return what a system predicts for a part of the fold."""
    fold = learner.trial.fold
    rows = {
        "training": fold.train,
        "validation": fold.valid,
        "test": fold.test,
        "enrolled": fold.enrol,
        "unlabelled": fold.unlabelled,
    }[part]
    scores = learner.predict(system, rows)
    if not np.isfinite(scores).all():
        raise _not_finite(learner.trial, f"the predictions for the {part} part are not finite")
    return scores


def _run_epochs(learner: Learner, attempt: Attempt, step: Step) -> None:
    """Train for as many epochs as validation allows, or until a number is not finite."""
    training, course = learner.trial.training, attempt.course
    step.advance(len(attempt.history))
    while not attempt.over(training):
        loss, skipped = course.epoch()
        scores = learner.predict(course.system, learner.trial.fold.valid)
        step.advance(1)
        attempt.diverged = not (math.isfinite(loss) and np.isfinite(scores).all())
        if attempt.diverged:
            break
        score = learner.valid_score(scores)
        attempt.add(Epoch(loss, score, skipped))
        told = f"epoch {len(attempt.history)}, loss {loss:.2f}, valid {score:.2f}{_odd(skipped)}"
        step.note(f"rate {attempt.rate:g}, {told}")
    attempt.end()
    step.advance(training.epochs - len(attempt.history) - attempt.diverged)


def _refit(
    whole: Learner,
    chosen: Attempt,
    make_system: Callable[[], System],
    step: Step,
    keeping: Keeping | None,
) -> System:
    """Train on the training and validation parts for as many epochs as validation chose."""
    trial = whole.trial
    # where attempts are made again, a GPU may choose another than the one that was kept is of
    name = f"refit-{chosen.rate!r}-{chosen.epoch}-"
    with seeded(trial.seed, trial.device):
        course = Course(whole, chosen.rate, make_system, keeping, name)
        done = course.known.get("epochs", 0)
        step.advance(done)
        for number in range(done + 1, chosen.epoch + 1):
            loss, skipped = course.epoch()
            if math.isnan(loss):
                what = "training on both parts gave numbers that are not finite"
                raise _not_finite(trial, what)
            if course.due:
                course.keep({"epochs": number})
            step.advance(1)
            told = f"epoch {number}, loss {loss:.2f}{_odd(skipped)}"
            step.note(f"training and validation part, {told}")
    step.advance(trial.training.epochs - chosen.epoch)
    return course.system


def _odd(skipped: int) -> str:
    """Return what there is to say of batches that were left out."""
    return f", {skipped} batches not finite and left out" if skipped else ""


def _not_finite(trial: Trial, what: str) -> SerbenchError:
    """Return the error for numbers that rates were too large for."""
    return SerbenchError(
        f"fold '{trial.fold.name}': {what}; give smaller learning rates, such as "
        f"--set {trial.key}.learning_rates=[1e-5]"
    )
