"""Training of a head, alone or with its upstream: a grid of rates, stopped by validation.

Only the validation part chooses, both the epoch and the learning rate; it may then be trained on as
well, for as long as it chose. The test part is predicted once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from serbench.benchmarks import Fold, Rows
from serbench.devices import forked, seeded
from serbench.errors import SerbenchError
from serbench.progress import Step
from serbench.training.batching import by_length, shuffled
from serbench.training.objectives import Objective, Targets
from serbench.training.optimizing import schedule
from serbench.training.settings import Training
from serbench.training.system import System
from serbench.upstreams import Clips, Features


class Source(Protocol):
    """A corpus in the order of its table: features, or clips for a system with an upstream."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) frames or samples of each utterance; 1 where only the mean over time is kept."""

    def batch(self, rows: Rows) -> Features | Clips:
        """Return some utterances: features (L, B, T, D) float32, zero-padded, or clips."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training part.

    Attributes:
        loss: mean over its batches.
        valid: the ranking metric on the whole validation part, after it.
    """

    loss: float
    valid: float


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


@dataclass(frozen=True)
class Trial:
    """One fold and seed: what to learn from, choose by and predict, and how.

    Attributes:
        source: features of the whole corpus, or its clips if the system has an upstream.
        targets: (N,) places in the labels, or (N, C) dimensions on the benchmark's scale.
        speakers: (N,) index of each utterance's speaker.
        fold: which rows are for what.
        objective: how the task is learnt.
        training: the settings.
        seed: of initial weights, dropout and shuffling.
        device: where to train.
    """

    source: Source
    targets: Targets
    speakers: NDArray[np.int64]
    fold: Fold
    objective: Objective[Any]
    training: Training
    seed: int
    device: torch.device


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
    job = _Job.of(trial)
    attempts = []
    for rate in trial.training.learning_rates:
        with seeded(trial.seed, trial.device):
            attempt = _Attempt(rate, make_system().to(trial.device))
            _train(job, attempt, np.random.default_rng(trial.seed), step)
        attempt.system.cpu()  # large upstreams of several rates do not fit on a GPU together
        attempts.append(attempt)
    best = max(attempts, key=lambda attempt: attempt.valid_score)
    if best.valid_score == -math.inf:
        msg = (
            f"fold '{trial.fold.name}': training gave numbers that are not finite at each of the "
            f"learning rates {trial.training.learning_rates}; give smaller ones, such as "
            "--set training.learning_rates=[1e-5]"
        )
        raise SerbenchError(msg)
    if trial.training.refit:
        with seeded(trial.seed, trial.device):
            best.system = make_system().to(trial.device)
            _refit(job, best, np.random.default_rng(trial.seed), step)
    return _fitted(job, best, attempts)


@dataclass
class _Attempt:
    """Training at one learning rate.

    Attributes:
        rate: the learning rate.
        system: as it is now.
        history: the epochs so far.
        epoch: the best one, from 1.
        state: of the system after the best epoch.
        diverged: whether a loss or an output was not finite; the trial is then worthless.
    """

    rate: float
    system: System
    history: list[Epoch] = field(default_factory=list)
    epoch: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)
    diverged: bool = False

    @property
    def valid_score(self) -> float:
        """The best so far; minus infinity if there is none."""
        return self.history[self.epoch - 1].valid if self.epoch and not self.diverged else -math.inf

    def add(self, epoch: Epoch) -> None:
        """Take note of an epoch; only a strictly better score makes it the best."""
        better = epoch.valid > self.valid_score
        self.history.append(epoch)
        if better:
            self.epoch = len(self.history)
            self.keep()

    def keep(self) -> None:
        """Take the system as it is now for the best."""
        state = self.system.state_dict()
        self.state = {name: v.detach().to("cpu", copy=True) for name, v in state.items()}


@dataclass(frozen=True)
class _Job:
    """A trial with its truth and speakers on the device: what all learning rates share."""

    trial: Trial
    truth: Tensor
    speakers: Tensor

    @classmethod
    def of(cls, trial: Trial) -> _Job:
        """Move what training looks at to the device, once it was found sound."""
        _check(trial)
        truth = trial.objective.encode(trial.targets).to(trial.device)
        return cls(trial, truth, torch.from_numpy(trial.speakers).to(trial.device))

    def batch(self, rows: Rows) -> Features | Clips:
        """Return some utterances, on the device."""
        return self.trial.source.batch(rows).to(self.trial.device)

    def outputs(self, system: System, rows: Rows) -> Tensor:
        """Return the (B, C) outputs of a system for some utterances."""
        layers, lengths = system.encode(self.batch(rows))
        outputs: Tensor = system(layers, lengths, self.speakers[rows])
        return outputs

    def loss_on(self, system: System, rows: Rows) -> Tensor:
        """Return the loss on some utterances, with what the upstream has to add to it."""
        batch = self.batch(rows)
        features = system.encode(batch)
        outputs = system(*features, self.speakers[rows])
        loss = self.trial.objective.loss(outputs, self.truth[rows])
        if system.upstream is None or not isinstance(batch, Clips):
            return loss
        added = system.upstream.auxiliary_loss(batch, features)
        return loss if added is None else loss + added

    def predict(self, system: System, rows: Rows) -> NDArray[np.float64]:
        """Return (n, C) scores in the order of `rows`, leaving training's randomness alone."""
        trial = self.trial
        batches, places = by_length(rows, trial.source.lengths, trial.training.batch)
        system.eval()
        with torch.no_grad(), forked(trial.device):
            outputs = torch.cat([self.outputs(system, batch) for batch in batches])
        return trial.objective.decode(outputs)[places]

    def valid_score(self, scores: NDArray[np.float64]) -> float:
        """Return the ranking metric of scores for the validation part."""
        return self.trial.objective.score(self.trial.targets[self.trial.fold.valid], scores)


