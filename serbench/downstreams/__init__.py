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

Conditioning = Literal["nothing", "id", "mfcc"]


class Downstream(nn.Module, ABC):
    """Aggregates one utterance.

    A head may be made for the speakers of a fold. It then says what of them it looks at, and hears
    by `enrol` how many there are: those that it is trained on. Row 0 of its table is for everybody
    else.

    Attributes:
        embedding_dim: E, width of the utterance embedding.
        needs: "mean" if all that the head uses of time is the average: it then gets T = 1.
        conditions_on: what it looks at of who speaks: "nothing"; "id", which of those trained on it
            is; or "mfcc", what the speaker sounds like. Tables count the speakers of the test parts
            whom such a head was not trained on.
    """

    embedding_dim: int
    needs: ClassVar[Literal["frames", "mean"]] = "frames"
    conditions_on: Conditioning = "nothing"

    def enrol(self, speakers: int, voices: Tensor | None = None) -> None:
        """Get ready for the speakers of a fold, once, before training: here nothing is done.

        What is drawn comes from torch's generator, as the weights in `make` do.

        Args:
            speakers: S, those trained on.
            voices: (R, V) float32 with R > S, only where the head conditions on "mfcc": rows 1 to S
                are the mean MFCC of the speakers trained on, those beyond of the speakers of other
                parts of the fold, each from his utterances in the part; row 0 is zero.
        """

    @abstractmethod
    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, E) embeddings.

        Args:
            frames: (B, T, D) float32, zero beyond each length.
            lengths: (B,) int64, frames.
            speakers: (B,) int64, rows: 1 to S for the speakers trained on, 0 for everybody else;
                where there are `voices`, of them.
        """


__all__ = ["Conditioning", "Downstream"]
