"""Early fusion: frames of several streams side by side, at one pace."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Streams whose paces differ by less than this share have the same hop: what is left are windows of
# other lengths.
_SAME_PACE = 0.1


def side_by_side(
    streams: Sequence[tuple[Tensor, Tensor]], paces: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Return the frames of some utterances concatenated over channels.

    Streams of one hop are cut to the shorter of each utterance (Morais et al. 2022). Where hops
    differ, frames of the slowest stream set the pace, and each faster one gives the mean of its
    frames that lie in the same share of the utterance.

    Args:
        streams: frames (B, T_i, D_i), zero beyond each length, and lengths (B,), of each stream.
        paces: frames an utterance of each stream, on average over a corpus.

    Returns:
        (B, T, sum of D_i) frames, zero beyond each length, and the lengths (B,).
    """
    slowest = min(range(len(paces)), key=lambda i: paces[i])
    beat = streams[slowest][1]
    aligned = [
        (_slowed(frames, lengths, beat), beat)
        if pace > paces[slowest] * (1 + _SAME_PACE)
        else (frames, lengths)
        for (frames, lengths), pace in zip(streams, paces, strict=True)
    ]
    shortest = torch.stack([lengths for _, lengths in aligned]).amin(0)
    longest = int(shortest.max())
    joined = torch.cat([frames[:, :longest] for frames, _ in aligned], dim=2)
    padded = torch.arange(longest, device=joined.device) >= shortest[:, None]
    return joined.masked_fill(padded[..., None], 0.0), shortest


def _slowed(frames: Tensor, lengths: Tensor, beat: Tensor) -> Tensor:
    """Return (B, max(beat), D): each frame the mean of those in its share of the utterance.

    Args:
        frames: (B, T, D).
        lengths: (B,) of them.
        beat: (B,) frames that are wanted.
    """
    place = torch.arange(int(beat.max()), device=frames.device)
    share = lengths / beat
    first = (place * share[:, None]).floor().long()
    last = torch.maximum(((place + 1) * share[:, None]).ceil().long(), first + 1)
    last = torch.minimum(last, lengths[:, None])
    first = torch.minimum(first, last - 1)
    window = torch.arange(int((last - first).max()), device=frames.device)
    rows = first[..., None] + window  # (B, T', W)
    inside = rows < last[..., None]
    batch = torch.arange(len(frames), device=frames.device)[:, None, None]
    taken = frames[batch, rows.clamp(max=frames.shape[1] - 1)] * inside[..., None]
    return taken.sum(2) / inside.sum(2, keepdim=True)
