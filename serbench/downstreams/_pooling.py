"""Averages over time."""

from __future__ import annotations

from torch import Tensor


def masked_mean(frames: Tensor, lengths: Tensor) -> Tensor:
    """Return the (B, D) mean over the true frames.

    Args:
        frames: (B, T, D), zero beyond each length, so that the sum needs no mask.
        lengths: (B,) int64, frames.
    """
    return frames.sum(1) / lengths[:, None]
