"""A module that several processes compute, each a share of every batch, as if one computed it all.

The leader has the module, its optimiser and all that decides anything; the others have a copy for
their shares. What comes out of the shares is joined in the leader, where the loss is that of the
whole batch: no utterance counts twice, none is left out, and a CCC is that of all. Its gradient
goes back to the shares, and theirs are added up in the leader before it makes a step.
"""

from __future__ import annotations

import signal
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from serbench.devices import reseed
from serbench.ranks import Ranks


class Work(Protocol):
    """What is done with a batch, a named tuple whose fields have one entry a row."""

    @property
    def module(self) -> nn.Module:
        """What is computed with."""

    def __call__(self, batch: Any) -> tuple[Tensor, ...]:
        """Return tensors (b, ...), of which only the first may be differentiated."""


class Shared:
    """In the leader: what all processes do together.

    Args:
        ranks: of them.
        work: can be sent.
        place: the others hold one work in each place.
    """

    def __init__(self, ranks: Ranks, work: Work, place: int = 0) -> None:
        self._ranks, self._place = ranks, place
        self._own = _Own(ranks, work)
        self._sent: list[int] = []
        self._whole: Tensor | None = None

    def __call__(self, batch: Any, seed: int | None = None) -> tuple[Tensor, ...]:
        """Return what work makes of a batch: of all rows, share after share.

        Args:
            batch: of this process's device.
            seed: of what the others draw; each draws something else.
        """
        self._renew()
        shares = _shares(batch, self._ranks.count)
        how = _how(self._own.work.module, self._ranks.device, seed)
        self._ranks.send([Run(self._place, each, how) for each in shares[1:]])
        self._ranks.between = False
        made = self._own.run(shares[0], how)
        self._ranks.between = True
        if how.learns:
            self._whole = made[0].requires_grad_()
        return made

    def backward(self) -> None:
        """Take the gradient of the last batch's whole back to the parameters."""
        whole = self._whole
        assert whole is not None
        gradient = torch.zeros_like(whole) if whole.grad is None else whole.grad
        self._ranks.send([Backward(self._place)] * (self._ranks.count - 1))
        self._ranks.between = False
        self._own.backward(gradient)
        self._ranks.between = True
        self._whole, self._sent = None, []  # a fused optimiser's step leaves no trace in versions

    def _renew(self) -> None:
        """Let the others have the module as it is now."""
        module = self._own.work.module
        if self._ranks.held.get(self._place) is not self:
            self._ranks.send([Hold(self._place, self._own.work)] * (self._ranks.count - 1))
            self._ranks.held[self._place] = self
        elif self._sent != _versions(module):
            self._ranks.send([Renew(self._place)] * (self._ranks.count - 1))
            self._ranks.spread(_tensors(module))
        self._sent = _versions(module)


class How(NamedTuple):
    """How a share is computed, so that all compute theirs alike.

    learns: whether gradients are wanted.
    bf16: whether by way of bfloat16.
    modes: whether each module is in training mode.
    seed: of the draws; None: it draws nothing.
    """

    learns: bool
    bf16: bool
    modes: list[bool]
    seed: int | None


def _how(module: nn.Module, device: torch.device, seed: int | None) -> How:
    modes = [each.training for each in module.modules()]
    return How(torch.is_grad_enabled(), torch.is_autocast_enabled(device.type), modes, seed)


class _Own:
    """The share of one process, the leader or another."""

    def __init__(self, ranks: Ranks, work: Work) -> None:
        self.ranks, self.work = ranks, work
        self._made: Tensor | None = None

    def run(self, share: Any, how: How) -> tuple[Tensor, ...]:
        """Compute a share; return all shares joined in the leader."""
        kind = self.ranks.device.type
        with (
            torch.set_grad_enabled(how.learns),
            torch.autocast(kind, torch.bfloat16, enabled=how.bf16),
        ):
            made = self.work(share.rows)
        self._made = made[0] if how.learns else None
        joined = []
        for number, each in enumerate(made):
            parts, most = self.ranks.gather(each)
            kept = [part for part, real in zip(parts, share.real, strict=False) if real]
            joined.append(torch.cat(kept) if kept else each)
            if number == 0:
                self._counts, self._most = [len(part) for part in parts], most
        self._real = share.real
        return tuple(joined)

    def backward(self, gradient: Tensor | None = None) -> None:
        """Take the gradient of the whole, which the leader has, to the parameters of all."""
        assert self._made is not None
        parts = None
        if gradient is not None:
            counts = [n * real for n, real in zip(self._counts, self._real, strict=True)]
            parts = torch.split(gradient, counts)
        own = self.ranks.scatter(parts, self._made, self._most)
        self._made.backward(own)  # type: ignore[no-untyped-call]
        self._made = None
        self.ranks.add([each for each in self.work.module.parameters() if each.requires_grad])


class Share(NamedTuple):
    """What one process gets of a batch.

    rows: a batch; of fewer rows than processes, some get the first row, and nobody looks at what
        they make of it.
    real: of each process, whether its rows count.
    """

    rows: Any
    real: list[bool]


def _shares(batch: Any, count: int) -> list[Share]:
    """Return a batch in as many parts as there are processes, whose sizes differ by 1 at most."""
    total = len(batch[0])
    edges = [total * number // count for number in range(count + 1)]
    spans = list(pairwise(edges))
    real = [begin < end for begin, end in spans]
    cuts = [slice(*span) if kept else slice(1) for span, kept in zip(spans, real, strict=True)]
    return [Share(type(batch)(*(field[cut] for field in batch)), real) for cut in cuts]


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _versions(module: nn.Module) -> list[int]:
    """Return what tells that weights were loaded: how often each tensor was written to."""
    return [each._version for each in _tensors(module)]


class Hold(NamedTuple):
    """The order to take a work."""

    place: int
    work: Work

    def do(self, ranks: Ranks, held: dict[int, _Own]) -> None:
        """Take it."""
        self.work.module.to(ranks.device)
        held[self.place] = _Own(ranks, self.work)


class Renew(NamedTuple):
    """The order to take the leader's weights."""

    place: int

    def do(self, ranks: Ranks, held: dict[int, _Own]) -> None:
        """Take them."""
        ranks.spread(_tensors(held[self.place].work.module))


class Run(NamedTuple):
    """The order to compute a share."""

    place: int
    share: Share
    how: How

    def do(self, ranks: Ranks, held: dict[int, _Own]) -> None:
        """Compute it."""
        own = held[self.place]
        for module, training in zip(own.work.module.modules(), self.how.modes, strict=True):
            module.training = training
        if self.how.seed is not None:
            reseed(self.how.seed + ranks.rank, ranks.device)
        own.run(self.share, self.how)


class Backward(NamedTuple):
    """The order to take the gradient of a share to the parameters."""

    place: int

    def do(self, ranks: Ranks, held: dict[int, _Own]) -> None:
        """Take it there."""
        held[self.place].backward()


def follow(ranks: Ranks) -> None:
    """Do what the leader orders, until it orders nothing more; it decides about Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    held: dict[int, _Own] = {}
    while (order := ranks.receive()) is not None:
        order.do(ranks, held)


__all__ = ["Shared", "Work", "follow"]
