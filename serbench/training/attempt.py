"""Training at one learning rate: its epochs, and the best of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

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
        history: the epochs so far.
        epoch: the best one, from 1.
        state: of the system after the best epoch.
        diverged: whether an epoch had no finite loss or a prediction was not finite; the attempt
            is then worthless.
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
