"""Features with mean 0 and standard deviation 1, by the statistics of the training part alone."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from serbench.upstreams import Features

# A channel whose standard deviation is no more than this is constant but for rounding, and only
# centred: two roundings of its mean in float32; or, with a mean near zero, those of means over time
# of features of size 1 from which each utterance's mean was taken.
_ROUNDING = 2.0**-22
_SMALLEST = 1e-7


class Standardiser(nn.Module):
    """Takes a mean from each channel of each layer and divides by a deviation; nothing is learnt.

    Until `fit` it changes nothing.

    Attributes:
        mean: (L, D).
        scale: (L, D), what is multiplied by.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, depth: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(depth, dim))
        self.register_buffer("scale", torch.ones(depth, dim))

    def fit(self, batches: Iterable[Features]) -> None:
        """Take the statistics over all true frames of some batches.

        Args:
            batches: of the training part, each utterance once; where only means over time are
                kept, the statistics are those of the utterances' means.
        """
        count, total, squares = 0, self.mean.double() * 0, self.mean.double() * 0
        for layers, lengths in batches:
            count += int(lengths.sum())
            # zero beyond each length, so padding adds nothing
            total += layers.sum((1, 2), dtype=torch.float64)
            squares += layers.double().square().sum((1, 2))
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        varies = deviation > (_ROUNDING * mean.abs()).clamp(min=_SMALLEST)
        self.scale.copy_(torch.where(varies, 1 / deviation, 1.0))

    def forward(self, features: Features) -> Features:
        """Return (L, B, T, D) standardised features, zero beyond each length as before."""
        layers, lengths = features
        # in place: with many layers, a fresh copy a step is a tenth of the training of a small head
        standard = (layers - self.mean[:, None, None]).mul_(self.scale[:, None, None])
        padded = torch.arange(layers.shape[2], device=layers.device) >= lengths[:, None]
        return Features(standard.masked_fill_(padded[..., None], 0.0), lengths)
