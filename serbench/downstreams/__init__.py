"""The contract of a downstream: the frames of an utterance in, one embedding out.

Every public module of this folder is one downstream with a `make(dim, ...)`, where `dim` is D,
the width of the frames it gets. The layer mix before it and the linear output after it belong
to `serbench.training.system.System`.
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
