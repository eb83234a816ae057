"""Whole jobs on a real GPU beside the CPU: the store, pre-training, adaptation, a run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from serbench.benchmarks.reading.audio import durations
from serbench.devices import available, has_bf16
from serbench.encoders import weights
from serbench.encoders.pretraining import adaptation, cpc, hubert
from serbench.encoders.pretraining.adaptation import AdaptationOptions
from serbench.encoders.pretraining.assignment import Assignment
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.card import Corpus
from serbench.encoders.pretraining.cpc import CPCOptions
from serbench.encoders.pretraining.hubert import HubertOptions
from serbench.encoders.tensors import read_tensors
from serbench.errors import SerbenchError
from serbench.leaderboard.store import load_result
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.run import run_recipe
from serbench.training import store
from serbench.vetting.observing import deviation

from ..encoders.pretraining.test_trainer import Lines, trainer  # noqa: TID252
from .cases import random_state_kept, require, upstream_of

Record = Callable[[str, object], None]


def test_a_gpu_is_found_by_itself_and_one_that_is_not_there_is_told(gpu: str) -> None:
    assert available(None) == gpu
    assert has_bf16(gpu) == (torch.cuda.get_device_capability() >= (8, 0))
    with pytest.raises(SerbenchError, match="device 'cuda:99' cannot be used"):
        available("cuda:99")


# --- the store ---

# half precision rounds to 5e-4, twice that where a number lies on an edge
STORED = {"frames": 1e-3, "mean": 1e-4}


@pytest.fixture
def table(voices: Path) -> pd.DataFrame:
    """Return twelve utterances of four speakers, 0.6 to 5.3 s."""
    paths = sorted(voices.rglob("*.wav"))
    names = [path.stem for path in paths]
    made = pd.DataFrame({"utterance": names, "path": list(map(str, paths)), "recording": names})
    made["speaker"] = [path.parent.name for path in paths]
    made = made.assign(start=math.nan, end=math.nan, text=None)
    return made.assign(seconds=durations(made))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("fbank", "frames"),  # its means are all zero
        *product(("hubert.nano", "cpc.nano", "whisper", "papt_hubert"), ("frames", "mean")),
    ],
)
def test_the_store_holds_what_the_cpu_encodes(
    name: str,
    kept: store.Kept,
    table: pd.DataFrame,
    gpu: str,
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Record,
) -> None:
    """PAPT's unseen speakers are enrolled there: each gets the same of the known ones."""
    found = []
    for device in ("cpu", gpu):
        monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / str(len(found))))
        upstream = upstream_of(name, folders)
        with random_state_kept():
            made = store.encode(table, {}, lambda made=upstream: made, kept, Silent(), device)
        assert not upstream.unseen_speakers(table["speaker"])
        found.append(made.batch(np.arange(len(table))))
    expected, there = found
    assert torch.equal(there.lengths, expected.lengths)
    worst = max(map(deviation, there.layers, expected.layers))
    record_property("features", worst)
    assert worst <= STORED[kept]


# --- pre-training ---


def pretrain_cpc(audio: Audio, folder: Path, device: str, _: Path) -> None:
    options = CPCOptions(updates=4, clips=4, clip_seconds=0.5, valid_share=0.25)
    cpc.pretrain(given(audio, folder, device), options)


def pretrain_hubert(audio: Audio, folder: Path, device: str, _: Path) -> None:
    """An iteration from MFCC, and the head of its own clusters, by k-means of a layer."""
    options = HubertOptions(
        clusters=8, updates=4, batch_seconds=4, head_updates=2, valid_share=0.25, unmasked=0.5
    )
    hubert.pretrain(given(audio, folder, device), options)


def tapt(audio: Audio, folder: Path, device: str, start: Path) -> None:
    adapt(audio, folder, device, start, AdaptationOptions(epochs=2, peak=1e-3, batch_seconds=4))


def papt(audio: Audio, folder: Path, device: str, start: Path) -> None:
    options = AdaptationOptions(position="last", epochs=2, peak=1e-3, batch_seconds=4)
    adapt(audio, folder, device, start, options)


