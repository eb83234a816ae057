"""The weights that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from serbench import plugins
from serbench.checks import check_upstream
from serbench.encoders.pretraining.head import load_head
from serbench.encoders.pretraining.hubert import open_encoder
from serbench.encoders.pretraining.pseudo_labels import layer
from serbench.encoders.weights import PACKAGED
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, cpc, hubert

FOLDERS = ("hubert_nano", "cpc_nano")


def card(folder: str) -> dict:
    return json.loads((PACKAGED / folder / "card.json").read_text())


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_card_names_the_audio_and_who_is_to_be_named(folder):
    corpora = card(folder)["corpora"]
    assert [corpus["licence"] for corpus in corpora] == ["CC BY 4.0", "free for all uses"]
    assert all(corpus["attribution"] for corpus in corpora)
    assert sum(corpus["speakers"] for corpus in corpora) == 511
    assert sum(corpus["hours"] for corpus in corpora) == pytest.approx(7.06, abs=0.01)
    assert not {"emodb", "emotale", "crema_d"} & {corpus["name"].lower() for corpus in corpora}


@pytest.mark.parametrize("folder", FOLDERS)
def test_they_are_small(folder):
    assert (PACKAGED / folder / "model.safetensors").stat().st_size < 15 * 2**20


def test_the_losses_are_below_those_of_guessing():
    encoder, head = card("hubert_nano")["stages"]
    assert encoder["masked_loss"] < encoder["label_entropy"] - 1
    assert head["masked_loss"] < head["label_entropy"] - 1
    (network,) = card("cpc_nano")["stages"]
    assert network["contrastive_loss"] < network["chance"] - 1


@pytest.mark.parametrize("upstream", ["hubert", "cpc", "tapt_hubert", "papt_hubert"])
def test_they_are_the_default(upstream):
    assert plugins.find("upstreams", upstream).options["weights"].default == "nano"


@pytest.mark.parametrize("made", [hubert.make, cpc.make], ids=["hubert", "cpc"])
def test_what_they_are_is_told(made):
    told = made().provenance
    assert told["id"].startswith("serbench/")
    assert len(told["digest"]) == 64
    assert "LibriSpeech" in told["trained_on"]
    assert "speechocean762" in told["trained_on"]
    assert told["licence"] == "Apache-2.0"


@pytest.mark.parametrize("made", [hubert.make, cpc.make], ids=["hubert", "cpc"])
def test_they_keep_the_contract(made):
    assert check_upstream(made()) == []


def test_transformers_gives_the_same_features_from_the_folder():
    from transformers import AutoFeatureExtractor, HubertModel

    folder = PACKAGED / "hubert_nano"
    wave = torch.randn(20_000, generator=torch.Generator().manual_seed(0)) * 0.1
    inputs = AutoFeatureExtractor.from_pretrained(folder)(
        wave.numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    model = HubertModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        theirs = model(inputs.input_values).last_hidden_state
        ours = hubert.make()(Clips([wave], ["a"], [None])).layers[-1]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["centres", "embeddings"])
def test_a_head_that_is_not_finite_is_refused(tmp_path, name):
    """With one NaN among the centres, every frame would be of one cluster."""
    tensors = load_file(PACKAGED / "hubert_nano" / "head.safetensors")
    tensors[name][0, 0] = torch.nan
    save_file(tensors, tmp_path / "head.safetensors", {"layer": "3"})
    with pytest.raises(SerbenchError, match=f"{name} holds numbers that are not finite"):
        load_head(tmp_path / "head.safetensors")


def test_the_head_s_clusters_are_near_the_frames_of_its_layer():
    """Half precision, card and head belong to this encoder, not to one of another iteration."""
    from serbench.encoders.weights import find

    found = find("nano", None, hubert.WEIGHTS)
    own = load_head(Path(found.folder) / "head.safetensors").own
    encoder, normalize = open_encoder(found)
    frames = layer(encoder, own.layer, normalize=normalize)(
        torch.randn(32_000, generator=torch.Generator().manual_seed(0)) * 0.1
    )
    from_centres = torch.cdist(torch.from_numpy(frames), torch.from_numpy(own.quantizer.centres))
    apart = torch.cdist(*[torch.from_numpy(own.quantizer.centres)] * 2)
    assert from_centres.min(1).values.mean() < apart.max()
