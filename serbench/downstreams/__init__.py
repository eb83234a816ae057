"""The contract of a downstream: the frames of an utterance in, one embedding out.

Every public module of this folder is one downstream with a `make(dim, ...)`, where `dim` is D,
the width of the frames it gets. The layer mix before it and the linear output after it belong
to `serbench.training.system.System`. `serbench check downstream NAME` runs the contract on any of
them, or on a foreign one.

    >>> import torch
    >>> class Mean(Downstream):  # of the true frames: padding is zero, and is not counted
    ...     needs = "mean"
    ...     def __init__(self, dim):
    ...         super().__init__()
    ...         self.embedding_dim = dim
    ...     def forward(self, frames, lengths, speakers):
    ...         return frames.sum(dim=1) / lengths[:, None]
    >>> frames = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [0.0, 0.0]]])  # B, T, D
    >>> Mean(2)(frames, lengths=torch.tensor([2, 1]), speakers=torch.tensor([0, 1]))
    tensor([[2., 3.],
            [5., 6.]])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn


class Downstream(nn.Module, ABC):
    """Aggregates one utterance.

    Attributes:
        embedding_dim: E, width of the utterance embedding.
        needs: "mean" if all that the head uses of time is the average: it then gets T = 1.
    """

    embedding_dim: int
    needs: ClassVar[Literal["frames", "mean"]] = "frames"

    @abstractmethod
    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, E) embeddings.

        Args:
            frames: (B, T, D) float32, zero beyond each length.
            lengths: (B,) int64, frames.
            speakers: (B,) int64, index of the speaker in the corpus.
        """


__all__ = ["Downstream"]
