"""Learning on a device: one pass over the training part, update by update, and predicting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from serbench.benchmarks import Rows
from serbench.devices import forked, has_bf16
from serbench.errors import SerbenchError
from serbench.training.batching import by_length, parts_of, shuffled
from serbench.training.enrolment import Enrolment, enrol
from serbench.training.objectives import FEWEST_CORRELATED
from serbench.training.prefetching import ahead
from serbench.training.system import Batch, System
from serbench.training.trial import Trial
from serbench.upstreams import Features

MOST_SKIPPED = 10
"""Updates one after the other without a finite loss and gradient after which training diverges."""


Embeddings = NDArray[np.float32]
Part = tuple[Rows, Batch]
"""Utterances that go through at once, by their rows, and as the streams get them."""


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
    enrolment: Enrolment
    weights: Tensor | None = None

    @classmethod
    def of(cls, trial: Trial) -> Learner:
        """Move what training looks at to the device."""
        truth = trial.objective.encode(trial.targets).to(trial.device)
        enrolment = enrol(trial.speakers, trial.fold, trial.voices)
        speakers = torch.from_numpy(enrolment.rows).to(trial.device)
        weights = None
        if trial.weights is not None:
            weights = torch.from_numpy(trial.weights).to(trial.device)
        return cls(trial, truth, speakers, enrolment, weights)

    def start(self, make_system: Callable[[], System]) -> System:
        """Return a new system on the device, for the speakers and by the training part."""
        system = self.empty(make_system)
        if self.trial.training.standardize:
            self._standardise(system)
        return system

    def empty(self, make_system: Callable[[], System]) -> System:
        """Return a new system on the device, for the speakers, whose state is to be loaded."""
        system, voices = make_system(), self.enrolment.voices
        heard = None if voices is None else torch.from_numpy(voices)
        system.enrol(self.enrolment.speakers, heard)
        return system.to(self.trial.device)

    def _standardise(self, system: System) -> None:
        batches, _ = self._in_order(self.trial.fold.train)
        with torch.no_grad(), forked(self.trial.device):
            system.eval()
            for number, stream in enumerate(system.each()):
                source = self.trial.sources[number]
                parts = (source.batch(rows).to(self.trial.device) for rows in batches)
                stream.standardise.fit(stream.encode(part) for part in parts)

    def batch(self, rows: Rows) -> Batch:
        """Return some utterances, on the device."""
        return tuple(source.batch(rows).to(self.trial.device) for source in self.trial.sources)

    def batches(self, parts: Iterable[Rows]) -> Iterator[Part]:
        """Yield utterances with their batches; audio is decoded while the one before is used."""
        if self.trial.training.finetune:
            return ahead(self.batch, parts)
        return ((rows, self.batch(rows)) for rows in parts)

    def outputs(self, system: System, rows: Rows, batch: Batch) -> Tensor:
        """Return the (B, C) outputs of a system for some utterances."""
        outputs: Tensor = system(self.encode(system, batch), self.speakers[rows])
        return outputs

    def loss_on(self, system: System, rows: Rows, batch: Batch) -> Tensor:
        """Return the loss on some utterances, with what upstreams have to add to it."""
        features = self.encode(system, batch)
        outputs = system(features, self.speakers[rows])
        weights = None if self.weights is None else self.weights[rows]
        loss = self.trial.objective.loss(outputs, self.truth[rows], weights)
        for added in system.auxiliary_losses(batch, features):
            loss = loss + added
        return loss

    def encode(self, system: System, batch: Batch) -> tuple[Features, ...]:
        """Return the features of each stream, where it is asked for by way of bfloat16."""
        device = self.trial.device
        if not (self.trial.training.tuning.mixed and has_bf16(str(device))):
            return system.encode(batch)
        with torch.autocast(device.type, torch.bfloat16):
            made = system.encode(batch)
        return tuple(Features(layers.float(), lengths) for layers, lengths in made)

    def parts(self, batch: Rows) -> list[Rows]:
        """Return a batch as it goes through: whole, or in parts one after the other."""
        trial = self.trial
        size = math.ceil(len(batch) / trial.training.tuning.accumulate)
        parts = parts_of(batch, trial.lengths, size, trial.budget)
        if len(parts) > 1 and trial.objective.task.correlates:
            parts = [part for part in parts if len(part) >= FEWEST_CORRELATED]
        return parts

    def predict(self, system: System, rows: Rows) -> NDArray[np.float64]:
        """Return (n, C) scores in the order of `rows`, leaving training's randomness alone."""
        trial = self.trial
        if not len(rows):
            return np.zeros((0, len(trial.objective.task.outputs)))
        parts, places = self._in_order(rows)
        system.eval()
        with torch.no_grad(), forked(trial.device):
            outputs = torch.cat([self.outputs(system, *each) for each in self.batches(parts)])
        return trial.objective.decode(outputs)[places]

    def embed(self, system: System, rows: Rows) -> tuple[Embeddings, Embeddings]:
        """Return (n, E) the mean over time of what heads get, and (n, H) what the output gets."""
        parts, places = self._in_order(rows)
        system.eval()
        heard, seen = [], []
        with torch.no_grad(), forked(self.trial.device):
            for of, batch in self.batches(parts):
                features = self.encode(system, batch)
                heard.append(system.means(features))
                seen.append(system.embed(features, self.speakers[of]))
        means, outputs = (torch.cat(each).cpu().numpy()[places] for each in (heard, seen))
        return means, outputs

    def _in_order(self, rows: Rows) -> tuple[list[Rows], NDArray[np.int64]]:
        """Return parts in order of length, and the places that put their results back in order."""
        trial = self.trial
        size = math.ceil(trial.training.batch / trial.training.tuning.accumulate)
        batches, places = by_length(rows, trial.lengths, size)
        return [
            part for batch in batches for part in parts_of(batch, trial.lengths, size, trial.budget)
        ], places

    def valid_score(self, scores: NDArray[np.float64]) -> float:
        """Return the ranking metric of scores for the validation part."""
        return self.trial.objective.score(self.trial.targets[self.trial.fold.valid], scores)

    def learn(self, system: System, rates: LambdaLR, shuffle: np.random.Generator) -> Pass:
        """Make one pass over the training part.

        An odd batch does not spoil the weights: it is left out, unless too many follow each other.
        """
        system.train()
        losses: list[Tensor] = []
        skipped = in_a_row = 0
        batches = self._batches(shuffle)
        coming = self.batches(part for parts in batches for part in parts)
        for parts in batches:
            loss = self._update(system, rates, [next(coming) for _ in parts])
            if loss is not None:
                losses.append(loss)
                in_a_row = 0
                continue
            skipped, in_a_row = skipped + 1, in_a_row + 1
            if in_a_row == MOST_SKIPPED:
                return Pass(math.nan, skipped)
        return Pass(torch.stack(losses).mean().item() if losses else math.nan, skipped)

    @property
    def updates(self) -> int:
        """How many an epoch has; as many as there are batches, give or take some of odd parts."""
        return len(self._batches(np.random.default_rng(self.trial.seed)))

    def _batches(self, shuffle: np.random.Generator) -> list[list[Rows]]:
        """Return the batches of an epoch, each in its parts.

        Raises:
            SerbenchError: of a correlation, no part is large enough.
        """
        trial, task = self.trial, self.trial.objective.task
        # the CCC of fewer utterances would be another loss
        drop_rest = task.correlates
        rows, size = trial.fold.train, trial.training.batch
        batches = shuffled(rows, trial.lengths, size, shuffle, drop_rest=drop_rest)
        if whole := [parts for parts in map(self.parts, batches) if parts]:
            return whole
        msg = (
            f"fold '{trial.fold.name}': all parts in which batches go through have fewer than the "
            f"{FEWEST_CORRELATED} utterances of which a CCC says something; raise "
            f"{trial.key}.batch or {trial.tuning_key}.batch_seconds, or lower "
            f"{trial.tuning_key}.accumulate"
        )
        raise SerbenchError(msg)

    def _update(self, system: System, rates: LambdaLR, parts: list[Part]) -> Tensor | None:
        """Learn from a batch; return its loss, or None if it was left out."""
        before = [buffer.clone() for buffer in system.buffers()]
        rates.optimizer.zero_grad()
        loss = self._backward(system, parts)
        norm = clip_grad_norm_(system.parameters(), self.trial.training.clip_norm)
        if not (loss.isfinite() and norm.isfinite()):
            # batch normalisation has its mean and variance in mind by now
            for buffer, value in zip(system.buffers(), before, strict=True):
                buffer.copy_(value)
            return None
        rates.optimizer.step()
        rates.step()
        return loss

    def _backward(self, system: System, parts: list[Part]) -> Tensor:
        """Add the gradients of the parts up; return the mean of their losses by utterances."""
        count = sum(len(rows) for rows, _ in parts)
        total = torch.zeros((), device=self.trial.device)
        for rows, batch in parts:
            loss = self.loss_on(system, rows, batch) * (len(rows) / count)
            system.backward(loss)
            total += loss.detach()
        return total
