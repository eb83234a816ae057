"""Training at one learning rate: its epochs, and the best of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from serbench.training.averaging import BestEpochs, State
from serbench.training.system import System


@dataclass(frozen=True)
class Epoch:
    """One pass over the training part.

    Attributes:
        loss: mean over its batches.
        valid: the ranking metric on the whole validation part, after it.
        skipped: batches that were left out, as their loss or gradient was not finite.
    """

    loss: float
    valid: float
    skipped: int = 0


@dataclass
class Attempt:
    """Training at one learning rate.

    Attributes:
        rate: the learning rate.
        system: as it is now.
        best: the states of the best epochs.
        history: the epochs so far.
        diverged: whether an epoch had no finite loss or a prediction was not finite; the attempt
            is then worthless.
    """

    rate: float
    system: System
    best: BestEpochs
    history: list[Epoch] = field(default_factory=list)
    diverged: bool = False

    @property
    def epoch(self) -> int:
        """The best one, from 1; 0 if there is none."""
        return self.best.epochs[0] if self.history else 0

    @property
    def valid_score(self) -> float:
        """The best so far; minus infinity if there is none."""
        return self.history[self.epoch - 1].valid if self.epoch and not self.diverged else -math.inf

    def add(self, epoch: Epoch) -> None:
        """Take note of an epoch, and of the system as it is now if it is among the best."""
        self.history.append(epoch)
        number = len(self.history)
        if self.best.wants(number, epoch.valid):
            self.best.add(number, epoch.valid, state_of(self.system))


def state_of(system: System) -> State:
    """Return a copy of a system's parameters and buffers on the CPU."""
    return {n: v.detach().to("cpu", copy=True) for n, v in system.state_dict().items()}
