"""HuBERT of TAPT and PAPT: whose embedding is where, who is unseen, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import HubertModel

from serbench import plugins
from serbench.benchmarks import UNKNOWN
from serbench.durable import seal
from serbench.encoders import weights
from serbench.encoders.personal import PersonalEncoder
from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.speakers import SpeakerModule
from serbench.encoders.waveform import WaveformEncoder
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.upstreams import (
    Clips,
    Recording,
    Unlabelled,
    hubert,
    huggingface,
    papt_hubert,
    tapt_hubert,
)

NAMES = ["ann", "bob", "cid"]
POSITIONS = ["last", "first", "prefix", "none"]
Noise = Callable[[int], Tensor]


@pytest.fixture(scope="session")
def personal(
    write_tiny_hubert: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Return a folder of PAPT's weights for each position."""
    root = tmp_path_factory.mktemp("papt")
    return {name: write_tiny_hubert(root / name, NAMES, name) for name in POSITIONS}


def encoder(folder: Path, **options: str) -> PersonalEncoder:
    position = {"position": folder.name}
    return papt_hubert.make(weights=str(folder), **position | options)  # type: ignore[arg-type]


def plain(folder: Path) -> WaveformEncoder:
    """Return the encoder without its speakers."""
    return WaveformEncoder(weights.find(str(folder), None, {}))


def batch(waves: list[Tensor], *speakers: str) -> Clips:
    return Clips(waves, list(speakers), [None] * len(waves))


def heard(made: PersonalEncoder, wave: Tensor) -> Tensor:
    """Return (D,), what a voice sounds like, by transformers' own parts."""
    wave = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
    features = made.model.feature_extractor(wave[None]).transpose(1, 2)
    return made.model.feature_projection(features)[0].mean(0)


def know(made: PersonalEncoder, voices: list[list[Tensor]]) -> None:
    """Let the table's speakers sound like some waves."""
    for row, waves in enumerate(voices):
        made.speakers.profiles[row] = torch.stack([heard(made, w) for w in waves]).mean(0)


@torch.inference_mode()
def test_last_adds_the_vector_of_the_speaker_to_the_output_alone(
    personal: dict[str, Path], noise: Noise
) -> None:
    waves = [noise(9000), noise(4000)]
    base = plain(personal["last"])(batch(waves, "bob", "ann"))
    made = encoder(personal["last"])
    layers, lengths = made(batch(waves, "bob", "ann"))
    assert lengths.tolist() == base.lengths.tolist()
    assert torch.equal(layers[:-1], base.layers[:-1])
    vectors = made.speakers(torch.tensor([1, 0]))
    for i, length in enumerate(lengths):
        found = (layers[-1] - base.layers[-1])[i, :length]
        torch.testing.assert_close(found, vectors[i].expand(int(length), -1), rtol=0, atol=1e-5)
        assert not layers[:, i, length:].any()


@pytest.mark.parametrize("position", POSITIONS)
@torch.inference_mode()
def test_the_output_is_what_the_adaptation_trained(
    personal: dict[str, Path], noise: Noise, position: str
) -> None:
    """The same clip through the model of masked prediction, with nothing masked."""
    folder, wave = personal[position], noise(8000)
    made = encoder(folder)
    assert made.dim == 16
    layers, _ = made(batch([wave, noise(11000)], "cid", "ann"))
    table = SpeakerModule.load(folder / "speakers.safetensors")
    model = MaskedPrediction(HubertModel.from_pretrained(folder), 8, width=16, speakers=table)
    centred = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
    features = model.eval().convolve(centred[None])
    nothing = torch.zeros(features.shape[:2], dtype=torch.bool)
    expected = model.encode(features, nothing, torch.tensor([2]))[0]
    torch.testing.assert_close(layers[-1, 0, : len(expected)], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("position", ["last", "first", "prefix"])
@torch.inference_mode()
def test_another_speaker_gives_other_features(
    personal: dict[str, Path], noise: Noise, position: str
) -> None:
    made = encoder(personal[position])
    first, second = (made(batch([noise(8000)], name)).layers for name in ("ann", "bob"))
    changed = [not torch.allclose(a, b) for a, b in zip(first, second, strict=True)]
    assert changed == ([False, False, True] if position == "last" else [True] * 3)


@torch.inference_mode()
def test_a_copy_of_a_known_speaker_is_taken_for_him(
    personal: dict[str, Path], noise: Noise
) -> None:
    made = encoder(personal["last"])
    voices = [[noise(n + 500 * i) for i in range(3)] for n in (6000, 7777, 9999)]
    know(made, voices)
    assert made.unseen_speakers(["bob", "dan", "ann", "eve"]) == ["dan", "eve"]
    made.enrol("dan", voices[1])
    assert made.unseen_speakers(["dan", "eve"]) == ["eve"]
    clip = voices[2][0]  # what he says now is no matter once he is met
    assert torch.equal(made(batch([clip], "dan")).layers, made(batch([clip], "bob")).layers)


@torch.inference_mode()
def test_a_stranger_who_was_not_met_is_judged_by_the_clip(
    personal: dict[str, Path], noise: Noise
) -> None:
    made = encoder(personal["last"])
    voices = [[noise(6000)], [noise(7777)], [noise(9999)]]
    know(made, voices)
    waves = [voices[2][0], voices[0][0], noise(5000)]
    found = made(batch(waves, "x", "x", "bob")).layers
    expected = made(batch(waves, "cid", "ann", "bob")).layers
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "none"])
@torch.inference_mode()
def test_the_rules_that_hear_nothing(personal: dict[str, Path], noise: Noise, rule: str) -> None:
    made = encoder(personal["last"], unseen=rule)
    assert made.unseen_speakers(["dan"]) == []
    base = plain(personal["last"])(batch([noise(8000)], "dan"))
    shift = (made(batch([noise(8000)], "dan")).layers - base.layers)[-1, 0]
    everyone = made.speakers(torch.arange(3)).mean(0)
    expected = everyone if rule == "mean" else torch.zeros(16)
    torch.testing.assert_close(shift, expected.expand_as(shift), rtol=0, atol=1e-5)


