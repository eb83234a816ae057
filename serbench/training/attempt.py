"""Training at one learning rate: its epochs, and the best of them."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field
from typing import Any

from serbench.training.averaging import BestEpochs
from serbench.training.course import Course, state_of
from serbench.training.settings import Training


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
        course: the training as it is now.
        best: the states of the best epochs.
        history: the epochs so far.
        diverged: whether an epoch had no finite loss or a prediction was not finite; the attempt
            is then worthless.
        ended: whether its end is kept, and so the same whenever it is taken up.
    """

    rate: float
    course: Course
    best: BestEpochs
    history: list[Epoch] = field(default_factory=list)
    diverged: bool = False
    ended: bool = False

    @classmethod
    def of(cls, rate: float, course: Course, best: BestEpochs) -> Attempt:
        """Return an attempt that begins, or goes on where its course was taken up."""
        attempt = cls(rate, course, best)
        if known := course.known:
            attempt.history = [Epoch(*epoch) for epoch in known["history"]]
            attempt.diverged = known["diverged"]
            best.scores = {int(number): score for number, score in known["best"].items()}
            attempt._settle()
        best.prune()
        best.store()
        return attempt

    @property
    def epoch(self) -> int:
        """The best one, from 1; 0 if there is none."""
        return self.best.epochs[0] if self.history else 0

    @property
    def valid_score(self) -> float:
        """The best so far; minus infinity if there is none."""
        return self.history[self.epoch - 1].valid if self.epoch and not self.diverged else -math.inf

    def over(self, training: Training) -> bool:
        """Whether there is no further epoch."""
        done = len(self.history)
        waited = done - self.epoch if self.history else 0
        return self.diverged or done >= training.epochs or waited >= (training.patience or math.inf)

    def add(self, epoch: Epoch) -> None:
        """Take note of an epoch, and of the system as it is now if it is among the best."""
        self.history.append(epoch)
        self.best.note(len(self.history), epoch.valid)
        if self.course.due:
            self._keep()
        else:
            self._settle()

    def end(self) -> None:
        """Keep what came out, and no longer what it would take to go on."""
        self.ended = self.course.worth_keeping
        if self.ended:
            self._keep(over=True)
        else:
            self.course.end_unkept()

    def give_way(self, better: Attempt) -> None:
        """Let the states go that a better attempt does without.

        What is on disk stays unless both ends are kept: made again on a GPU, this one may win.
        """
        self.best.clear(disk=self.ended and better.ended)

    def _keep(self, *, over: bool = False) -> None:
        """Write how far it is, in an order in which no kill leaves it without one of the best."""
        self.best.store()
        self.course.keep(self._known, over=over)
        self._settle()  # a course that is taken up has the last epoch itself
        self.best.prune()
        self.best.store()

    @property
    def _known(self) -> dict[str, Any]:
        history = [astuple(epoch) for epoch in self.history]
        return {"history": history, "best": self.best.scores, "diverged": self.diverged}

    def _settle(self) -> None:
        """Hold the state of the last epoch if it is among the best, and of no others than these."""
        self.best.settle(len(self.history), lambda: state_of(self.course.system))
