"""Runs whose head knows speakers: what it is told of them, and what the result says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from serbench.downstreams.speaker_mlp import Voices
from serbench.leaderboard import notes, store
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe
from serbench.upstreams import Clips, mfcc

RATE, CLIPS = 16_000, 6
NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Six speakers who say two things, each with a noise of their own."""
    rng = np.random.default_rng(0)
    rows = ["path,speaker,emotion"]
    for number, name in enumerate(NAMES):
        for clip in range(CLIPS):
            wave = rng.normal(0, 0.05 + 0.1 * (clip % 2), 8000 + 500 * clip)
            smooth = np.convolve(wave, np.ones(number + 1) / (number + 1), "same")
            soundfile.write(tmp_path / f"{name}_{clip}.wav", smooth, RATE)
            rows.append(f"{name}_{clip}.wav,{name},{('calm', 'loud')[clip % 2]}")
    (tmp_path / "utterances.csv").write_text("\n".join(rows))
    path = tmp_path / "benchmark.toml"
    path.write_text(
        'name = "own"\nversion = "1"\ntable = "utterances.csv"\n'
        'task = "classification"\nlabels = ["calm", "loud"]\n'
        '[protocol]\nname = "speaker_folds"\nk = 3\n'
    )
    return path


def run(own: Path, head: dict[str, Any], **changes: Any) -> Outcome:
    raw = {
        "upstream": {"name": "fbank", "normalize": False},
        "downstream": head,
        "benchmark": str(own),
        "training": {"learning_rates": [1e-2], "epochs": 2},
    }
    made = recipe.resolve(raw | changes)
    return run_recipe(made, data=None, results=own.parent / "results", progress=Silent())


def test_speakers_of_other_folds_are_counted_as_not_trained_on(own: Path) -> None:
    result = run(own, {"name": "speaker_mlp"}).result
    assert result.conditioning is not None
    assert result.conditioning.model_dump() == {"on": "id", "tested": 6, "unseen": 6}


def test_speakers_of_all_parts_are_counted_as_trained_on(own: Path) -> None:
    outcome = run(own, {"name": "speaker_mlp"}, protocol="speaker_dependent_random")
    assert outcome.result.conditioning is not None
    assert outcome.result.conditioning.unseen == 0
    assert outcome.result.conditioning.tested == len(NAMES), "each once, not once a fold"
    assert store.load_result(outcome.path).result == outcome.result
    told = notes.about_result(outcome.result, outcome.scores)
    assert any("The head is told who speaks: 0 of" in sentence for sentence in told)


def test_a_refit_trains_on_the_validation_speakers_too(own: Path) -> None:
    """With the speakers of validation those of the test part, only a refit knows the latter."""
    split = {"train": (0, 1, 2), "valid": (3, 4), "test": (3, 4, 5)}
    rows = ["path,speaker,emotion,split"]
    for part, speakers in split.items():
        for number in speakers:
            clips = range(CLIPS) if len(speakers) == 3 and part == "train" else range(2)
            clips = range(2, CLIPS) if part == "test" else clips
            rows += [
                f"{NAMES[number]}_{clip}.wav,{NAMES[number]},{('calm', 'loud')[clip % 2]},{part}"
                for clip in clips
            ]
    own.with_name("utterances.csv").write_text("\n".join(rows))
    shared = {"name": "corpus_split", "shares": ["speaker"]}
    training = {"learning_rates": [1e-2], "epochs": 2}
    for refit, unseen in ((False, 3), (True, 1)):
        result = run(
            own,
            {"name": "speaker_mlp"},
            protocol=shared,
            training=training | {"refit": refit},
        ).result
        assert result.conditioning is not None
        assert (result.conditioning.tested, result.conditioning.unseen) == (3, unseen)


def test_speakers_who_are_unknown_are_not_counted(own: Path) -> None:
    rows = own.with_name("utterances.csv").read_text().splitlines()
    unknown = [
        row.replace(f",{row[0]},", ",unknown,") + "," + ("train", "valid", "test")[number % 3]
        for number, row in enumerate(rows[1:])
    ]
    own.with_name("utterances.csv").write_text("\n".join([rows[0] + ",split", *unknown]))
    protocol = {"name": "corpus_split", "shares": ["speaker"]}
    for kind in ("id", "mfcc"):
        outcome = run(own, {"name": "speaker_mlp", "speaker": kind}, protocol=protocol)
        told = " ".join(notes.about_result(outcome.result, outcome.scores))
        assert "no speaker of the test parts is known by name." in told
        assert "of 0 speakers" not in told


def test_other_heads_are_told_nothing(own: Path) -> None:
    assert run(own, {"name": "mlp"}).result.conditioning is None


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.Tensor]]:
    """Keep the voices that heads get to hear."""
    tables: list[torch.Tensor] = []
    made = Voices.__init__

    def keep(self: Voices, speakers: int, voices: torch.Tensor, dim: int) -> None:
        tables.append(voices.clone())
        made(self, speakers, voices, dim)

    monkeypatch.setattr(Voices, "__init__", keep)
    yield tables


def test_voices_are_mean_mfcc_of_each_speakers_utterances(
    own: Path, heard: list[torch.Tensor]
) -> None:
    result = run(own, {"name": "speaker_mlp", "speaker": "mfcc"}).result
    assert result.conditioning is not None
    assert (result.conditioning.on, result.conditioning.unseen) == ("mfcc", 6)
    encoder = mfcc.make(deltas=0, normalize=False)
    expected = []
    for name in NAMES:
        own_means = []
        for clip in range(CLIPS):
            wave, _ = soundfile.read(own.with_name(f"{name}_{clip}.wav"), dtype="float32")
            layers = encoder(Clips([torch.from_numpy(wave)], [name], [None])).layers
            own_means.append(layers[0, 0].mean(0))
        expected.append(torch.stack(own_means).mean(0))
    assert len(heard) == 3, "one head a fold"
    for table in heard:
        assert table.shape == (7, 13) and not table[0].any()
        distance = torch.cdist(table[1:], torch.stack(expected))
        # each row is one speaker's, in another order in each fold
        assert sorted(distance.argmin(1).tolist()) == list(range(6))
        assert distance.amin(1).max() < 1e-2 < distance.sort(1).values[:, 1].min()