def test_weights_that_are_not_adapted_are_refused(pretrained_hubert: Path) -> None:
    for make, method in ((papt_hubert.make, "papt"), (tapt_hubert.make, "tapt")):
        with pytest.raises(SerbenchError, match=f"not adapted.*`serbench pretrain {method}`"):
            make(weights=str(pretrained_hubert))


def test_weights_of_another_kind_are_refused(personal: dict[str, Path]) -> None:
    with pytest.raises(SerbenchError, match="with position 'prefix', not 'last'"):
        papt_hubert.make(weights=str(personal["prefix"]))
    for plugin in (hubert, huggingface, tapt_hubert):
        with pytest.raises(SerbenchError, match="take upstream 'papt_hubert'"):
            plugin.make(weights=str(personal["last"]))


@pytest.mark.parametrize("name", ["papt_hubert", "tapt_hubert", "cpc"])
def test_values_out_of_range_are_refused_before_audio_is_read(name: str, tmp_path: Path) -> None:
    plugin = plugins.find("upstreams", name)
    offered = Unlabelled("own", "CC0", "", "all", [Recording(tmp_path / "none.wav", "ann")])
    wrong = {"epochs": (0, -3), "peak": (-1.0,), "batch_seconds": (0.0,)}
    wrong |= {"gradient": (-1.0, 2.0), "layer_drop": (-0.1, 1.1), "crop_seconds": (0.0,)}
    for key, values in ({"updates": (0,), "clips": (0,)} if name == "cpc" else wrong).items():
        for value in values:
            options = plugins.validate(plugin, {key: value})
            with pytest.raises(SerbenchError, match=key):
                plugins.adapter(plugin)(options, offered, tmp_path, progress=Silent(), device="cpu")


def test_the_speakers_are_part_of_the_weights(
    tmp_path: Path, write_tiny_hubert: Callable[..., Path]
) -> None:
    digests = set()
    for names in (["ann", "bob"], ["ann", "cid"]):
        folder = write_tiny_hubert(tmp_path / names[1], names)
        digests.add(weights.find(str(folder), None, {}).provenance["digest"])
    assert len(digests) == 2


def test_the_card_is_the_provenance_of_a_folder(pretrained_hubert: Path) -> None:
    found = weights.find(str(pretrained_hubert), None, {})
    assert found.provenance == {
        "id": "tiny",
        "licence": "Apache-2.0",
        "trained_on": "Noise (1.0 h)",
        "method": "HuBERT",
        "digest": weights.digest(pretrained_hubert),
    }


def test_what_the_base_was_trained_on_is_not_forgotten(
    tmp_path: Path, write_tiny_hubert: Callable[..., Path]
) -> None:
    folder = write_tiny_hubert(tmp_path / "tiny")
    card = json.loads((folder / "card.json").read_text())
    card["base"] = {"id": "nano", "trained_on": "Speech (2 h)"}
    (folder / "card.json").write_text(json.dumps(card))
    seal(folder)
    assert weights.find(str(folder), None, {}).provenance["trained_on"] == (
        "Speech (2 h), Noise (1.0 h)"
    )


@pytest.mark.parametrize("name", ["nano", "serbench/hubert-nano"])
def test_a_packaged_size_is_a_folder_of_the_package(
    name: str, pretrained_hubert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"nano": hubert.WEIGHTS["nano"] | {"packaged": pretrained_hubert.name}}
    monkeypatch.setattr(weights, "PACKAGED", pretrained_hubert.parent)
    found = weights.find(name, None, sizes)
    assert found.folder == pretrained_hubert
    assert found.provenance["id"] == "serbench/hubert-nano"
    assert found.provenance["trained_on"] == "Noise (1.0 h)", "the card is right"
    assert "packaged" not in found.provenance
    with pytest.raises(SerbenchError, match="come with serbench and have no revision 'main'"):
        weights.find(name, "main", sizes)


def test_an_unknown_speaker_is_not_adapted_to_and_each_clip_is_judged_alone(
    personal: dict[str, Path], noise: Noise, tmp_path: Path
) -> None:
    made = encoder(personal["last"], unseen="nearest")
    profiles = torch.randn(len(NAMES), 16, generator=torch.Generator().manual_seed(0))
    made.speakers.profiles.copy_(profiles)
    assert made.unseen_speakers(["ann", "zoe", UNKNOWN]) == ["zoe"]
    waves = [noise(6_000), noise(9_000)]
    together = made(batch(waves, UNKNOWN, UNKNOWN)).layers
    for row, wave in enumerate(waves):
        alone = made(batch([wave], f"new {row}")).layers[:, 0]
        frames = made.frames(len(wave))
        torch.testing.assert_close(together[:, row, :frames], alone, rtol=0, atol=1e-5)
    offered = Unlabelled("x", "CC0", "", "all", [Recording(tmp_path / "a.wav", UNKNOWN)])
    options = {"weights": "nano", "revision": None, "position": "last", "unseen": "nearest"}
    options |= {"epochs": 1, "peak": None, "batch_seconds": None, "gradient": None}
    options |= {"layer_drop": None, "crop_seconds": None, "seed": 0, "adapt_on": "all"}
    with pytest.raises(
        SerbenchError, match="all speakers are unknown, so that none can be adapted"
    ):
        papt_hubert.adapt(options, offered, tmp_path, progress=Silent(), device="cpu")
