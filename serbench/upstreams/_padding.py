"""Clips of different lengths, each encoded, become one zero-padded batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from serbench.errors import SerbenchError
from serbench.upstreams import Features


def stack(clips: Sequence[Tensor]) -> Features:
    """Pad the frames of each clip with zeros to the longest.

    Args:
        clips: (L, T_i, D) float32 each.

    Returns:
        Layers (L, B, T, D) with T the largest T_i, and the lengths T_i.

    Raises:
        SerbenchError: `clips` is empty.
    """
    if not clips:
        msg = "an empty batch has no features; give one clip at least"
        raise SerbenchError(msg)
    lengths = torch.tensor([clip.shape[1] for clip in clips], device=clips[0].device)
    by_frame = pad_sequence([clip.transpose(0, 1) for clip in clips])  # (T, B, L, D)
    return Features(by_frame.permute(2, 1, 0, 3).contiguous(), lengths)
