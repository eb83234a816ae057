"""Fine-tuning of an upstream with a mean and a linear output, before a head learns from it.

Stage one of Morais et al. (ICASSP 2022): "mean pooling and a linear classifier".
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor

from serbench.downstreams import Downstream
from serbench.training.settings import FineTuning
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.upstreams import Upstream

_PREFIX = "streams.0.upstream."  # in the state of a system with one stream


class Mean(Downstream):
    """The mean over the true frames, without parameters."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = dim

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, D) means of (B, T, D) frames, zero beyond each length."""
        return frames.sum(1) / lengths[:, None]


def mean_system(upstream: Upstream, outputs: int, tuning: FineTuning) -> System:
    """Return a copy of an upstream, to be trained with a mean and a linear output.

    Args:
        upstream: of which all layers are mixed; stays as it is.
        outputs: C, classes or dimensions.
        tuning: what of it learns, and how.
    """
    trained = copy.deepcopy(upstream)
    stream = Stream(upstream.depth, upstream.dim, upstream=trained, tuning=tuning)
    return System([stream], [Mean(upstream.dim)], outputs)


def tuned(upstream: Upstream, state: Mapping[str, Tensor]) -> Upstream:
    """Return a copy of an upstream, frozen, with what was learnt.

    Args:
        upstream: as it was before.
        state: of its `mean_system` after training.
    """
    learnt = copy.deepcopy(upstream)
    own = {key: value for key, value in state.items() if key.startswith(_PREFIX)}
    learnt.load_state_dict({key.removeprefix(_PREFIX): value for key, value in own.items()})
    return learnt
