"""What a HuBERT does to its clips, which of its layers it gives, and how it is built upon."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from serbench.encoders.waveform import WaveformEncoder
from serbench.encoders.weights import PACKAGED, find
from serbench.errors import SerbenchError
from serbench.upstreams import Clips
from serbench.upstreams.hubert import WEIGHTS, make

Noise = Callable[[int], Tensor]
Batch = Callable[..., Clips]


def encode(folder: Path, batch: Clips) -> Tensor:
    return make(weights=str(folder))(batch).layers


def with_preprocessor(source: Path, target: Path, content: str | None) -> Path:
    shutil.copytree(source, target)
    file = target / "preprocessor_config.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    return target


def test_is_frozen_and_in_evaluation_mode(
    tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    upstream = make(weights=str(tiny_checkpoints["hubert"]))
    assert not any(module.training for module in upstream.modules())
    assert not any(parameter.requires_grad for parameter in upstream.parameters())
    assert not upstream(clips(noise(4_000))).layers.requires_grad


def test_can_be_told_to_train_and_then_drops_no_layer(
    tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    upstream = make(weights=str(tiny_checkpoints["hubert"])).requires_grad_(True).train()
    for _ in range(20):
        layers = upstream(clips(noise(4_000), noise(9_000))).layers
        assert len(layers) == upstream.depth
    layers[-1].square().sum().backward()
    assert upstream.model.feature_extractor.conv_layers[0].conv.weight.grad.any()
    assert upstream.model.encoder.layers[0].attention.q_proj.weight.grad.any()


@pytest.mark.parametrize("name", ["hubert", "hubert.large"])
def test_the_last_layer_is_what_the_model_puts_out(
    name: str, tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    upstream = make(weights=str(tiny_checkpoints[name]))
    last = upstream(clips(noise(20_000))).layers[-1, 0]
    mean, deviation = last.mean(dim=1), last.std(dim=1, correction=0)
    # fresh layer norms neither scale nor shift: their output has mean 0 and deviation 1
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-5)
    torch.testing.assert_close(deviation, torch.ones_like(deviation), rtol=0, atol=1e-2)


def test_loudness_is_normalized_if_the_preprocessor_says_so(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, noise: Noise, clips: Batch
) -> None:
    large, off = tiny_checkpoints["hubert.large"], tmp_path / "off"
    with_preprocessor(large, off, json.dumps({"do_normalize": False}))
    wave = noise(8_000)
    loud, quiet = clips(wave), clips(0.1 * wave)
    torch.testing.assert_close(encode(large, loud), encode(large, quiet), rtol=0, atol=1e-3)
    assert (encode(off, loud) - encode(off, quiet)).abs().max() > 0.1


def test_without_a_preprocessor_the_layer_norm_models_normalize(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    for name, normalizes in (("hubert", False), ("hubert.large", True)):
        bare = with_preprocessor(tiny_checkpoints[name], tmp_path / name, None)
        upstream = make(weights=str(bare))
        assert upstream.normalize is normalizes
        assert upstream.sample_rate == 16_000


def test_what_was_trained_here_and_lost_its_preprocessor_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(PACKAGED / "hubert_nano", tmp_path / "lost")
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    make(weights=str(folder))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(SerbenchError, match=r"no preprocessor_config\.json.*copy the whole folder"):
        make(weights=str(folder))


def test_reads_the_preprocessor_out_of_a_processor(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    folder = with_preprocessor(tiny_checkpoints["hubert"], tmp_path / "nested", None)
    nested = {"feature_extractor": {"do_normalize": True, "sampling_rate": 8_000}}
    (folder / "processor_config.json").write_text(json.dumps(nested))
    upstream = make(weights=str(folder))
    assert (upstream.normalize, upstream.sample_rate) == (True, 8_000)


def test_a_clip_shorter_than_a_frame_is_an_error(
    tiny_checkpoints: dict[str, Path], noise: Noise, clips: Batch
) -> None:
    upstream = make(weights=str(tiny_checkpoints["hubert"]))
    assert upstream(clips(noise(400))).lengths.tolist() == [1]
    with pytest.raises(
        SerbenchError, match=r"399 samples is shorter than one frame \(400 samples\)"
    ):
        upstream(clips(noise(8_000), noise(399)))


def test_silence_is_encoded(tiny_checkpoints: dict[str, Path], clips: Batch) -> None:
    for name in ("hubert", "hubert.large"):
        assert encode(tiny_checkpoints[name], clips(torch.zeros(4_000))).isfinite().all()


class Personal(WaveformEncoder):
    """Adds a number for each speaker before the Transformer and a frame in front."""

    def transform(self, hidden: Tensor, mask: Tensor, clips: Clips) -> Tensor:
        shift = torch.tensor([float(speaker) for speaker in clips.speakers])[:, None, None]
        hidden = torch.cat([hidden[:, :1], hidden], dim=1) + shift
        mask = torch.cat([mask[:, :1], mask], dim=1)
        return super().transform(hidden, mask, clips)[:, :, 1:]


@pytest.mark.parametrize("name", ["hubert", "hubert.batch_norm"])
def test_a_subclass_may_condition_on_the_speaker(
    name: str, tiny_checkpoints: dict[str, Path], noise: Noise
) -> None:
    upstream = Personal(find(str(tiny_checkpoints[name]), None, WEIGHTS))
    waves = [noise(4_000), noise(9_000)]
    both = upstream(Clips(waves, ["0", "1"], [None, None]))
    swapped = upstream(Clips(waves, ["1", "1"], [None, None]))
    assert both.lengths.tolist() == [upstream.frames(4_000), upstream.frames(9_000)]
    torch.testing.assert_close(both.layers[:, 1], swapped.layers[:, 1], rtol=0, atol=1e-5)
    assert (both.layers[:, 0] - swapped.layers[:, 0]).abs().max() > 0.1


def test_refuses_the_weights_of_another_family(tiny_checkpoints: dict[str, Path]) -> None:
    with pytest.raises(
        SerbenchError, match="model type 'wav2vec2'; upstream 'hubert' takes hubert"
    ):
        make(weights=str(tiny_checkpoints["wav2vec2"]))
