"""Mean over time, then dense layers: the head of a re-implementation of PAPT on CREMA-D."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from serbench.downstreams import Downstream
from serbench.downstreams._pooling import masked_mean

TRAINING = {"learning_rates": (1e-4, 1e-3), "batch": 32, "epochs": 100, "patience": 20}

WIDTHS = {"small": (256, 64), "deep": (1024, 256, 64, 64)}


class Mlp(Downstream):
    """The mean over time, then for each width: dense, ReLU, dropout, batch normalisation."""

    needs: ClassVar[Literal["frames", "mean"]] = "mean"

    def __init__(self, dim: int, widths: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.embedding_dim = widths[-1]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((dim, *widths)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
            layers += [nn.BatchNorm1d(outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, E) embeddings of (B, T, D) frames."""
        embedding: Tensor = self.layers(masked_mean(frames, lengths))
        return embedding


def make(dim: int, *, size: Literal["small", "deep"] = "small", dropout: float = 0.1) -> Mlp:
    """Return the head up to its linear output.

    Args:
        dim: D, width of the frames.
        size: "small" has layers of 256 and 64 units, "deep" of 1024, 256, 64 and 64.
        dropout: share of units left out in training. The report gives none; 0.1 is the value in
            the code of the paper it re-implements (Tran et al. 2023).
    """
    return Mlp(dim, WIDTHS[size], dropout)
