"""s3prl's hub: real models of it, built small, and what its code must not do to ours."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from serbench.checks import check_upstream
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, fbank
from serbench.upstreams.s3prl import S3prlUpstream, make

from ..checkpoints import LARGE, save_encoder  # noqa: TID252

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:At least one mel filterbank has all zero values"),
    pytest.mark.filterwarnings("ignore:.*torch.nn.utils.weight_norm.*:FutureWarning"),
]
CONVOLUTIONS = "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2"
SMALL = {
    "encoder_layers": 2,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 48,
    "encoder_attention_heads": 2,
    "conv_feature_layers": CONVOLUTIONS,
    "conv_pos": 16,
    "conv_pos_groups": 4,
}


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def clips(*waves: Tensor) -> Clips:
    return Clips(list(waves), ["a"] * len(waves), [None] * len(waves))


def hubert(path: Path, seed: int, **settings: Any) -> Path:
    """Write a small HuBERT in the format of s3prl's converted checkpoints."""
    from s3prl.upstream.hubert.hubert_model import (
        HubertConfig,
        HubertModel,
        HubertPretrainingConfig,
    )

    config, task = (
        HubertConfig(label_rate=50, **SMALL | settings),
        HubertPretrainingConfig(normalize=True),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = HubertModel(config, task, [["a", "b"]])
    state = {
        "task_cfg": asdict(task),
        "model_cfg": asdict(config),
        "model_weight": model.state_dict(),
        "dictionaries_symbols": [["a", "b"]],
    }
    torch.save(state, path)
    return path


def apc(path: Path) -> Path:
    """Write a small APC, a recurrent model over a filter bank."""
    from s3prl.upstream.apc.apc import APC

    sizes = {"hidden_size": 24, "num_layers": 3, "dropout": 0.5, "residual": True}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = APC(80, **sizes)
    audio = {"feat_type": "fbank", "feat_dim": 80, "frame_length": 25, "frame_shift": 10}
    config = {"data": {"audio": audio | {"cmvn": True}}, "model": {"paras": sizes}}
    torch.save({"config": config, "model": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("s3prl")
    return {
        "hubert_local": str(hubert(folder / "hubert.pt", seed=0)),
        "apc_local": str(apc(folder / "apc.ckpt")),
    }


def test_fbank_is_ours() -> None:
    batch = clips(noise(16_000), noise(5_003))
    theirs, ours = make(weights="fbank")(batch), fbank.make(normalize=True)(batch)
    torch.testing.assert_close(theirs.layers, ours.layers, rtol=0, atol=5e-5)
    assert theirs.lengths.tolist() == ours.lengths.tolist()


def test_hidden_states_are_those_of_s3prl(checkpoints: dict[str, str]) -> None:
    from s3prl import hub

    path = checkpoints["hubert_local"]
    upstream, theirs = make(weights="hubert_local", checkpoint=path), hub.hubert_local(ckpt=path)
    wave = noise(16_000)
    with torch.no_grad():
        hidden = theirs.eval()([wave])["hidden_states"]
    ours = upstream(clips(wave, noise(32_000, seed=1)))
    assert (upstream.depth, upstream.dim) == (3, 32)
    assert ours.lengths.tolist() == [49, 99]
    for layer, expected in zip(ours.layers, hidden, strict=True):
        torch.testing.assert_close(layer[0, :49], expected[0], rtol=0, atol=0)


@pytest.mark.parametrize("model", ["hubert_local", "apc_local", "mel", "spectrogram", "mfcc"])
def test_frames_are_exact(model: str, checkpoints: dict[str, str]) -> None:
    upstream = make(weights=model, checkpoint=checkpoints.get(model))
    for samples in (800, 801, 1_039, 4_321, 9_999, 16_079, 16_080, 16_081):
        assert upstream(clips(noise(samples))).lengths.tolist() == [upstream.frames(samples)]


@pytest.mark.parametrize("model", ["hubert_local", "apc_local", "mel"])
def test_models_keep_the_contract(model: str, checkpoints: dict[str, str]) -> None:
    assert check_upstream(make(weights=model, checkpoint=checkpoints.get(model))) == []


@pytest.mark.parametrize("kind", ["hubert", "wav2vec2"])
@pytest.mark.parametrize("size", ["", ".large"])
def test_last_layer_of_a_model_out_of_transformers_is_what_the_model_puts_out(
    kind: str, size: str, tiny_checkpoints: dict[str, Path]
) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    folder, wave = str(tiny_checkpoints[kind + size]), noise(16_000)
    inputs = AutoFeatureExtractor.from_pretrained(folder)(
        wave.numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.no_grad():
        output = AutoModel.from_pretrained(folder).eval()(**inputs, output_hidden_states=True)
    upstream = make(weights=f"hf_{kind}_custom", checkpoint=folder)
    layers = upstream(clips(wave, noise(32_000, seed=1))).layers[:, 0, :49]
    assert torch.equal(layers[-1], output.last_hidden_state[0])
    for layer, expected in zip(layers[:-1], output.hidden_states[:-1], strict=True):
        assert torch.equal(layer, expected[0])
    ours = importlib.import_module(f"serbench.upstreams.{kind}").make(weights=folder)(clips(wave))
    torch.testing.assert_close(layers, ours.layers[:, 0], rtol=0, atol=1e-4)


def test_adapter_behind_an_encoder_leaves_its_layers_as_they_are(tmp_path: Path) -> None:
    settings = LARGE | {"add_adapter": True, "num_adapter_layers": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_encoder(tmp_path, "wav2vec2", settings)
    features = make(weights="hf_wav2vec2_custom", checkpoint=str(tmp_path))(clips(noise(16_000)))
    assert features.lengths.tolist() == [49]
    last = features.layers[-1, 0]
    # a fresh layer norm neither scales nor shifts: its output has mean 0
    torch.testing.assert_close(last.mean(dim=1), torch.zeros(49), rtol=0, atol=1e-5)


def test_last_layer_of_a_large_model_of_s3prl_is_after_its_norm(tmp_path: Path) -> None:
    path = hubert(tmp_path / "large.pt", seed=0, layer_norm_first=True)
    last = make(weights="hubert_local", checkpoint=str(path))(clips(noise(16_000))).layers[-1, 0]
    torch.testing.assert_close(last.mean(dim=1), torch.zeros(49), rtol=0, atol=1e-5)


def test_checkpoint_of_another_model_is_refused(tiny_checkpoints: dict[str, Path]) -> None:
    folder = str(tiny_checkpoints["wavlm.large"])
    with pytest.raises(SerbenchError, match=r"type 'wavlm', of which .* --upstream huggingface"):
        make(weights="hf_wav2vec2_custom", checkpoint=folder)


def test_zeros_at_the_end_of_a_clip_are_frames_too() -> None:
    wave = torch.cat([noise(8_000), torch.zeros(8_000)])
    before = wave.clone()
    from s3prl import hub

    assert hub.mel()([wave])["hidden_states"][0].shape[1] < 60, "s3prl no longer cuts them off"
    assert make(weights="mel")(clips(wave)).lengths.tolist() == [100]
    assert torch.equal(wave, before)


class Irregular(nn.Module):
    """A model that works in windows of 0.2 s and needs at least 0.1 s."""

    def __init__(self, unstable: bool = False) -> None:
        super().__init__()
        self.runs = 0
        self._unstable = unstable

    def get_downsample_rates(self, key: str) -> int:
        return 1_600

    def forward(self, waves: list[Tensor]) -> dict[str, list[Tensor]]:
        self.runs += 1
        (wave,) = waves
        frames = 2 * round(len(wave) / 3_200)
        if not frames:
            raise RuntimeError("kernel size can't be greater than actual input size")
        frames -= int(self._unstable and wave[0] != 0)
        return {"hidden_states": [torch.randn(1, frames, 4), torch.zeros(1, frames, 4)]}


def test_model_without_a_fixed_stride_is_counted_on_silence() -> None:
    encoder = Irregular()
    upstream = S3prlUpstream("irregular", encoder)
    lengths = (1_000, 1_601, 4_801, 12_345)
    assert [upstream.frames(n) for n in lengths] == [0, 2, 4, 8]
    runs = encoder.runs
    assert [upstream.frames(n) for n in lengths] == [0, 2, 4, 8]
    assert encoder.runs == runs
    assert upstream(clips(noise(12_345))).lengths.tolist() == [8]
    with pytest.raises(SerbenchError, match=r"'irregular' fails on a clip of 1000 .* kernel size"):
        upstream(clips(noise(1_000)))


def test_model_whose_frames_depend_on_the_sound_is_refused() -> None:
    upstream = S3prlUpstream("unstable", Irregular(unstable=True))
    assert upstream.frames(9_600) == 6
    with pytest.raises(SerbenchError, match=r"'unstable' gives 5 frames for .* 9600 .* but 6 for"):
        upstream(clips(noise(9_600)))


def test_model_that_draws_is_the_same_twice_and_leaves_the_generators() -> None:
    upstream = S3prlUpstream("irregular", Irregular())
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    first, second = (upstream(clips(noise(8_000))).layers for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def test_layers_of_several_widths_are_refused() -> None:
    class Wider(Irregular):
        def forward(self, waves: list[Tensor]) -> dict[str, list[Tensor]]:
            return {"hidden_states": [torch.zeros(1, 10, 4), torch.zeros(1, 10, 6)]}

    with pytest.raises(SerbenchError, match=r"'wider' are \[4, 6\] wide"):
        S3prlUpstream("wider", Wider())


def test_provenance_tells_weights_apart(checkpoints: dict[str, str], tmp_path: Path) -> None:
    weights = [
        checkpoints["hubert_local"],
        hubert(tmp_path / "b.pt", 1),
        hubert(tmp_path / "c.pt", 0),
    ]
    cards = [make(weights="hubert_local", checkpoint=str(w)).provenance for w in weights]
    assert cards[0] == cards[2]
    assert cards[0]["digest"] != cards[1]["digest"]
    assert cards[0]["id"] == "s3prl/hubert_local"
    assert "digest" not in make(weights="fbank").provenance


def test_encoder_is_frozen(checkpoints: dict[str, str]) -> None:
    upstream = make(weights="apc_local", checkpoint=checkpoints["apc_local"])
    assert not any(module.training for module in upstream._encoder.modules())
    assert not any(parameter.requires_grad for parameter in upstream.parameters())
    assert not upstream(clips(noise(8_000))).layers.requires_grad


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "os"}, "no s3prl model 'os'"),
        ({"weights": "Path"}, "no s3prl model 'Path'"),
        ({"weights": "options"}, "no s3prl model 'options'"),
        ({"weights": "load_and_convert_fairseq_ckpt"}, "no s3prl model 'load_and_convert"),
        ({"weights": "hubrt_base"}, "did you mean 'hubert_base'"),
        ({"weights": "hubert_local"}, "needs option .checkpoint"),
        ({"weights": "hubert_local", "checkpoint": "./none.pt"}, "'./none.pt' does not exist"),
        (
            {"weights": "tera", "checkpoint": "my.ckpt"},
            "would not use 'my.ckpt'; take one of: tera_local",
        ),
        ({"weights": "fbank", "checkpoint": "my.ckpt"}, "leave the checkpoint out"),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SerbenchError, match=message) as caught:
        make(**options)
    assert not any(name in str(caught.value) for name in (" torch,", " FileLock,", " Path,"))


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.pt"
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(SerbenchError, match="could not build 'hubert_local': ValueError"):
        make(weights="hubert_local", checkpoint=str(path))


def test_folder_without_its_preprocessor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match=r"no preprocessor_config\.json"):
        make(weights="hf_hubert_custom", checkpoint=str(tmp_path))


def test_failed_download_says_what_goes_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from s3prl.util import download

    monkeypatch.setattr(download, "_download_dir", tmp_path)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(
        SerbenchError, match=r"download https://.*states-1000000\.ckpt.* save it as"
    ):
        make(weights="tera")
    assert not list(tmp_path.glob("*.ckpt"))


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "s3prl"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "s3prl", None)
    with pytest.raises(SerbenchError, match=r"pip install 'serbench\[s3prl\]'"):
        make()


def test_importing_the_plugin_does_not_import_s3prl() -> None:
    code = "import sys, serbench.upstreams.s3prl; sys.exit('s3prl' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
