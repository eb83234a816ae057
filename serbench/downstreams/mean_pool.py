"""SUPERB's head: a linear projector and the mean over the true frames (Yang et al. 2021)."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from serbench.downstreams import Downstream
from serbench.downstreams._pooling import masked_mean

TRAINING = {"learning_rates": (1e-4, 1e-3, 1e-2), "batch": 32, "epochs": 200, "patience": 30}


class MeanPool(Downstream):
    """A linear projector without activation, then the mean over time.

    The two commute, so the mean is taken first, which costs T times less.
    """

    needs: ClassVar[Literal["frames", "mean"]] = "mean"

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.embedding_dim = width
        self.project = nn.Linear(dim, width)

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, E) projected means of (B, T, D) frames."""
        projected: Tensor = self.project(masked_mean(frames, lengths))
        return projected


def make(dim: int, *, width: int = 256) -> MeanPool:
    """Return SUPERB's emotion head up to its linear output.

    Args:
        dim: D, width of the frames.
        width: of the projector; SUPERB's is 256.
    """
    return MeanPool(dim, width)
