from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from serbench.encoders.pretraining.audio import Cutting
from serbench.encoders.pretraining.card import Card, Corpus, stage, write_hubert
from serbench.encoders.pretraining.head import OwnLabels, load_head
from serbench.encoders.pretraining.masked import MaskedBatches, MaskedPrediction, Objective
from serbench.encoders.pretraining.pseudo_labels import fit_quantizer, gather, label, mfcc
from serbench.encoders.pretraining.schedule import Settings
from serbench.encoders.pretraining.trainer import Trainer
from serbench.errors import SerbenchError


@pytest.fixture(scope="module")
def trained(small_hubert, audio, tmp_path_factory):
    """Train from audio to a folder of weights, with the public parts alone."""
    folder = tmp_path_factory.mktemp("trained")
    quantizer = fit_quantizer(gather(audio, range(len(audio)), mfcc()), 6, starts=2)
    labels = label(audio, mfcc(), quantizer)
    train, valid = audio.split(0.25, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        objective = Objective(unmasked=1.0)
        model = MaskedPrediction(small_hubert(), 6, width=16, objective=objective)
    cutting = Cutting(batch=160_000, shortest=8_000)
    sources = [
        MaskedBatches(audio, labels, rows, cutting, frames=model.frames, seed=0, normalize=True)
        for rows in (train, valid)
    ]
    settings = Settings(updates=60, peak=3e-3, validate_every=20, clip_norm=1.0)
    report = Trainer(model, *sources, settings, folder, loss="masked_loss").run()
    corpora = [Corpus.of(audio, "Voices", "CC0-1.0", "made of sines")]
    card = Card(
        "HuBERT", corpora, "Apache-2.0", [stage("it1", folder / "log.jsonl", "masked_loss")], seed=0
    )
    own = OwnLabels(quantizer, 1)
    write_hubert(model, folder / "half", card, normalize=True, own=own, half=True)
    write_hubert(model, folder / "full", card, normalize=True, own=own)
    return folder, model, quantizer, report, labels


def test_it_learns_more_than_how_common_each_cluster_is(trained):
    _, _, _, report, labels = trained
    assert report["masked_loss"] < labels.entropy() - 0.1


@pytest.mark.parametrize(("kind", "tolerance"), [("full", 0.0), ("half", 2e-3)])
def test_transformers_loads_what_was_written(trained, audio, kind, tolerance):
    from transformers import AutoFeatureExtractor, HubertModel

    folder, model, *_ = trained
    loaded, report = HubertModel.from_pretrained(folder / kind, output_loading_info=True)
    assert not any(report[fault] for fault in ("missing_keys", "unexpected_keys"))
    assert loaded.dtype == torch.float32
    extract = AutoFeatureExtractor.from_pretrained(folder / kind)
    inputs = extract(audio.wave(4).numpy(), sampling_rate=16000, return_tensors="pt")
    assert float(inputs.input_values.std(correction=0)) == pytest.approx(1, abs=1e-3)
    with torch.inference_mode():
        theirs = loaded.eval()(inputs.input_values).last_hidden_state
        ours = model.eval().encoder(inputs.input_values).last_hidden_state
    assert float((theirs - ours).abs().max()) <= tolerance * float(ours.abs().max())


def test_training_can_go_on_from_the_head(trained, small_hubert):
    folder, model, quantizer, *_ = trained
    head = load_head(folder / "full" / "head.safetensors")
    assert (head.clusters, head.width, head.own.layer) == (6, 16, 1)
    np.testing.assert_allclose(head.own.quantizer.centres, quantizer.centres, rtol=1e-3, atol=1e-3)
    fresh = MaskedPrediction(small_hubert(seed=5), 6, width=16)
    head.fill(fresh)
    torch.testing.assert_close(fresh.embeddings, model.embeddings, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(fresh.project.weight, model.project.weight, rtol=1e-3, atol=1e-3)


def test_a_head_of_another_width_is_refused(trained, small_hubert):
    head = load_head(trained[0] / "full" / "head.safetensors")
    with pytest.raises(SerbenchError, match="projects from a width of"):
        head.fill(MaskedPrediction(small_hubert(), 6, width=8))


def test_the_card_says_where_the_weights_come_from(trained):
    folder, model, *_ = trained
    card = json.loads((folder / "half" / "card.json").read_text())
    hours = card["corpora"][0]["hours"]
    assert card["trained_on"] == f"Voices ({hours:.1f} h)"
    assert card["corpora"][0]["speakers"] == 4
    assert card["parameters"] == sum(p.numel() for p in model.encoder.parameters())
    (only,) = card["stages"]
    assert only["updates"] == 60
    assert 0 < only["masked_loss"] < 2
    assert card["versions"].keys() >= {"python", "torch", "transformers"}


def test_a_stage_that_has_not_begun_is_refused(tmp_path):
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(SerbenchError, match="no validation"):
        stage("it1", tmp_path / "log.jsonl", "masked_loss")
