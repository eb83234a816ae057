"""Mean over time, then dense layers of 128 and 32 units: PAPT's head (Tran et al. 2023)."""

from __future__ import annotations

from serbench.downstreams.mlp import Mlp

TRAINING = {"learning_rates": (1e-4, 1e-3), "batch": 32, "epochs": 100, "patience": 20}

_WIDTHS = (128, 32)


def make(dim: int, *, dropout: float = 0.1) -> Mlp:
    """Return the "interpreter" up to its linear output: dense, ReLU, dropout, batch norm, twice.

    The authors' code averages over the frames of the padded batch, so that an utterance's embedding
    depends on the longest one beside it. No head of this package does that: here the mean is over
    the true frames, as the paper has it.

    Args:
        dim: D, width of the frames.
        dropout: share of units left out in training; 0.1 in the authors' code.
    """
    return Mlp(dim, _WIDTHS, dropout)
