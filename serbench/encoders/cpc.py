"""The network of CPC, convolutions over the waveform and a recurrence over frames, and its files.

Van den Oord et al. 2018 (arXiv 1807.03748); sizes of Li et al., ICASSP 2021 (arXiv 2102.06357).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional

from serbench.encoders.tensors import read_tensors, require_finite, write_tensors
from serbench.encoders.weights import Weights
from serbench.errors import SerbenchError

Cell = Literal["gru", "lstm"]


@dataclass(frozen=True)
class Layout:
    """Sizes of a network.

    As they stand they are Li et al.'s: one frame every 160 samples out of 425, without padding.

    Attributes:
        channels: of each convolution.
        hidden: D, width of the context.
        kernels: one a convolution, in samples of its input.
        strides: likewise.
        paddings: likewise, zeros on either side.
        norm: whether frames are normalised over channels before each ReLU.
        cell: of the recurrence.
        layers: of the recurrence.
    """

    channels: PositiveInt = 128
    hidden: PositiveInt = 256
    kernels: tuple[PositiveInt, ...] = (10, 8, 8, 4)
    strides: tuple[PositiveInt, ...] = (5, 4, 4, 2)
    paddings: tuple[NonNegativeInt, ...] = (0, 0, 0, 0)
    norm: bool = False
    cell: Cell = "gru"
    layers: PositiveInt = 1

    @property
    def convolutions(self) -> list[tuple[int, int, int]]:
        """Kernel, stride and padding of each convolution."""
        return list(zip(self.kernels, self.strides, self.paddings, strict=True))

    @property
    def shortest(self) -> int:
        """Fewest samples that give a frame."""
        samples = 1
        for kernel, stride, padding in reversed(self.convolutions):
            samples = (samples - 1) * stride + kernel - 2 * padding
        return samples

    def frames(self, samples: int) -> int:
        """Return the exact number of frames for a number of samples."""
        for kernel, stride, padding in self.convolutions:
            samples = (samples + 2 * padding - kernel) // stride + 1
        return max(samples, 0)


class Convolution(nn.Conv1d):
    """A strided convolution whose frames lie one after the other: (B, T, C) to (B, T', channels).

    Each window of a kernel is then one row in memory and the whole one matrix product, and the
    norm finds its channels side by side: on a CPU much faster than channels first.
    """

    def reset_parameters(self) -> None:
        """Draw fresh weights; biases start at zero.

        Those that torch draws outweigh what the first kernels make of a quiet recording: its frames
        are then much alike, and training stays at chance for long.
        """
        super().reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """Convolve (B, T, C)."""
        (kernel,), (stride,), padding = self.kernel_size, self.stride, int(self.padding[0])
        rows = functional.pad(frames, (0, 0, padding, padding)).flatten(1)
        windows = rows.unfold(1, kernel * self.in_channels, stride * self.in_channels)
        return functional.linear(windows, self.weight.transpose(1, 2).flatten(1), self.bias)


class ChannelNorm(nn.LayerNorm):
    """Mean 0 and variance 1 over the channels of each frame, then a scale and a shift.

    As in CPC_audio, the variance divides by one less than the channels, which `nn.LayerNorm` does
    not: the ratio of the two goes into the scale and below the root.
    """

    def forward(self, frames: Tensor) -> Tensor:
        """Normalise (B, T, channels)."""
        channels = len(self.weight)
        ratio = (channels - 1) / channels
        return functional.layer_norm(
            frames, (channels,), self.weight * math.sqrt(ratio), self.bias, self.eps * ratio
        )


class Network(nn.Module):
    """Convolutions that give frames, and a causal recurrence that gives their contexts.

    Attributes:
        layout: its sizes.
    """

    def __init__(self, layout: Layout) -> None:
        """Draw fresh weights from torch's current random state."""
        super().__init__()
        self.layout = layout
        inputs = [1, *[layout.channels] * (len(layout.kernels) - 1)]
        self.convolutions = nn.ModuleList(
            Convolution(width, layout.channels, kernel, stride, padding)
            for width, (kernel, stride, padding) in zip(inputs, layout.convolutions, strict=True)
        )
        self.norms = nn.ModuleList(
            ChannelNorm(layout.channels) if layout.norm else nn.Identity() for _ in inputs
        )
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[layout.cell]
        self.recurrence = kind(layout.channels, layout.hidden, layout.layers, batch_first=True)

    def convolve(self, waves: Tensor) -> Tensor:
        """Return (B, T, channels), the frames of waves (B, S)."""
        frames = waves[..., None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            frames = norm(convolution(frames)).relu()
        return frames

    def contexts(self, frames: Tensor) -> Tensor:
        """Return (B, T, D): at each frame what is kept of it and of all before it."""
        contexts: Tensor = self.recurrence(frames)[0]
        return contexts


def save(network: Network, folder: Path, *, half: bool = False) -> None:
    """Write `config.json` (the layout) and `model.safetensors` into a folder.

    Args:
        network: written whole.
        folder: made if need be.
        half: write half precision; it is loaded as single all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"model_type": "cpc"} | asdict(network.layout)
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    tensors = network.state_dict()
    if half:
        tensors = {name: value.half() for name, value in tensors.items()}
    write_tensors(folder / "model.safetensors", tensors)


def load(weights: Weights) -> Network:
    """Return the network of a folder that `save` wrote.

    Raises:
        SerbenchError: the folder is of another model, or its tensors do not fill the network.
    """
    settings = weights.settings()
    kind = settings.pop("model_type", None)
    if kind != "cpc" or not settings.keys() <= {field.name for field in fields(Layout)}:
        raise SerbenchError(
            f"weights '{weights.name}' are of model type '{kind}'; upstream 'cpc' takes a folder "
            "written by its pre-training, or a checkpoint file of CPC_audio"
        )
    tensors = read_tensors(weights.tensors[0])
    try:
        layout = TypeAdapter(Layout).validate_python(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SerbenchError(
            f"weights '{weights.name}': config.json: '{place}': {first['msg']}"
        ) from error
    return filled(weights.name, layout, tensors)


def filled(name: str, layout: Layout, tensors: Mapping[str, Tensor]) -> Network:
    """Return a network with these weights, in single precision.

    Args:
        name: of the weights, for the message.
        layout: sizes.
        tensors: all of the network's and no others.

    Raises:
        SerbenchError: a tensor is missing, left over, of another size or not finite.
    """
    if max(layout.layers, len(layout.kernels)) > len(tensors):
        raise SerbenchError(
            f"weights '{name}' have {len(tensors)} tensors for {layout.layers:,} layers and "
            f"{len(layout.kernels):,} convolutions; they do not belong together"
        )
    single = {key: value.float() for key, value in tensors.items()}
    try:
        with torch.device("meta"):  # no memory before the sizes are known to be right
            network = Network(layout)
        network.load_state_dict(single, assign=True)
    except (RuntimeError, ValueError) as error:
        raise SerbenchError(
            f"weights '{name}' do not fill the network: {' '.join(str(error).split())}"
        ) from error
    require_finite(name, network.state_dict())
    return network
