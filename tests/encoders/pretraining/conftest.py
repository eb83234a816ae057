"""A small corpus and a small HuBERT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.sources import find_recordings

if TYPE_CHECKING:
    from transformers import HubertModel

SECONDS = (0.6, 1.1, 1.2, 1.3, 1.4, 1.7, 2.0, 2.0, 2.3, 2.6, 3.1, 5.3)


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one folder a speaker: tones that glide, over noise."""
    folder = tmp_path_factory.mktemp("voices")
    draw = np.random.default_rng(7)
    for number, seconds in enumerate(SECONDS):
        speaker = folder / f"speaker{number % 4}"
        speaker.mkdir(exist_ok=True)
        time = np.arange(int(seconds * 16000)) / 16000
        phase = np.cumsum(200 + 150 * np.sin(time * draw.uniform(2, 9))) / 16000
        wave = 0.2 * np.sin(2 * np.pi * phase) + 0.02 * draw.standard_normal(len(time))
        soundfile.write(speaker / f"{number:02}.wav", wave, 16000, subtype="PCM_16")
    return folder


@pytest.fixture(scope="session")
def audio(voices: Path) -> Audio:
    return Audio(find_recordings(voices))


@pytest.fixture(scope="session")
def small_hubert() -> Callable[..., HubertModel]:
    """Return what makes a HuBERT of 2 layers x 32; "layer" is the Large kind, norms first."""
    return _small_hubert


def _small_hubert(norm: str = "group", seed: int = 0):
    """Return a HuBERT of 2 layers x 32; "layer" is the Large kind, with norms before blocks."""
    from transformers import HubertConfig, HubertModel

    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        conv_bias=norm == "layer",
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HubertModel(config)