def adapt(audio: Audio, folder: Path, device: str, start: Path, options: AdaptationOptions) -> None:
    found = weights.find(str(start), None, {})
    adaptation.adapt(given(audio, folder, device), options, weights=found)


def given(audio: Audio, folder: Path, device: str) -> Assignment:
    return Assignment(audio, [Corpus.of(audio, "Voices", "CC0-1.0")], folder, Silent(), device)


# what trains, the log of the stage, and the loss in it
JOBS = {
    "cpc": (pretrain_cpc, "network.jsonl", "contrastive_loss"),
    "hubert": (pretrain_hubert, "encoder.jsonl", "masked_loss"),
    "tapt": (tapt, "encoder.jsonl", "masked_loss"),
    "papt": (papt, "encoder.jsonl", "masked_loss"),
}
# of a validation loss in nats, after a few updates; an adaptation has dropout, for which each
# device draws from a generator of its own
LOSS = {"single": 1e-3, "bfloat16": 2e-2}
DROPOUT = 1e-2


@pytest.mark.parametrize(
    ("name", "precision"),
    [("cpc", "single"), *product(("hubert", "tapt", "papt"), ("single", "bfloat16"))],
)
def test_pretraining_is_that_of_the_cpu(
    name: str,
    precision: str,
    audio: Audio,
    gpu: str,
    pretrained_hubert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Record,
) -> None:
    job, log, loss = JOBS[name]
    for module in (adaptation, hubert):
        # what a device has in hardware decides in real use; here both shall have the same
        kinds = ("cuda",) if precision == "bfloat16" else ()
        monkeypatch.setattr(module, "has_bf16", lambda device, kinds=kinds: device in kinds)
    here, there = tmp_path / "here", tmp_path / "there"
    with random_state_kept():
        job(audio, here, "cpu", pretrained_hubert)
        job(audio, there, gpu, pretrained_hubert)
    expected, found = validated(here / log, loss), validated(there / log, loss)
    worst = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    record_property("loss", worst)
    drops = name in ("tapt", "papt")
    assert worst <= max(LOSS[precision], DROPOUT * drops)
    tensors = read_tensors(there / "model.safetensors")
    assert all(value.isfinite().all() for value in tensors.values())


def validated(log: Path, loss: str) -> list[float]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line[loss] for line in lines if line["kind"] == "valid"]


def test_an_interrupted_training_ends_as_one_that_was_not(gpu: str, tmp_path: Path) -> None:
    """Dropout included: each update has its seed, on the GPU as well."""
    often = {"device": gpu, "checkpoint_minutes": 0.0}
    whole = trainer(tmp_path / "whole", **often)
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "parts", Lines(fault=(12, KeyboardInterrupt())), **often).run()
    resumed = trainer(tmp_path / "parts", **often)
    assert resumed.reached.update == 11
    resumed.run()
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value)


def test_a_training_on_the_cpu_leaves_the_gpus_random_state(gpu: str, tmp_path: Path) -> None:
    made = trainer(tmp_path)
    with random_state_kept():
        made.run()


# --- a run ---

# of a probability, after 30 updates or fewer
PREDICTED = 1e-2


def test_a_run_predicts_what_it_predicts_on_the_cpu(
    gpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    require("ecapa")  # its package's version is in every result
    training = {"learning_rates": [1e-3], "epochs": 2}
    raw = {"upstream": "fbank", "downstream": "mean_pool", "training": training}
    found = []
    for device in ("cpu", gpu):
        place = tmp_path / str(len(found))
        monkeypatch.setenv("SERBENCH_HOME", str(place / "home"))
        outcome = run_recipe(
            recipe.resolve(raw), data=None, results=place, progress=Silent(), device=device
        )
        frame = load_result(outcome.path).predictions.sort_values(["fold", "utterance"])
        found.append(frame.filter(like="score:").to_numpy())
    worst = float(np.abs(found[0] - found[1]).max())
    record_property("scores", worst)
    assert worst <= PREDICTED
