"""Real speech, real pretrained weights: a harness that shows no distance to log mel has a fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serbench import recipe
from serbench.progress import Silent
from serbench.run import Outcome, run_recipe

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


def test_dimensions_of_real_speech(corpora: Path, whisper_tiny: Path, tmp_path: Path) -> None:
    whisper = {"name": "whisper", "weights": str(whisper_tiny), "context": "clip"}
    outcome = run(whisper, "emotale", corpora, tmp_path)
    assert outcome.scores.by_fold["o_ccc:arousal"].mean_of_folds > 0.75
    assert outcome.scores.by_speaker["a_ccc"].mean_of_speakers > 0.6