def _fitted(job: _Job, best: _Attempt, attempts: list[_Attempt]) -> Fitted:
    best.system.to(job.trial.device).load_state_dict(best.state)
    scores = job.predict(best.system, job.trial.fold.test)
    if not np.isfinite(scores).all():
        msg = (
            f"fold '{job.trial.fold.name}': the predictions for the test part are not finite; give "
            "smaller learning rates, such as --set training.learning_rates=[1e-5]"
        )
        raise SerbenchError(msg)
    return Fitted(
        scores=scores,
        valid_score=best.valid_score,
        learning_rate=best.rate,
        epoch=best.epoch,
        history=tuple(best.history),
        valid_scores={each.rate: each.valid_score for each in attempts},
        state=best.state,
    )


def _train(job: _Job, attempt: _Attempt, shuffle: np.random.Generator, step: Step) -> None:
    """Train for as many epochs as validation allows, or until a number is not finite."""
    training = job.trial.training
    patience = training.patience or training.epochs
    rates = schedule(attempt.system, attempt.rate, training)
    for number in range(1, training.epochs + 1):
        loss = _train_epoch(job, attempt.system, rates, shuffle)
        scores = job.predict(attempt.system, job.trial.fold.valid)
        step.advance(1)
        attempt.diverged = not (math.isfinite(loss) and np.isfinite(scores).all())
        if attempt.diverged:
            break
        attempt.add(Epoch(loss, job.valid_score(scores)))
        score = attempt.history[-1].valid
        step.note(f"rate {attempt.rate:g}, epoch {number}, loss {loss:.2f}, valid {score:.2f}")
        if number - attempt.epoch >= patience:
            break
    step.advance(training.epochs - number)


def _refit(job: _Job, attempt: _Attempt, shuffle: np.random.Generator, step: Step) -> None:
    """Train on the training and validation parts for as many epochs as validation chose."""
    fold, training = job.trial.fold, job.trial.training
    rows = np.concatenate([fold.train, fold.valid])
    merged = Fold(fold.name, rows, fold.valid[:0], fold.test)
    whole = replace(job, trial=replace(job.trial, fold=merged))
    rates = schedule(attempt.system, attempt.rate, training)
    for number in range(1, attempt.epoch + 1):
        loss = _train_epoch(whole, attempt.system, rates, shuffle)
        step.advance(1)
        step.note(f"training and validation part, epoch {number}, loss {loss:.2f}")
    step.advance(training.epochs - attempt.epoch)
    attempt.keep()


def _train_epoch(job: _Job, system: System, rates: LambdaLR, shuffle: np.random.Generator) -> float:
    """Make one pass over the training part; return the mean loss of its batches."""
    system.train()
    # the CCC of fewer utterances would be another loss
    drop_rest = job.trial.objective.task.correlates
    lengths, size = job.trial.source.lengths, job.trial.training.batch
    optimizer, losses = rates.optimizer, []
    for rows in shuffled(job.trial.fold.train, lengths, size, shuffle, drop_rest=drop_rest):
        loss = job.loss_on(system, rows)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(system.parameters(), job.trial.training.clip_norm)
        # as in SUPERB, so that one odd batch does not spoil all weights
        if torch.isfinite(norm):
            optimizer.step()
            rates.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()


def _check(trial: Trial) -> None:
    """Refuse what cannot be trained on, or chosen by."""
    fold = trial.fold
    sizes = {"train": len(fold.train), "valid": len(fold.valid), "test": len(fold.test)}
    if sizes["train"] < 2 or min(sizes.values()) < 1:
        counts = ", ".join(f"{part} {size}" for part, size in sizes.items())
        msg = (
            f"fold '{fold.name}' has too few utterances ({counts}); use a protocol of larger folds"
        )
        raise SerbenchError(msg)
    trial.objective.check(trial.targets[fold.valid], fold.name)
