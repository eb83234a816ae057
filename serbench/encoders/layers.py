"""Some of an upstream's layers: all that leaves it, is stored and is learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, TextUpstream, Upstream

Layers = Literal["all", "last"] | tuple[int, ...]


class LayerChoice(Upstream):
    """An upstream of which some layers are seen.

    Args:
        upstream: whose layers they are.
        layers: their numbers, from 0, in the order in which they are given out.
    """

    def __init__(self, upstream: Upstream, layers: Sequence[int]) -> None:
        super().__init__()
        self.upstream = upstream
        self.layers = list(layers)
        if upstream.reads == "waves":
            self.sample_rate = upstream.sample_rate
        self.depth, self.dim = len(self.layers), upstream.dim
        self.tolerance, self.provenance = upstream.tolerance, upstream.provenance

    def frames(self, samples: int) -> int:
        """Return the exact number of frames."""
        return self.upstream.frames(samples)

    def forward(self, clips: Clips) -> Features:
        """Encode a batch and keep the layers."""
        layers, lengths = self.upstream(clips)
        return Features(layers[self.layers], lengths)

    def unseen_speakers(self, names: Sequence[str]) -> list[str]:
        """Return whom the upstream has to hear first."""
        return self.upstream.unseen_speakers(names)

    def enrol(self, name: str, waves: Sequence[Tensor]) -> None:
        """Let the upstream hear a speaker."""
        self.upstream.enrol(name, waves)

    def trainable(self) -> Iterable[nn.Parameter]:
        """Return what of the upstream learns."""
        return self.upstream.trainable()

    def front_end(self) -> Iterable[nn.Parameter]:
        """Return what of it may learn as well."""
        return self.upstream.front_end()

    def checkpoint_gradients(self) -> None:
        """Let the upstream keep fewer activations."""
        self.upstream.checkpoint_gradients()

    def save(self, folder: Path) -> None:
        """Write the upstream's weights, of all its layers."""
        self.upstream.save(folder)


class TextLayerChoice(LayerChoice, TextUpstream):
    """The same of an upstream that reads text."""

    upstream: TextUpstream

    def tokens(self, text: str) -> int:
        """Return the exact number of frames for a text."""
        return self.upstream.tokens(text)


def numbers_of(layers: Layers, depth: int) -> list[int]:
    """Return the numbers of the chosen layers.

    Args:
        layers: "all", "last", or numbers from 0 to L - 1.
        depth: L.

    Raises:
        SerbenchError: a layer that is not there or is named twice.
    """
    everything = list(range(depth))
    named = {"all": everything, "last": everything[-1:]}
    numbers = named[layers] if isinstance(layers, str) else list(layers)
    absent = [number for number in numbers if number not in everything]
    if absent or not numbers or len(set(numbers)) < len(numbers):
        what = f"has no layer {absent[0]}" if absent else f"cannot give layers {numbers}"
        msg = f"this upstream {what}; give different ones from 0 to {depth - 1}"
        raise SerbenchError(f"{msg}, or --set upstream.layers=all")
    return numbers


def choose(upstream: Upstream, layers: Layers) -> Upstream:
    """Return an upstream that gives the chosen layers out, itself if it has no others.

    Args:
        upstream: with L layers.
        layers: "all", "last", or numbers from 0 to L - 1.

    Raises:
        SerbenchError: a layer that is not there or is named twice, or an upstream that adds a loss
            of its own, which is made for all its layers.
    """
    numbers = numbers_of(layers, upstream.depth)
    if numbers == list(range(upstream.depth)):
        return upstream
    if type(upstream).auxiliary_loss is not Upstream.auxiliary_loss:
        msg = "this upstream adds a loss of its own, for which it needs all its layers"
        raise SerbenchError(f"{msg}; give --set upstream.layers=all")
    kind = TextLayerChoice if isinstance(upstream, TextUpstream) else LayerChoice
    return kind(upstream, numbers)
