"""Every family of encoders against transformers' own forward, alone and in a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from serbench.errors import SerbenchError
from serbench.upstreams import Clips
from serbench.upstreams.huggingface import TAKEN, make
from serbench.upstreams.whisper import Whisper

from ..checkpoints import ENCODERS  # noqa: TID252

FAMILY = [
    "wav2vec2",
    "wav2vec2.large",
    "hubert",
    "hubert.large",
    "hubert.batch_norm",
    "wavlm",
    "wavlm.large",
    "huggingface",
    "huggingface.unispeech",
    "huggingface.data2vec",
    "huggingface.conformer",
]


@pytest.mark.parametrize("name", FAMILY)
def test_equals_transformers(
    name: str,
    tiny_checkpoints: dict[str, Path],
    noise: Callable[[int], Tensor],
    clips: Callable[..., Clips],
    layers_of_transformers: Callable[[Path, Tensor], Tensor],
) -> None:
    wave = noise(20_011)
    upstream = make(weights=str(tiny_checkpoints[name]))
    layers, lengths = upstream(clips(wave))
    expected = layers_of_transformers(tiny_checkpoints[name], wave)
    assert lengths.tolist() == [expected.shape[1]]
    assert layers.shape == (upstream.depth, 1, expected.shape[1], upstream.dim)
    torch.testing.assert_close(layers[:, 0], expected, rtol=0, atol=1e-5)


# their layers have another rate than what comes out of them, or mels that are rounded otherwise
APART = {
    "huggingface.sew": 1e-5,
    "huggingface.sew_d": 1e-5,
    "huggingface.w2v_bert": 5e-4,
    "huggingface.w2v_bert_rotary": 5e-4,
}


@pytest.mark.parametrize("name", APART)
@pytest.mark.parametrize("samples", [16_000, 20_011, 20_171])
def test_layers_are_the_hidden_states_of_transformers(
    name: str,
    samples: int,
    tiny_checkpoints: dict[str, Path],
    noise: Callable[[int], Tensor],
    clips: Callable[..., Clips],
) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(tiny_checkpoints[name]).eval()
    extractor = AutoFeatureExtractor.from_pretrained(tiny_checkpoints[name])
    wave = noise(samples)
    inputs = extractor(wave.numpy(), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = torch.cat(model(**inputs, output_hidden_states=True).hidden_states)
    # a frame of which the extractor padded the half is masked there, and not given here
    frames = int(inputs["attention_mask"].sum()) if "input_features" in inputs else None
    layers, lengths = make(weights=str(tiny_checkpoints[name]))(clips(wave))
    expected = expected[:, :frames]
    assert lengths.tolist() == [expected.shape[1]]
    torch.testing.assert_close(layers[:, 0], expected, rtol=0, atol=APART[name])


@pytest.mark.parametrize("name", [*FAMILY, *APART])
def test_clips_do_not_see_each_other(
    name: str,
    tiny_checkpoints: dict[str, Path],
    noise: Callable[[int], Tensor],
    clips: Callable[..., Clips],
) -> None:
    upstream = make(weights=str(tiny_checkpoints[name]))
    least = next(samples for samples in range(2_000) if upstream.frames(samples))
    waves = [noise(samples) for samples in (8_007, least, 24_000, 12_345)]
    together = upstream(clips(*waves))
    for row, wave in enumerate(waves):
        alone = upstream(clips(wave)).layers[:, 0]
        frames = upstream.frames(len(wave))
        assert together.lengths[row] == frames == alone.shape[1]
        torch.testing.assert_close(together.layers[:, row, :frames], alone, rtol=0, atol=1e-5)
        assert not together.layers[:, row, frames:].any()


@pytest.mark.parametrize("name", FAMILY)
def test_frames_are_those_of_transformers(name: str, tiny_checkpoints: dict[str, Path]) -> None:
    upstream = make(weights=str(tiny_checkpoints[name]))
    samples = torch.tensor([400, 719, 720, 16_000, 32_000, 48_000, 80_080, 250_000])
    expected = upstream.model._get_feat_extract_output_lengths(samples)
    assert [upstream.frames(int(n)) for n in samples] == expected.tolist()
    assert upstream.frames(399) == upstream.frames(0) == 0


def test_whisper_comes_as_its_own_upstream_gives_it(tiny_checkpoints: dict[str, Path]) -> None:
    upstream = make(weights=str(tiny_checkpoints["whisper"]))
    assert isinstance(upstream, Whisper)
    assert upstream.context == "window"


def test_all_types_that_are_taken_are_listed_and_tried(tiny_checkpoints: dict[str, Path]) -> None:
    kinds = {ENCODERS[name][0] for name in (*FAMILY, *APART, "whisper")}
    assert {kind for kind in TAKEN if kind in (make.__doc__ or "")} == {*TAKEN} == kinds


def test_needs_weights() -> None:
    with pytest.raises(SerbenchError, match="--weights OWNER/NAME"):
        make()


def test_a_bare_name_gets_the_id_it_may_mean() -> None:
    with pytest.raises(SerbenchError, match="did you mean 'facebook/hubert-base-ls960'"):
        make(weights="hubert-base-ls960")


def test_a_text_model_is_refused_with_the_types_that_are_taken(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9}
    BertModel(BertConfig(**sizes, intermediate_size=16)).save_pretrained(tmp_path)
    with pytest.raises(SerbenchError, match=r"model type 'bert'; .* takes data2vec-audio, hubert"):
        make(weights=str(tmp_path))


def test_settings_without_a_type_are_refused(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    file = tiny_checkpoints["hubert"] / "model.safetensors"
    (tmp_path / "model.safetensors").write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 16}))
    with pytest.raises(SerbenchError, match="model type 'None'"):
        make(weights=str(tmp_path))
