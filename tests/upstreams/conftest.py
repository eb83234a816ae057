"""What goes into upstreams, and what transformers itself makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from serbench.upstreams import Clips


@pytest.fixture(scope="session")
def noise() -> Callable[[int], Tensor]:
    """Return a maker of clips of so many samples: coloured noise with an offset, no seed needed."""

    def make(samples: int) -> Tensor:
        white = torch.randn(samples + 1, generator=torch.Generator().manual_seed(samples))
        return 0.1 * white.cumsum(0).sin()[1:] + 0.02

    return make


@pytest.fixture(scope="session")
def layers_of_transformers() -> Callable[[Path, Tensor], Tensor]:
    """Return the reference for the wav2vec 2.0 family: a folder and a wave to (L, T, D)."""
    from transformers import AutoFeatureExtractor, AutoModel

    def layers(folder: Path, wave: Tensor) -> Tensor:
        model = AutoModel.from_pretrained(folder).eval()
        extractor = AutoFeatureExtractor.from_pretrained(folder)
        inputs = extractor(wave.numpy(), sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            output = model(inputs, output_hidden_states=True)
        return torch.cat([*output.hidden_states[:-1], output.last_hidden_state])

    return layers


@pytest.fixture(scope="session")
def clips() -> Callable[..., Clips]:
    """Return a maker of a batch of waves of one unnamed speaker."""

    def make(*waves: Tensor) -> Clips:
        return Clips(list(waves), ["a"] * len(waves), [None] * len(waves))

    return make
