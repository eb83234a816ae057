"""Self-attention, mean and deviation over time, two dense layers (Li et al., ICASSP 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serbench.downstreams import Downstream
from serbench.downstreams._pooling import masked_mean
from serbench.errors import SerbenchError

# The paper gives none for its recogniser: 2e-4 is its rate for CPC, 1e-3 the usual one of Adam.
TRAINING = {"learning_rates": (2e-4, 1e-3), "batch": 32, "epochs": 30, "patience": 8}

_WIDTH = 128
_FLOOR = 1e-8  # of a variance: the slope of the root has no bound at zero


class SelfAttention(nn.Module):
    """Multi-head scaled dot-product attention of the frames of a clip to each other.

    As torch's `MultiheadAttention` without biases, of which that of the keys would have no effect;
    but the heads may be wider than the input, and the padding is never attended to.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(dim, 3 * hidden, bias=False)  # queries, keys, values
        self.merge = nn.Linear(hidden, dim, bias=False)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, T, D), zero beyond each length, for (B, T, D) and lengths (B,)."""
        true = torch.arange(frames.shape[1], device=lengths.device) < lengths[:, None]
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, hidden / heads)
            for part in self.project(frames).chunk(3, dim=-1)
        )
        # never holds all (B, heads, T, T) weights: they would be 1 GB for 32 clips of 10 s
        mixed = F.scaled_dot_product_attention(queries, keys, values, true[:, None, None])
        merged: Tensor = self.merge(mixed.transpose(1, 2).flatten(2))
        return merged.masked_fill(~true[..., None], 0.0)


class Attention(Downstream):
    """Li et al.'s recogniser: attention, [mean; standard deviation] over time, dense layers."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding_dim = _WIDTH
        self.attention = SelfAttention(dim, heads, hidden)
        self.layers = nn.Sequential(
            *(nn.Linear(2 * dim, _WIDTH), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Dropout(dropout)),
        )

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, E) embeddings of (B, T, D) frames."""
        embedding: Tensor = self.layers(_statistics(self.attention(frames, lengths), lengths))
        return embedding


def make(dim: int, *, heads: int = 8, hidden: int = 512, dropout: float = 0.2) -> Attention:
    """Return the recogniser up to its linear output.

    The attention's output is as wide as its input; the dense layers have 128 units each.

    The paper's loss, 1 - alpha CCC_act - beta CCC_val - (1 - alpha - beta) CCC_dom, is that of
    regression with `training.dimension_weights = [alpha, beta, 1 - alpha - beta]`, in the order of
    the benchmark's dimensions. Its alpha and beta are not published; without weights all dimensions
    count the same.

    Args:
        dim: D, width of the frames.
        heads: of the attention.
        hidden: width of the queries, keys and values of all heads together. The paper has
            "512-dimensional hidden states" and does not say whether together or in each head;
            together is our reading, 64 in each of 8.
        dropout: share of units left out in training, after each dense layer.

    Raises:
        SerbenchError: the heads do not divide the hidden width.
    """
    if heads < 1 or hidden < 1 or hidden % heads:
        msg = f"hidden = {hidden} cannot be shared out over heads = {heads}"
        msg += "; give 1 or more of them, and hidden a multiple"
        raise SerbenchError(msg)
    return Attention(dim, heads, hidden, dropout)


def _statistics(frames: Tensor, lengths: Tensor) -> Tensor:
    """Return (B, 2 D), mean and standard deviation (ddof 0) over the true frames.

    Args:
        frames: (B, T, D), zero beyond each length.
        lengths: (B,) int64, frames.
    """
    mean = masked_mean(frames, lengths)
    true = torch.arange(frames.shape[1], device=lengths.device) < lengths[:, None]
    rest = (frames - mean[:, None]).masked_fill(~true[..., None], 0.0)
    variance = masked_mean(rest.square(), lengths)
    return torch.cat([mean, variance.clamp(min=_FLOOR).sqrt()], dim=1)
