"""Real speech, real pretrained weights: a harness that shows no distance to log mel has a fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe

TRAINING = {"learning_rates": [1e-3], "epochs": 80}


def run(upstream: dict[str, Any], benchmark: str, data: Path, results: Path) -> Outcome:
    raw = {"upstream": upstream, "downstream": "mean_pool", "benchmark": benchmark}
    made = recipe.resolve(raw | {"training": TRAINING})
    return run_recipe(made, data=data, results=results, progress=Silent())


@pytest.mark.parametrize("context", ["clip", pytest.param("window", marks=pytest.mark.slow)])
def test_whisper_is_far_above_log_mel_on_emodb(
    context: str, corpora: Path, whisper_tiny: Path, tmp_path: Path
) -> None:
    whisper = {"name": "whisper", "weights": str(whisper_tiny), "context": context}
    pretrained = run(whisper, "emodb", corpora, tmp_path)
    baseline = run({"name": "fbank", "normalize": False}, "emodb", corpora, tmp_path)
    assert pretrained.scores.rank > 0.76
    assert 0.3 < baseline.scores.rank < pretrained.scores.rank - 0.2
    assert pretrained.result.provenance["digest"]


@pytest.mark.slow
def test_dimensions_of_real_speech(corpora: Path, whisper_tiny: Path, tmp_path: Path) -> None:
    whisper = {"name": "whisper", "weights": str(whisper_tiny), "context": "clip"}
    outcome = run(whisper, "emotale", corpora, tmp_path)
    assert outcome.scores.by_fold["o_ccc:arousal"].mean_of_folds > 0.75
    assert outcome.scores.by_speaker["a_ccc"].mean_of_speakers > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("upstream", ["hubert", "cpc"])
def test_nano_weights_have_learnt_what_emotion_shows_in(
    upstream: str, corpora: Path, tmp_path: Path
) -> None:
    weights = "random" if upstream == "cpc" else str(fresh_hubert(tmp_path / "fresh"))
    trained = run({"name": upstream}, "emodb", corpora, tmp_path)
    fresh = run({"name": upstream, "weights": weights}, "emodb", corpora, tmp_path)
    baseline = run({"name": "fbank", "normalize": False}, "emodb", corpora, tmp_path)
    assert trained.scores.rank > max(fresh.scores.rank, baseline.scores.rank) + 0.05
    assert trained.result.labels.weights == "nano"


def fresh_hubert(folder: Path) -> Path:
    """Write weights of nano's size that were never trained."""
    from transformers import HubertModel

    from serbench.devices import seeded
    from serbench.encoders.weights import PACKAGED

    config = HubertModel.config_class.from_pretrained(PACKAGED / "hubert_nano")
    with seeded(0):
        HubertModel(config).save_pretrained(folder)
    name = "preprocessor_config.json"
    (folder / name).write_bytes((PACKAGED / "hubert_nano" / name).read_bytes())
    return folder
