"""The system that is trained: upstream layers -> mix -> downstream -> linear output."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from serbench.downstreams import Downstream
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


class System(nn.Module):
    """All that is trained: over frozen features, or together with the upstream they come from.

    An upstream encodes as it does when it is frozen, without dropout or masks of its own; only its
    recurrences are in training mode, in which cuDNN gives gradients.

    Args:
        downstream: the head.
        depth: L, layers of the stream.
        outputs: C, classes or dimensions.
        upstream: to be trained with the head; its `trainable` parameters start to learn.
    """

    def __init__(
        self, downstream: Downstream, depth: int, outputs: int, upstream: Upstream | None = None
    ) -> None:
        super().__init__()
        self.mix = LayerMix(depth)
        self.downstream = downstream
        self.output = nn.Linear(downstream.embedding_dim, outputs)
        self.upstream = upstream
        if upstream is not None:
            for parameter in upstream.trainable():
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

    def enrol(self, speakers: int, voices: Tensor | None = None) -> None:
        """Make the head ready for the speakers of a fold (see `Downstream.enrol`)."""
        self.downstream.enrol(speakers, voices)

    @property
    def head(self) -> list[nn.Parameter]:
        """All parameters but the upstream's."""
        return [p for part in (self.mix, self.downstream, self.output) for p in part.parameters()]

    def encode(self, batch: Features | Clips) -> Features:
        """Return the features of a batch: as they were stored, or as the upstream makes them now.

        Raises:
            TypeError: clips, but no upstream.
        """
        if isinstance(batch, Features):
            return batch
        if self.upstream is None:
            msg = "a system without an upstream takes features, not clips"
            raise TypeError(msg)
        features: Features = self.upstream(batch)
        return features

    def embed(self, layers: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return the (B, E) embeddings before the output; the arguments are those of `forward`."""
        embedding: Tensor = self.downstream(self.mix(layers), lengths, speakers)
        return embedding

    def forward(self, layers: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, C): logits of the classes, or dimensions on the unit interval's scale.

        Args:
            layers: (L, B, T, D) float32, zero beyond each length.
            lengths: (B,) int64, frames.
            speakers: (B,) int64, rows as the head was told of them (see `Downstream`).
        """
        output: Tensor = self.output(self.embed(layers, lengths, speakers))
        return output
