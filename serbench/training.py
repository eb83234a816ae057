"""Training of a head, alone or with its upstream: a grid of rates, stopped by validation.

Only the validation part chooses, both the epoch and the learning rate; it may then be trained on as
well, for as long as it chose. The test part is predicted once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from serbench.batching import by_length, shuffled
from serbench.benchmarks import Classification, Fold, Rows, Task
from serbench.benchmarks.metrics import concordance_cc, unweighted_accuracy
from serbench.errors import SerbenchError
from serbench.losses import Loss, Targets, decode, encode, loss_for
from serbench.system import System
from serbench.upstreams import Clips, Features

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Step
    from serbench.recipe import Training


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


def targets_of(table: DataFrame, task: Task) -> Targets:
    """Return the truth as `fit` takes it: (N,) positions in the labels, or (N, C) dimensions.

    Raises:
        SerbenchError: a label that the task does not have.
    """
    if not isinstance(task, Classification):
        return table[list(task.dimensions)].to_numpy(np.float64)
    foreign = sorted(set(table[task.column]) - set(task.labels))
    if foreign:
        msg = f"column '{task.column}' has {foreign}; the labels are {', '.join(task.labels)}"
        raise SerbenchError(msg)
    place = {label: i for i, label in enumerate(task.labels)}
    return np.array([place[label] for label in table[task.column]], np.int64)


def fit(
    make_system: Callable[[], System],
    source: Source,
    targets: Targets,
    speakers: NDArray[np.int64],
    fold: Fold,
    task: Task,
    training: Training,
    *,
    seed: int,
    device: torch.device,
    step: Step,
) -> Fitted:
    """Train on a fold's training part, choose by its validation part, predict its test part.

    The same arguments give the same numbers, bit for bit on a CPU. Every learning rate starts
    from the same weights, drawn for `seed` alone.

    Args:
        make_system: makes a new system; its initial weights come from torch's generator, those of
            an upstream in it are the same each time.
        source: features of the whole corpus, or its clips if the system has an upstream.
        targets: (N,) positions in the labels, or (N, C) dimensions on the benchmark's scale.
        speakers: (N,) index of each utterance's speaker.
        fold: which rows are for what.
        task: what is predicted.
        training: how.
        seed: of initial weights, dropout and shuffling.
        device: where to train.
        step: progress; advances by 1 an epoch, by `training.most_epochs` in all.

    Raises:
        SerbenchError: a part of the fold is too small, or training diverges at every rate.
    """
    loss = loss_for(task, training)
    _check(targets, fold, task)
    truth, speaker = encode(targets, task).to(device), torch.from_numpy(speakers).to(device)
    job = _Job(source, targets, truth, speaker, fold, task, training, loss)
    trials = []
    for rate in training.learning_rates:
        with _seeded(seed, device):
            trial = _Trial(rate, make_system().to(device))
            _train(job, trial, np.random.default_rng(seed), step)
        trial.system.cpu()  # large upstreams of several rates do not fit on a GPU together
        trials.append(trial)
    best = max(trials, key=lambda trial: trial.valid_score)
    if best.valid_score == -math.inf:
        msg = (
            f"fold '{fold.name}': training gave numbers that are not finite at each of the "
            f"learning rates {training.learning_rates}; give smaller ones, such as "
            "--set training.learning_rates=[1e-5]"
        )
        raise SerbenchError(msg)
    if training.refit:
        with _seeded(seed, device):
            best.system = make_system().to(device)
            _refit(job, best, np.random.default_rng(seed), step)
    return _fitted(job, best, trials)


@dataclass
class _Trial:
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
    """What the learning rates of one fold and seed have in common."""

    source: Source
    targets: Targets
    truth: Tensor
    speakers: Tensor
    fold: Fold
    task: Task
    training: Training
    loss: Loss

    @property
    def device(self) -> torch.device:
        """Where it is trained."""
        return self.truth.device

    def batch(self, rows: Rows) -> Features | Clips:
        """Return some utterances, on the device."""
        return self.source.batch(rows).to(self.device)

    def outputs(self, system: System, rows: Rows) -> Tensor:
        """Return the (B, C) outputs of a system for some utterances."""
        layers, lengths = system.encode(self.batch(rows))
        outputs: Tensor = system(layers, lengths, self.speakers[rows])
        return outputs

    def loss_on(self, system: System, rows: Rows) -> Tensor:
        """Return the loss on some utterances, with what the upstream has to add to it."""
        batch = self.batch(rows)
        features = system.encode(batch)
        loss = self.loss(system(*features, self.speakers[rows]), self.truth[rows])
        if system.upstream is None or not isinstance(batch, Clips):
            return loss
        added = system.upstream.auxiliary_loss(batch, features)
        return loss if added is None else loss + added

    def predict(self, system: System, rows: Rows) -> NDArray[np.float64]:
        """Return (n, C) scores in the order of `rows`, leaving training's randomness alone."""
        batches, places = by_length(rows, self.source.lengths, self.training.batch)
        system.eval()
        with torch.no_grad(), _forked(self.device):
            outputs = torch.cat([self.outputs(system, batch) for batch in batches])
        return decode(outputs, self.task)[places]

    def valid_score(self, scores: NDArray[np.float64]) -> float:
        """Return the ranking metric of scores for the validation part."""
        targets = self.targets[self.fold.valid]
        if isinstance(self.task, Classification):
            labels = np.array(self.task.labels)
            return unweighted_accuracy(labels[targets], labels[scores.argmax(1)], self.task.labels)
        dimensions = zip(targets.T, scores.T, strict=True)
        return float(np.mean([concordance_cc(t, p) for t, p in dimensions]))


