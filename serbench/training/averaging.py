"""The best epochs of a training, and the mean of their weights.

Morais et al. (ICASSP 2022) average the five best checkpoints of a fold by validation, of encoder
and head alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from serbench.durable import drop
from serbench.encoders.tensors import keep_tensors, read_tensors

State = dict[str, Tensor]
"""Parameters and buffers of a system, on the CPU."""


_NAME = "epoch-"


class BestEpochs:
    """The states of the k best epochs by validation score, of equal ones the earlier.

    They are in memory until they are stored on disk, if there is a folder for that.

    Args:
        count: k.
        folder: where they are stored; None: nowhere.

    Attributes:
        scores: of the best epochs, by their numbers.
    """

    def __init__(self, count: int, folder: Path | None = None) -> None:
        self.count = count
        self.folder = folder
        self.scores: dict[int, float] = {}
        self._states: dict[int, State] = {}

    @property
    def epochs(self) -> list[int]:
        """Their numbers, the best first."""
        return sorted(self.scores, key=lambda epoch: (-self.scores[epoch], epoch))

    def note(self, epoch: int, score: float) -> None:
        """Take note of an epoch, which is later than all before; the worst may go for it."""
        if len(self.scores) < self.count or score > self.scores[self.epochs[-1]]:
            self.scores[epoch] = score
        for worst in self.epochs[self.count :]:
            del self.scores[worst]

    def settle(self, epoch: int, state: Callable[[], State]) -> None:
        """Hold the state of an epoch if it is among the best, and let those go that are not.

        What is on disk stays, as a course that was kept before may go by it.

        Args:
            epoch: the last.
            state: gives the system after it.
        """
        self._states = {each: held for each, held in self._states.items() if each in self.scores}
        if epoch in self.scores and epoch not in self._states and epoch not in self._stored():
            self._states[epoch] = state()

    def store(self) -> None:
        """Bring the best from memory to disk, if there is a place for them."""
        if self.folder is None:
            return
        for epoch in self._states.keys() & self.scores.keys():
            keep_tensors(self._path(epoch), self._states[epoch])
        self._states = {}

    def prune(self) -> None:
        """Let those on disk go that are no longer among the best."""
        for epoch in self._stored() - self.scores.keys():
            drop(self._path(epoch))

    def clear(self, *, disk: bool) -> None:
        """Let all states go, those on disk if it is said; scores stay."""
        self._states = {}
        for epoch in self._stored() if disk else ():
            drop(self._path(epoch))

    def mean(self) -> State:
        """Return the mean of all that are kept, as `mean_of` does; of one, itself."""
        return mean_of([self._read(epoch) for epoch in self.epochs])

    def _stored(self) -> set[int]:
        if self.folder is None:
            return set()
        return {
            int(path.stem.removeprefix(_NAME)) for path in self.folder.glob(f"{_NAME}*.safetensors")
        }

    def _read(self, epoch: int) -> State:
        return self._states[epoch] if epoch in self._states else read_tensors(self._path(epoch))

    def _path(self, epoch: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{_NAME}{epoch:05d}.safetensors"


def mean_of(states: Sequence[State]) -> State:
    """Return the mean of some states, summed in double and rounded once to single precision.

    Mean and variance of batch normalisation are averaged like every other number, as ESPnet and
    fairseq do. To estimate them anew for the averaged weights (Izmailov et al. 2018) is another
    pass over the training part, with dropout or without, whose batches would decide the numbers;
    the best epochs lie close together, and the score on the validation part, which is measured
    with what is averaged, tells whether it did any harm.

    Args:
        states: with the same entries; whole numbers, such as counts of batches, are those of the
            first, the best.
    """
    best, *others = states
    if not others:
        return best
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in best.items()
    }
