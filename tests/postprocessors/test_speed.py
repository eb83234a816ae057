"""How long post-processors take: `pytest -m slow -n0 tests/postprocessors/test_speed.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from serbench.postprocessors import (
    Evidence,
    Known,
    PostProcessor,
    class_means,
    em_prior,
    pldc,
    prior_shift,
)
from serbench.scoring.embedded import COMPONENTS

pytestmark = pytest.mark.slow
SPEAKERS, CLIPS, WIDTH, CLASSES = 1000, 10, 768, 6


def part(random: np.random.Generator, prefix: str, classes: bool) -> Known:
    """Return 10,000 utterances of 1,000 speakers."""
    speakers = np.repeat([f"{prefix}{number}" for number in range(SPEAKERS)], CLIPS)
    count = len(speakers)
    if not classes:
        values = random.normal(4, 1, (count, 3))
        return Known(values, speakers, random.normal(4, 1, (count, 3)))
    values = random.dirichlet(np.ones(CLASSES), count)
    seen = random.normal(size=(count, COMPONENTS)).astype(np.float32)
    return Known(values, speakers, random.integers(CLASSES, size=count), embeddings=seen)


@pytest.mark.parametrize(
    "step",
    [pldc.make(), prior_shift.make(), em_prior.make(), class_means.make()],
    ids=lambda step: type(step).__name__,
)
def test_ten_thousand_utterances_of_a_thousand_speakers_take_a_second_or_two(
    step: PostProcessor, benchmark: Any
) -> None:
    random = np.random.default_rng(0)
    classes = "classification" in step.serves
    train, valid, test = (part(random, prefix, classes) for prefix in ("train", "valid", "test"))
    names = np.unique(np.concatenate([train.speakers, valid.speakers, test.speakers])).tolist()
    voices = {name: random.normal(size=WIDTH).astype(np.float32) for name in names}
    evidence = Evidence(train=train, valid=valid, voices=voices, seed=0)
    corrected = benchmark.pedantic(step.correct, (test.unlabelled, evidence), rounds=3)
    assert np.isfinite(corrected).all()
    assert benchmark.stats.stats.min < 2
