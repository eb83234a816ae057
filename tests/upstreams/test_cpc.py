"""CPC's context, from the project's own folders and from checkpoints of CPC_audio."""

from __future__ import annotations

import json
import math
import pickle
import shutil
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from serbench import plugins
from serbench.checks import check_upstream
from serbench.encoders.cpc import ChannelNorm, Convolution, Layout, Network
from serbench.encoders.pretraining.contrastive import draw_negatives
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.upstreams import Clips, Recording, Unlabelled
from serbench.upstreams.cpc import ADAPTED_BY, adapt, make

PUBLIC = {"hiddenEncoder": 12, "hiddenGar": 16, "nLevelsGRU": 1, "arMode": "LSTM"}


def public_model(**settings: Any) -> nn.Module:
    """Return a small network of s3prl's copy of CPC_audio."""
    from s3prl.upstream.cpc.cpc_default_config import get_default_cpc_config
    from s3prl.upstream.cpc.feature_loader import getAR, getEncoder
    from s3prl.upstream.cpc.model import CPCModel

    config = Namespace(**vars(get_default_cpc_config()) | PUBLIC | settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CPCModel(getEncoder(config), getAR(config)).eval()
        for module in model.gEncoder.modules():
            if hasattr(module, "epsilon") and hasattr(
                module, "weight"
            ):  # a norm, as after training
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
    return model


@pytest.fixture
def published(tmp_path: Path) -> Callable[..., tuple[Path, nn.Module]]:
    """Return a maker of a checkpoint as it is published, and of the network in it."""

    def make(**settings: Any) -> tuple[Path, nn.Module]:
        model = public_model(**settings)
        path = tmp_path / "public.pt"
        torch.save({"config": PUBLIC | settings, "weights": model.state_dict()}, path)
        return path, model

    return make


@pytest.fixture
def folder(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of a tiny CPC to break."""
    return Path(shutil.copytree(tiny_checkpoints["cpc"], tmp_path / "copy"))


def fails(weights: str | Path, message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        make(weights=str(weights))


def of(*waves: Tensor) -> Clips:
    return Clips(list(waves), ["a"] * len(waves), [None] * len(waves))


# frames


def test_ten_seconds_have_998_frames_of_425_samples():
    layout = Layout()
    assert layout.frames(160_000) == 998
    assert layout.shortest == 425
    assert [layout.frames(samples) for samples in (0, 424, 425, 584, 585)] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("public", [False, True])
def test_frames_are_those_of_the_convolutions(public):
    five = {"kernels": (10, 8, 4, 4, 4), "strides": (5, 4, 2, 2, 2), "paddings": (3, 2, 1, 1, 1)}
    layout = replace(Layout(channels=2, hidden=2), **(five if public else {}))
    network = Network(layout)
    for samples in (layout.shortest, 425, 585, 747, 1001, 1603, 5759, 16001, 16159, 16161):
        assert network.convolve(torch.zeros(1, samples)).shape[1] == layout.frames(samples)
    assert layout.frames(layout.shortest) == 1
    assert layout.frames(layout.shortest - 1) == 0


@pytest.mark.parametrize("sizes", [(10, 5, 0), (8, 4, 2), (4, 3, 1), (5, 2, 3)])
def test_convolutions_and_norms_are_what_torch_computes_channels_first(sizes):
    torch.manual_seed(0)
    kernel, stride, padding = sizes
    ours, norm = Convolution(3, 6, kernel, stride, padding).double(), ChannelNorm(6).double()
    for parameter in (*ours.parameters(), *norm.parameters()):
        nn.init.normal_(parameter)
    theirs = nn.Conv1d(3, 6, kernel, stride, padding).double()
    theirs.load_state_dict(ours.state_dict())
    frames = torch.randn(2, 3, 41, dtype=torch.float64, requires_grad=True)
    output = theirs(frames)
    deviation = (output.var(1, keepdim=True) + norm.eps).sqrt()
    scaled = (output - output.mean(1, keepdim=True)) / deviation
    expected = scaled * norm.weight[:, None] + norm.bias[:, None]
    found = norm(ours(frames.mT)).mT
    torch.testing.assert_close(found, expected)
    parameters = [ours.weight, ours.bias, frames, norm.weight, norm.bias]
    expected_grads = torch.autograd.grad(
        expected.pow(3).sum(), [theirs.weight, theirs.bias, *parameters[2:]]
    )
    torch.testing.assert_close(torch.autograd.grad(found.pow(3).sum(), parameters), expected_grads)


def test_a_frame_sees_its_425_samples_alone_and_its_context_nothing_later(tiny_checkpoints):
    upstream = make(weights=str(tiny_checkpoints["cpc"]))
    wave = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    changed = wave.clone()
    changed[10 * 160 + 425 :] += 1
    first, second = (upstream(of(w)).layers[0, 0] for w in (wave, changed))
    torch.testing.assert_close(first[:11], second[:11])
    assert not torch.allclose(first[11], second[11])


# folders


def test_provenance_is_the_folder_and_its_card(folder):
    assert make(weights=str(folder)).provenance.keys() == {"id", "digest"}
    (folder / "card.json").write_text(json.dumps({"licence": "MIT", "trained_on": "X", "seed": 0}))
    provenance = make(weights=str(folder)).provenance
    assert provenance["id"] == "copy"
    assert (provenance["licence"], provenance["trained_on"]) == ("MIT", "X")


def test_loading_leaves_the_global_random_state_alone(folder):
    state = torch.get_rng_state()
    make(weights=str(folder))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_to_give_is_said(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fails("base", "no weights 'base'; give .nano., a folder")
    fails("./nowhere", "no weights './nowhere'; give .nano., a folder")
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "no config.json")


def test_another_model_is_refused(tiny_checkpoints):
    fails(tiny_checkpoints["hubert"], "of model type 'hubert'; upstream 'cpc' takes a folder")


def test_broken_tensors_are_named(folder):
    tensors = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if "hh" not in k}, folder / "model.safetensors")
    fails(folder, r"do not fill the network: .*recurrence.weight_hh_l0")
    tensors["recurrence.weight_hh_l0"][2, 3] = torch.inf
    save_file(tensors, folder / "model.safetensors")
    fails(folder, "recurrence.weight_hh_l0 holds numbers that are not finite")
    (folder / "model.safetensors").write_bytes(b"\0" * 40)
    fails(folder, r"model\.safetensors cannot be read")


# fresh networks


def test_a_fresh_network_has_the_papers_sizes_and_follows_its_seed(noise):
    first, again, other = (make(weights="random", seed=seed) for seed in (1, 1, 2))
    assert first.network.layout == Layout(norm=True)
    assert make(weights="random", norm=False).network.layout == Layout()
    assert (first.depth, first.dim, first.provenance["id"]) == (1, 256, "random, seed 1")
    wave = of(noise(4_000))
    assert torch.equal(first(wave).layers, again(wave).layers)
    assert not torch.allclose(first(wave).layers, other(wave).layers)


def test_a_fresh_network_hears_quiet_recordings_as_well(noise):
    network = make(weights="random").network
    wave = noise(8_000)
    loud, quiet = (network.convolve(gain * wave[None]) for gain in (0.5, 0.02))
    assert nn.functional.cosine_similarity(loud, quiet, dim=-1).min() > 0.9
    assert quiet.std(1).mean() > 0.5 * loud.std(1).mean()


@pytest.mark.parametrize("contrastive", [0.0, 0.5])
def test_a_fresh_network_keeps_the_contract(contrastive):
    state = torch.get_rng_state()
    upstream = make(weights="random", contrastive=contrastive)
    assert torch.equal(torch.get_rng_state(), state)
    assert check_upstream(upstream) == []


# contrasting while it is trained


def auxiliary(upstream: Any, batch: Clips, seed: int = 0) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loss: Tensor = upstream.auxiliary_loss(batch, upstream(batch))
    return loss


def test_there_is_no_loss_of_its_own_unless_asked_for(folder, noise):
    batch = of(noise(4_000), noise(5_000))
    upstream = make(weights=str(folder))
    assert upstream.auxiliary_loss(batch, upstream(batch)) is None
    assert not hasattr(upstream, "prediction")
    with pytest.raises(SerbenchError, match=r"contrastive = -1.0; a weight is 0 or more"):
        make(weights=str(folder), contrastive=-1.0)


def test_the_loss_is_infonce_on_what_all_clips_have(folder, noise):
    upstream = make(weights=str(folder), contrastive=0.25)
    batch = of(noise(5_000), noise(4_585))  # the shorter one has 27 frames
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        negatives = draw_negatives(2, 27, 12, 50, torch.default_generator)
    matrices = upstream.prediction.predictors.weight.unflatten(0, (12, 12))
    losses = []
    for clip, wave in enumerate(batch.waves):
        frames = upstream.network.convolve(wave[None, :4_585])
        contexts, frames = upstream.network.contexts(frames)[0], frames[0]
        for place in range(12, 27):
            for step in range(1, 13):
                ahead = matrices[step - 1] @ contexts[place - step]
                rivals = frames[[place, *negatives[clip, place - 12].tolist()]] @ ahead
                losses.append(-rivals.log_softmax(0)[0])
    expected = 0.25 * 12 * torch.stack(losses).mean()
    torch.testing.assert_close(auxiliary(upstream, batch, seed=3), expected)


def test_a_fresh_network_starts_near_chance_and_short_clips_repeat(noise):
    upstream = make(weights="random", contrastive=1.0)
    for batch in (of(noise(9_000), noise(8_000)), of(noise(425), noise(9_000))):
        assert auxiliary(upstream, batch).item() == pytest.approx(12 * math.log(51), rel=0.1)


def test_the_loss_reaches_the_network_and_its_predictors(noise):
    upstream = make(weights="random", contrastive=1.0).requires_grad_(True)
    auxiliary(upstream, of(noise(5_000), noise(6_000))).backward()
    assert all(parameter.grad.any() for parameter in upstream.parameters())
    names = [name for name, _ in upstream.named_parameters()]
    assert "prediction.predictors.weight" in names
    assert len(names) == len(set(names)) == 21


def test_predictors_that_lie_beside_the_network_are_taken(folder):
    weight = torch.randn(3 * 12, 16, generator=torch.Generator().manual_seed(0))
    save_file({"predictors.weight": weight}, folder / "head.safetensors")
    prediction = make(weights=str(folder), contrastive=1.0).prediction
    assert prediction.steps == 3
    assert torch.equal(prediction.predictors.weight, weight)


# training on the corpus


@pytest.fixture
def offered(tmp_path: Path, noise: Callable[[int], Tensor]) -> Unlabelled:
    """Return four clips of two speakers."""
    recordings = []
    for number in range(4):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, noise(6_000 + 999 * number).numpy(), 16_000)
        recordings.append(Recording(path, f"speaker{number % 2}"))
    return Unlabelled("own", "CC0", "Us (2026), Our Voices", "all utterances", recordings)


class Listening(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)


def adapted(offered: Unlabelled, place: Path, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """Return what `adapt` changes for a training of two updates, and what it tells."""
    plugin = plugins.find("upstreams", "cpc")
    assert set(ADAPTED_BY) <= plugin.options.keys()
    options = plugins.validate(plugin, {"updates": 2, "clips": 2, "peak": 1e-3} | given)
    listening = Listening()
    changed = adapt(options, offered, place, progress=listening, device="cpu")
    return changed, listening.told


def test_a_network_is_trained_on_the_corpus_once(offered, tmp_path):
    changed, told = adapted(offered, tmp_path / "place", weights="corpus")
    assert changed == {"weights": str(tmp_path / "place")}
    assert told[0].startswith("trains CPC on all utterances of own: 4 utterances, 0.00 h, 2 speak")
    upstream = make(**changed, contrastive=1.0)
    assert upstream.network.layout == Layout(norm=True)
    assert "own" in upstream.provenance["trained_on"]
    assert upstream.prediction.steps == 12
    card = json.loads((tmp_path / "place/card.json").read_text())
    assert card["corpora"][0]["attribution"] == "Us (2026), Our Voices"
    options = card["options"]
    assert (options["updates"], options["clips"], options["peak"]) == (2, 2, 1e-3)
    assert options["clip_seconds"] == 10.0
    written = (tmp_path / "place/model.safetensors").stat().st_mtime_ns
    again, told = adapted(offered, tmp_path / "place", weights="corpus")
    assert again == changed
    assert "trained weights found" in told[-1]
    assert (tmp_path / "place/model.safetensors").stat().st_mtime_ns == written


def test_other_weights_are_taken_as_they_are(offered, tmp_path):
    for weights in ("random", "nano", "./somewhere"):
        assert adapted(offered, tmp_path / "place", weights=weights) == ({}, [])
    assert not (tmp_path / "place").exists()
    fails("corpus", "weights 'corpus' are of the audio of a benchmark, on which a run trains them")


def test_words_win_over_folders_of_the_same_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("corpus", "random", "nano"):
        shutil.copytree(folder, word)
        assert make(weights=f"./{word}").provenance["id"] == word
    fails("corpus", "weights 'corpus' are of the audio of a benchmark")
    assert make(weights="random").provenance["id"] == "random, seed 0"
    assert make(weights="nano").provenance["id"] == "serbench/cpc-nano"


# checkpoints of CPC_audio


@pytest.mark.parametrize(
    "settings",
    [{}, {"arMode": "GRU"}, {"nLevelsGRU": 2}, {"normMode": "ID"}, {"hiddenGar": 12}],
    ids=str,
)
def test_a_published_checkpoint_gives_what_s3prl_makes_of_it(published, noise, settings):
    path, model = published(**settings)
    upstream = make(weights=str(path))
    waves = [noise(samples) for samples in (16_000, 8_001, 12_345, 160, 4_799)]
    layers, lengths = upstream(of(*waves))
    for wave, ours, length in zip(waves, layers[0], lengths.tolist(), strict=True):
        with torch.inference_mode():
            theirs = model(wave[None, None], None)[0][0]
        assert length == len(theirs) == upstream.frames(len(wave))
        torch.testing.assert_close(ours[:length], theirs, atol=1e-5, rtol=1e-4)
    assert upstream.provenance["id"] == "public.pt"


def test_s3prls_own_reader_agrees(published, noise, monkeypatch):
    from s3prl.upstream.cpc.expert import UpstreamExpert

    path, _ = published()
    wave = noise(9_999)
    with torch.inference_mode():
        theirs = UpstreamExpert(str(path)).eval()([wave])["hidden_states"][-1]
    torch.testing.assert_close(make(weights=str(path))(of(wave)).layers[0], theirs)


def test_a_published_checkpoint_keeps_the_contract(published):
    assert check_upstream(make(weights=str(published()[0]))) == []


def test_all_forms_of_the_file_are_the_same(published, noise, tmp_path):
    path, model = published()
    state = model.state_dict()
    torch.save(state, tmp_path / "alone.pt")
    criterion = {"wPrediction.predictors.0.weight": torch.zeros(2, 2)}
    parts = {"gEncoder": state, "cpcCriterion": criterion, "optimizer": {"state": {}}, "best": None}
    torch.save(parts, tmp_path / "trained.pt")
    save_file(state | criterion, tmp_path / "safe.safetensors")
    wave = of(noise(8_000))
    expected = make(weights=str(path))(wave).layers
    for name in ("alone.pt", "trained.pt", "safe.safetensors"):
        assert torch.equal(make(weights=str(tmp_path / name))(wave).layers, expected), name


def test_a_file_that_runs_code_is_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (marker,))

    path = tmp_path / "trap.pt"
    torch.save({"weights": Trap()}, path)
    fails(path, "not a PyTorch file of tensors and plain values")
    path.write_bytes(pickle.dumps(Trap(), protocol=2))
    fails(path, "not a PyTorch file of tensors and plain values")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cpc_mode": "reverse"}, "mode 'reverse', which looks ahead"),
        ({"normMode": "batchNorm"}, "its norm is not the layer norm"),
        ({"arMode": "RNN"}, "neither GRU nor LSTM"),
        ({"arMode": "no_ar"}, "no checkpoint of CPC_audio with a recurrence"),
        ({"encoder_type": "lfb"}, r"kernels \[\] instead of"),
    ],
)
def test_other_networks_of_cpc_audio_are_refused(published, settings, message):
    fails(published(**settings)[0], message)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save([1, 2], path)
    fails(path, "holds a list, not a dict")
    torch.save({"weights": {"gAR.baseNet.weight_hh_l0": 3}}, path)
    fails(path, "not all tensors")
    path.write_bytes(b"not a checkpoint")
    fails(path, "not a PyTorch file")
