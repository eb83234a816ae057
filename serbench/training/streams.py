"""A stream: the features of one upstream on their way to a head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import torch
from torch import Tensor, nn

from serbench.errors import SerbenchError
from serbench.ranks import Ranks
from serbench.sharing import Shared
from serbench.training.settings import FineTuning
from serbench.training.standardising import Standardiser
from serbench.upstreams import Clips, Features, Upstream


class LayerMix(nn.Module):
    """One learnt softmax-weighted sum over the layers of one stream (Yang et al. 2021).

    The logits start at zero, so the mix starts as the plain average.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(depth))

    @property
    def weights(self) -> Tensor:
        """The (L,) weights of the layers; their sum is 1."""
        return self.logits.softmax(0)

    def forward(self, layers: Tensor) -> Tensor:
        """Return (B, T, D) for (L, B, T, D)."""
        mixed: Tensor = torch.tensordot(self.weights, layers, dims=1)
        return mixed


class _Encoding:
    """What each of several processes does: it encodes clips, whose batch comes first here."""

    def __init__(self, upstream: Upstream) -> None:
        self.module = upstream

    def __call__(self, batch: Clips) -> tuple[Tensor, Tensor]:
        """Return (B, L, T, D) layers and (B,) lengths."""
        layers, lengths = self.module(batch)
        return layers.transpose(0, 1), lengths


class Stream(nn.Module):
    """Standardiser and layer mix behind an upstream, which may learn as well.

    An upstream encodes as it does when it is frozen, without dropout or masks of its own; only its
    recurrences are in training mode, in which cuDNN gives gradients.

    Args:
        depth: L, layers.
        dim: D, width of a frame.
        pace: frames an utterance on average, to align streams of other hops with.
        upstream: to be trained with the head; its `trainable` parameters start to learn.
        tuning: how it is trained.

    Raises:
        SerbenchError: the upstream has no front end to train, or cannot checkpoint gradients.
    """

    def __init__(
        self,
        depth: int,
        dim: int,
        *,
        pace: float = 1.0,
        upstream: Upstream | None = None,
        tuning: FineTuning | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.pace = pace
        self.standardise = Standardiser(depth, dim)
        self.mix = LayerMix(depth)
        self.upstream = upstream
        self._shared: Shared | None = None
        self.learning = [] if upstream is None else learning(upstream, tuning or FineTuning())
        for parameter in self.learning:
            parameter.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the upstream, which stays in evaluation."""
        super().train(mode)
        if self.upstream is not None:
            self.upstream.eval()
            for module in self.upstream.modules():
                if isinstance(module, nn.RNNBase) and not module.dropout:
                    module.train(mode)
        return self

    @property
    def own(self) -> Iterable[nn.Parameter]:
        """All parameters but the upstream's."""
        return self.mix.parameters()

    def encode(self, batch: Features | Clips) -> Features:
        """Return the features of a batch: as they were stored, or as the upstream makes them now.

        Raises:
            TypeError: clips, but no upstream.
        """
        if isinstance(batch, Features):
            return batch
        if self.upstream is None:
            msg = "a stream without an upstream takes features, not clips"
            raise TypeError(msg)
        if self._shared is not None:
            by_clip, lengths = self._shared(batch)
            return Features(by_clip.transpose(0, 1), lengths)
        features: Features = self.upstream(batch)
        return features

    def share(self, ranks: Ranks, place: int) -> None:
        """Let several processes encode for an upstream that is trained, in their place for it."""
        if self.upstream is not None:
            self._shared = Shared(ranks, _Encoding(self.upstream), place)

    def learn(self) -> None:
        """Take the gradient of shared features to the upstream; else it is there already."""
        if self._shared is not None:
            self._shared.backward()

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return (B, T, D) frames for a head, and (B,) lengths."""
        layers, lengths = self.standardise(features)
        return self.mix(layers), lengths

    def auxiliary_loss(self, batch: Features | Clips, features: Features) -> Tensor | None:
        """Return what the upstream adds to the loss, if it is trained and adds anything."""
        if self.upstream is None or not isinstance(batch, Clips):
            return None
        return self.upstream.auxiliary_loss(batch, features)


def learning(upstream: Upstream, tuning: FineTuning) -> list[nn.Parameter]:
    """Return the parameters of an upstream that learn, once it is set up for it.

    Raises:
        SerbenchError: it has no front end to train, or cannot checkpoint gradients.
    """
    if tuning.checkpointing:
        upstream.checkpoint_gradients()
    parameters = list(upstream.trainable())
    if tuning.front_end:
        front = list(upstream.front_end())
        if not front:
            msg = (
                "this upstream has no front end that it leaves frozen, so there is nothing more "
                "to train; leave front_end out"
            )
            raise SerbenchError(msg)
        parameters += front
    return parameters
