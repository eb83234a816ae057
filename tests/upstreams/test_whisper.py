"""Whisper's encoder against transformers' feature extractor and encoder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from serbench.errors import SerbenchError
from serbench.upstreams import Clips
from serbench.upstreams.whisper import WEIGHTS, LogMel, make

Noise = Callable[[int], Tensor]
Batch = Callable[..., Clips]


def mel_of_transformers(folder: Path, wave: Tensor) -> Tensor:
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    output = extractor(wave.numpy(), sampling_rate=16_000, return_tensors="pt")
    return output.input_features[0]


def layers_of_transformers(folder: Path, mel: Tensor) -> Tensor:
    """Return (L, T, D) of an encoder whose window is cut to the length of `mel`."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    frames = mel.shape[1] // 2
    config = WhisperConfig.from_pretrained(folder)
    config.max_source_positions = frames
    stored = load_file(folder / "model.safetensors")
    state = {key.removeprefix("encoder."): value for key, value in stored.items()}
    state["embed_positions.weight"] = state["embed_positions.weight"][:frames]
    encoder = WhisperEncoder(config).eval()
    wanted = encoder.state_dict().keys()
    encoder.load_state_dict({key: state[key].float() for key in wanted})
    with torch.no_grad():
        return torch.cat(encoder(mel[None], output_hidden_states=True).hidden_states)


@pytest.mark.parametrize("bins", [80, 128])
@pytest.mark.parametrize("samples", [201, 16_000, 32_000])
def test_log_mel_equals_the_feature_extractor(bins: int, samples: int, noise: Noise) -> None:
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(feature_size=bins, chunk_length=2)
    wave = noise(samples)
    expected = extractor(wave.numpy(), sampling_rate=16_000).input_features[0]
    padded = torch.nn.functional.pad(wave, (0, 32_000 - samples))
    np.testing.assert_allclose(LogMel(bins, 16_000, 400, 160)(padded), expected, rtol=0, atol=1e-6)


def test_equals_transformers(tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch) -> None:
    folder, wave = tiny_checkpoints["whisper"], noise(20_011)
    upstream = make(weights=str(folder))
    layers, lengths = upstream(clips(wave))
    expected = layers_of_transformers(folder, mel_of_transformers(folder, wave))[:, :63]
    assert lengths.tolist() == [63]
    assert layers.shape == (upstream.depth, 1, 63, upstream.dim)
    torch.testing.assert_close(layers[:, 0], expected, rtol=0, atol=1e-5)


def test_the_context_of_a_clip_ends_with_it(
    tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    folder, wave = tiny_checkpoints["whisper"], noise(20_011)
    layers = make(weights=str(folder), context="clip")(clips(wave)).layers[:, 0]
    expected = layers_of_transformers(folder, mel_of_transformers(folder, wave)[:, :126])
    torch.testing.assert_close(layers, expected, rtol=0, atol=1e-5)


def test_contexts_are_one_for_a_full_window(
    tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    folder, batch = str(tiny_checkpoints["whisper"]), clips(noise(32_000))
    window, clip = (make(weights=folder, context=c)(batch).layers for c in ("window", "clip"))
    torch.testing.assert_close(window, clip, rtol=0, atol=1e-5)


@pytest.mark.parametrize("context", ["window", "clip"])
def test_clips_do_not_see_each_other(
    context: str, tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    upstream = make(weights=str(tiny_checkpoints["whisper"]), context=context)
    waves = [noise(samples) for samples in (8_007, 1, 70_000, 12_345)]
    together = upstream(clips(*waves))
    for row, wave in enumerate(waves):
        alone = upstream(clips(wave)).layers[:, 0]
        frames = upstream.frames(len(wave))
        assert together.lengths[row] == frames == alone.shape[1]
        torch.testing.assert_close(together.layers[:, row, :frames], alone, rtol=0, atol=1e-5)
        assert not together.layers[:, row, frames:].any()


@pytest.mark.parametrize("context", ["window", "clip"])
def test_long_clips_go_window_by_window(
    context: str, tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    upstream = make(weights=str(tiny_checkpoints["whisper"]), context=context)
    wave = noise(70_000)
    parts = [upstream(clips(part)).layers for part in wave.split(32_000)]
    torch.testing.assert_close(upstream(clips(wave)).layers, torch.cat(parts, dim=2))


def test_frames_are_those_of_transformers(tiny_checkpoints: dict[str, Path]) -> None:
    from transformers import WhisperFeatureExtractor

    upstream = make(weights=str(tiny_checkpoints["whisper"]))
    extractor = WhisperFeatureExtractor(chunk_length=2)
    for samples in (1, 319, 320, 321, 480, 16_001, 31_999, 32_000):
        inputs = extractor(
            np.zeros(samples, np.float32), sampling_rate=16_000, return_attention_mask=True
        )
        mels = int(inputs.attention_mask[0].sum())
        assert upstream.frames(samples) == upstream.model._get_feat_extract_output_lengths(mels)


def test_an_empty_clip_is_an_error(tiny_checkpoints: dict[str, Path], clips: Batch) -> None:
    upstream = make(weights=str(tiny_checkpoints["whisper"]))
    assert upstream.frames(0) == 0
    with pytest.raises(SerbenchError, match="0 samples is shorter than one frame"):
        upstream(clips(torch.zeros(0)))


def test_takes_the_encoder_alone_and_in_half_precision(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, noise: Noise, clips: Batch
) -> None:
    full, alone = tiny_checkpoints["whisper"], tmp_path / "alone"
    shutil.copytree(full, alone)
    stored = load_file(full / "model.safetensors")
    encoder = {k.removeprefix("encoder."): v for k, v in stored.items() if k.startswith("encoder.")}
    halves = {key: value.half() for key, value in encoder.items()}
    save_file(halves, alone / "model.safetensors", {"format": "pt"})
    upstream = make(weights=str(alone))
    for key, value in upstream.model.state_dict().items():
        assert torch.equal(value, halves[key].float())
    batch = clips(noise(9_000))
    expected = make(weights=str(full))(batch).layers
    torch.testing.assert_close(upstream(batch).layers, expected, rtol=0, atol=0.02)


def test_the_real_encoder_equals_transformers(
    whisper_tiny: Path, noise: Noise, clips: Batch
) -> None:
    wave = noise(16_123)
    upstream = make(weights=str(whisper_tiny))
    layers = upstream(clips(wave)).layers[:, 0]
    expected = layers_of_transformers(whisper_tiny, mel_of_transformers(whisper_tiny, wave))
    assert (upstream.depth, upstream.dim, upstream.window) == (5, 384, 480_000)
    assert layers.dtype == torch.float32
    torch.testing.assert_close(layers, expected[:, : upstream.frames(16_123)], rtol=0, atol=1e-4)


def test_refuses_the_weights_of_another_family(tiny_checkpoints: dict[str, Path]) -> None:
    with pytest.raises(SerbenchError, match="model type 'wavlm'; upstream 'whisper' takes whisper"):
        make(weights=str(tiny_checkpoints["wavlm"]))


def test_every_size_says_where_it_is_from() -> None:
    for entry in WEIGHTS.values():
        assert set(entry) == {"id", "licence", "trained_on"}
        assert entry["id"].startswith("openai/whisper-")
