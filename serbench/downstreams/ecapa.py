"""ECAPA-TDNN by SpeechBrain, with exact treatment of padding (Desplanques et al. 2020)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from serbench.downstreams import Downstream

TRAINING = {"learning_rates": (1e-3,), "batch": 32, "epochs": 22, "patience": 10}

_SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "channels": [32, 32, 32, 32, 64],
        "attention_channels": 32,
        "res2net_scale": 4,
        "se_channels": 32,
        "lin_neurons": 128,
    },
    "full": {
        "channels": [512, 512, 512, 512, 1536],
        "attention_channels": 128,
        "res2net_scale": 8,
        "se_channels": 128,
        "lin_neurons": 192,
    },
}
_QUIRKS = "SB_DISABLE_QUIRKS"
_SHAPE: dict[str, Any] = {"kernel_sizes": [5, 3, 3, 3, 1], "dilations": [1, 2, 3, 4, 1]}


class _Mirror:
    """Puts each clip's own mirror image beyond both its ends, and so on to the end of the batch.

    SpeechBrain mirrors the batch at *its* end instead, so that a short clip would see the zeros
    that it was padded with, and its embedding would depend on the clips beside it.

    Attributes:
        lengths: (B,) int64, frames of each clip of the batch that comes next.
    """

    lengths: Tensor

    def extend(self, conv: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        """Return (B, C, T + reach) for the (B, C, T) input of `conv`, a pre-hook's signature."""
        (frames,) = inputs
        index = self._index(frames.shape[2], _reach(conv) // 2)
        return frames.gather(2, index[:, None].expand(-1, frames.shape[1], -1))

    def _index(self, size: int, pad: int) -> Tensor:
        """Return (B, size + 2 pad): which frame of the clip stands at each place."""
        last = (self.lengths - 1)[:, None]
        place = torch.arange(-pad, size + pad, device=last.device)
        folded = place % (2 * last).clamp(min=1)
        return torch.minimum(folded, 2 * last - folded)


class Ecapa(Downstream):
    """SpeechBrain's ECAPA-TDNN, same parameters and names under `network`.

    In evaluation a clip alone gives what SpeechBrain's own module gives, and beside longer clips
    the same. In training, batch normalisation sees the frames beyond a clip's end as well; they
    are its mirror image there, not zeros.
    """

    def __init__(self, dim: int, size: str) -> None:
        super().__init__()
        sizes = _SIZES[size]
        self.embedding_dim = sizes["lin_neurons"]
        self._mirror = _Mirror()
        self.network = _network(dim, sizes)
        for conv in _convolutions(self.network):
            conv.padding = "valid"
            if _reach(conv):
                conv.register_forward_pre_hook(self._mirror.extend)

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, E) embeddings of (B, T, D) frames."""
        self._mirror.lengths = lengths
        # SpeechBrain takes a frame for true where its number is below relative length x T;
        # half a frame less keeps rounding from adding or losing one
        relative = (lengths - 0.5) / frames.shape[1]
        embedding: Tensor = self.network(frames, relative)
        return embedding.squeeze(1)


def make(dim: int, *, size: Literal["small", "full"] = "small") -> Ecapa:
    """Return the head up to its linear output.

    Args:
        dim: D, width of the frames.
        size: "full" has SpeechBrain's default sizes (6.6 M parameters for 240-dim frames): 512
            channels, 1536 before pooling, Res2Net scale 8, attention and SE of 128 channels,
            embedding 192. "small" is for corpora of some hundred clips (85 k): 32 channels, 64
            before pooling, scale 4, attention and SE of 32 channels, embedding 128. Kernels 5,
            3, 3, 3, 1 and dilations 1, 2, 3, 4, 1 in both.
    """
    return Ecapa(dim, size)


def _network(dim: int, sizes: dict[str, Any]) -> nn.Module:
    with _contained():
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    network: nn.Module = ECAPA_TDNN(dim, **sizes, **_SHAPE)
    return network


def _convolutions(network: nn.Module) -> Iterator[Any]:
    from speechbrain.nnet.CNN import Conv1d

    return (module for module in network.modules() if isinstance(module, Conv1d))


def _reach(conv: Any) -> int:
    """Return by how many frames the output of a convolution is shorter than its input."""
    reach: int = conv.dilation * (conv.kernel_size - 1)
    return reach


@contextmanager
def _contained() -> Iterator[None]:
    """Keep the import of SpeechBrain from changing the process around it.

    It would switch TF32 on for everybody, and it leaves stand-ins for modules that have moved in
    `sys.modules`, which raise `ImportError` when code that looks through all modules meets them.
    """
    before, given = set(sys.modules), os.environ.get(_QUIRKS)
    os.environ[_QUIRKS] = "allow_tf32,disable_jit_profiling"
    try:
        yield
    finally:
        os.environ.pop(_QUIRKS)
        if given is not None:
            os.environ[_QUIRKS] = given
    from speechbrain.utils.importutils import LazyModule

    for name in set(sys.modules) - before:
        if issubclass(type(sys.modules[name]), LazyModule):
            del sys.modules[name]