def _fitted(job: _Job, best: _Trial, trials: list[_Trial]) -> Fitted:
    best.system.to(job.device).load_state_dict(best.state)
    scores = job.predict(best.system, job.fold.test)
    if not np.isfinite(scores).all():
        msg = (
            f"fold '{job.fold.name}': the predictions for the test part are not finite; give "
            "smaller learning rates, such as --set training.learning_rates=[1e-5]"
        )
        raise SerbenchError(msg)
    return Fitted(
        scores=scores,
        valid_score=best.valid_score,
        learning_rate=best.rate,
        epoch=best.epoch,
        history=tuple(best.history),
        valid_scores={t.rate: t.valid_score for t in trials},
        state=best.state,
    )


def _train(job: _Job, trial: _Trial, shuffle: np.random.Generator, step: Step) -> None:
    """Train for as many epochs as validation allows, or until a number is not finite."""
    training = job.training
    patience = training.patience or training.epochs
    schedule = _schedule(trial.system, trial.rate, training)
    for number in range(1, training.epochs + 1):
        loss = _train_epoch(job, trial.system, schedule, shuffle)
        scores = job.predict(trial.system, job.fold.valid)
        step.advance(1)
        trial.diverged = not (math.isfinite(loss) and np.isfinite(scores).all())
        if trial.diverged:
            break
        trial.add(Epoch(loss, job.valid_score(scores)))
        score = trial.history[-1].valid
        step.note(f"rate {trial.rate:g}, epoch {number}, loss {loss:.2f}, valid {score:.2f}")
        if number - trial.epoch >= patience:
            break
    step.advance(training.epochs - number)


def _refit(job: _Job, trial: _Trial, shuffle: np.random.Generator, step: Step) -> None:
    """Train on the training and validation parts for as many epochs as validation chose."""
    fold, training = job.fold, job.training
    rows = np.concatenate([fold.train, fold.valid])
    whole = replace(job, fold=Fold(fold.name, rows, fold.valid[:0], fold.test))
    schedule = _schedule(trial.system, trial.rate, training)
    for number in range(1, trial.epoch + 1):
        loss = _train_epoch(whole, trial.system, schedule, shuffle)
        step.advance(1)
        step.note(f"training and validation part, epoch {number}, loss {loss:.2f}")
    step.advance(training.epochs - trial.epoch)
    trial.keep()


def _train_epoch(
    job: _Job, system: System, schedule: LambdaLR, shuffle: np.random.Generator
) -> float:
    """Make one pass over the training part; return the mean loss of its batches."""
    system.train()
    # the CCC of fewer utterances would be another loss
    drop_rest = not isinstance(job.task, Classification)
    lengths, size = job.source.lengths, job.training.batch
    optimizer, losses = schedule.optimizer, []
    for rows in shuffled(job.fold.train, lengths, size, shuffle, drop_rest=drop_rest):
        loss = job.loss_on(system, rows)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(system.parameters(), job.training.clip_norm)
        # as in SUPERB, so that one odd batch does not spoil all weights
        if torch.isfinite(norm):
            optimizer.step()
            schedule.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()


def _schedule(system: System, rate: float, training: Training) -> LambdaLR:
    """Return an optimizer with its rates: they rise over the warm-up, then stay."""
    warmup = max(1, training.warmup)
    optimizer = _optimizer(system, rate, training)
    return LambdaLR(optimizer, lambda updates: min(1.0, (updates + 1) / warmup))


def _optimizer(system: System, rate: float, training: Training) -> torch.optim.Optimizer:
    """Return Adam, or with weight decay AdamW, which does not mix it into the gradient."""
    groups: list[dict[str, Any]] = [{"params": system.head}]
    if system.upstream is not None:
        own_rate = training.upstream_rate or rate
        groups.append({"params": list(system.upstream.trainable()), "lr": own_rate})
    if training.weight_decay:
        return torch.optim.AdamW(groups, rate, weight_decay=training.weight_decay, fused=True)
    return torch.optim.Adam(groups, rate, fused=True)


@contextmanager
def _forked(device: torch.device) -> Iterator[None]:
    """Put the random state of the CPU and of `device` back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from `seed` inside, and leave no trace outside.

    `torch.manual_seed` would also seed the devices that are not used, and those for good.
    """
    with _forked(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _check(targets: Targets, fold: Fold, task: Task) -> None:
    """Refuse what cannot be trained on, or chosen by."""
    sizes = {"train": len(fold.train), "valid": len(fold.valid), "test": len(fold.test)}
    if sizes["train"] < 2 or min(sizes.values()) < 1:
        counts = ", ".join(f"{part} {size}" for part, size in sizes.items())
        msg = (
            f"fold '{fold.name}' has too few utterances ({counts}); use a protocol of larger folds"
        )
        raise SerbenchError(msg)
    if isinstance(task, Classification):
        return
    spread = np.ptp(targets[fold.valid], axis=0)
    for dimension, width in zip(task.dimensions, spread, strict=True):
        if not width > 0:
            msg = (
                f"fold '{fold.name}': all validation utterances have the same {dimension}, so no "
                "epoch can be chosen by it; use a protocol of larger folds"
            )
            raise SerbenchError(msg)
