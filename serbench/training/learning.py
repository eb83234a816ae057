"""Learning on a device: one pass over the training part, update by update, and predicting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from serbench.benchmarks import Rows
from serbench.training.batching import by_length, shuffled
from serbench.training.randomness import forked
from serbench.training.system import Batch, System
from serbench.training.trial import Trial, check

MOST_SKIPPED = 10
"""Updates one after the other without a finite loss and gradient after which training diverges."""


class Pass(NamedTuple):
    """One pass over the training part.

    loss: mean over the batches that were learnt from; NaN if training diverged.
    skipped: batches whose loss or gradient was not finite, which were left out.
    """

    loss: float
    skipped: int


@dataclass(frozen=True)
class Learner:
    """A trial with its truth and speakers on the device: what all learning rates share."""

    trial: Trial
    truth: Tensor
    speakers: Tensor

    @classmethod
    def of(cls, trial: Trial) -> Learner:
        """Move what training looks at to the device, once it was found sound."""
        check(trial)
        truth = trial.objective.encode(trial.targets).to(trial.device)
        return cls(trial, truth, torch.from_numpy(trial.speakers).to(trial.device))

    def start(self, make_system: Callable[[], System]) -> System:
        """Return a new system on the device, standardised by the training part."""
        system = make_system().to(self.trial.device)
        if self.trial.training.standardize:
            self._standardise(system)
        return system

    def _standardise(self, system: System) -> None:
        rows = self.trial.fold.train
        batches, _ = by_length(rows, self.trial.lengths, self.trial.training.batch)
        with torch.no_grad(), forked(self.trial.device):
            system.eval()
            for number, stream in enumerate(system.each()):
                source = self.trial.sources[number]
                parts = (source.batch(rows).to(self.trial.device) for rows in batches)
                stream.standardise.fit(stream.encode(part) for part in parts)

    def batch(self, rows: Rows) -> Batch:
        """Return some utterances, on the device."""
        return tuple(source.batch(rows).to(self.trial.device) for source in self.trial.sources)

    def outputs(self, system: System, rows: Rows) -> Tensor:
        """Return the (B, C) outputs of a system for some utterances."""
        outputs: Tensor = system(system.encode(self.batch(rows)), self.speakers[rows])
        return outputs

    def loss_on(self, system: System, rows: Rows) -> Tensor:
        """Return the loss on some utterances, with what upstreams have to add to it."""
        batch = self.batch(rows)
        features = system.encode(batch)
        outputs = system(features, self.speakers[rows])
        loss = self.trial.objective.loss(outputs, self.truth[rows])
        for added in system.auxiliary_losses(batch, features):
            loss = loss + added
        return loss

    def predict(self, system: System, rows: Rows) -> NDArray[np.float64]:
        """Return (n, C) scores in the order of `rows`, leaving training's randomness alone."""
        trial = self.trial
        batches, places = by_length(rows, trial.lengths, trial.training.batch)
        system.eval()
        with torch.no_grad(), forked(trial.device):
            outputs = torch.cat([self.outputs(system, batch) for batch in batches])
        return trial.objective.decode(outputs)[places]

    def valid_score(self, scores: NDArray[np.float64]) -> float:
        """Return the ranking metric of scores for the validation part."""
        return self.trial.objective.score(self.trial.targets[self.trial.fold.valid], scores)

    def learn(self, system: System, rates: LambdaLR, shuffle: np.random.Generator) -> Pass:
        """Make one pass over the training part.

        An odd batch does not spoil the weights: it is left out, unless too many follow each other.
        """
        system.train()
        # the CCC of fewer utterances would be another loss
        drop_rest = self.trial.objective.task.correlates
        rows, lengths, size = self.trial.fold.train, self.trial.lengths, self.trial.training.batch
        losses: list[Tensor] = []
        skipped = in_a_row = 0
        for batch in shuffled(rows, lengths, size, shuffle, drop_rest=drop_rest):
            loss = self._update(system, rates, batch)
            if loss is not None:
                losses.append(loss)
                in_a_row = 0
                continue
            skipped, in_a_row = skipped + 1, in_a_row + 1
            if in_a_row == MOST_SKIPPED:
                return Pass(math.nan, skipped)
        return Pass(torch.stack(losses).mean().item() if losses else math.nan, skipped)

    def _update(self, system: System, rates: LambdaLR, rows: Rows) -> Tensor | None:
        """Learn from a batch; return its loss, or None if it was left out."""
        before = [buffer.clone() for buffer in system.buffers()]
        rates.optimizer.zero_grad()
        loss = self.loss_on(system, rows)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(system.parameters(), self.trial.training.clip_norm)
        if not (loss.isfinite() and norm.isfinite()):
            # batch normalisation has its mean and variance in mind by now
            for buffer, value in zip(system.buffers(), before, strict=True):
                buffer.copy_(value)
            return None
        rates.optimizer.step()
        rates.step()
        return loss.detach()
