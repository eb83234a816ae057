"""Study `shift`: divergences that are known, and what they go with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pandas import DataFrame

from serbench.benchmarks import Classification, Fold, Regression
from serbench.studies.intervals import pearson, uncorrelated
from serbench.studies.shift import (
    FEATURE,
    LABEL,
    _left_out,
    _pairs,
    _summary,
    gaussian_kl,
    measured_shifts,
)

RATED = Regression(dimensions=("arousal", "valence"), low=1.0, high=7.0)


def analytic(mean: float, deviation: float) -> float:
    """Return KL(N(mean, deviation^2) || N(0, 1))."""
    return 0.5 * (deviation**2 - 1 - 2 * math.log(deviation) + mean**2)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.0, 1.0), (0.0, 0.5), (-2.0, 1.5)])
def test_the_divergence_of_gaussians_is_the_known_one(mean: float, deviation: float) -> None:
    random = np.random.default_rng(0)
    own = mean + deviation * random.normal(size=(20_000, 3))
    others = random.normal(size=(20_000, 3))
    assert gaussian_kl(own, others) == pytest.approx(3 * analytic(mean, deviation), abs=0.05)


def test_one_clip_and_a_flat_dimension_have_a_divergence() -> None:
    others = np.array([[0.0, 1.0], [2.0, 1.0]])
    # the clip at the others' mean, with half a variance of 0 and half of theirs
    expected = 0.5 * (0.5 - 1 - math.log(0.5))
    assert gaussian_kl(np.array([[1.0, 1.0]]), others) == pytest.approx(expected)


def corpus() -> tuple[DataFrame, Fold, np.ndarray]:
    """Return ten others and three speakers, of whom each is farther off in features and labels."""
    random = np.random.default_rng(1)
    speakers = [f"t{i}" for i in range(10) for _ in range(400)]
    speakers += [f"x{i}" for i in range(3) for _ in range(2000)]
    far = np.array([0.0 if name[0] == "t" else float(name[1:]) for name in speakers])
    arousal = 4 + 0.5 * (far + random.normal(size=len(far)))
    table = DataFrame({"speaker": speakers, "arousal": arousal})
    table["valence"] = 4 + 0.5 * random.normal(size=len(far))
    table["emotion"] = np.where(far > 0.5, "angry", np.where(random.random(len(far)) < 0.5, *"ac"))
    table["emotion"] = table["emotion"].map({"a": "angry", "c": "calm", "angry": "angry"})
    vectors = (far[:, None] + random.normal(size=(len(far), 6))).astype(np.float32)
    rows = np.arange(len(far))
    return table, Fold("1", rows[:4000], rows[:0], rows[4000:]), vectors


def test_speakers_are_as_far_off_as_was_planted() -> None:
    table, fold, vectors = corpus()
    found = measured_shifts(RATED, table, [fold], [vectors])
    for far in range(3):
        row = found.loc[f"x{far}"]
        assert row[FEATURE] == pytest.approx(6 * analytic(far, 1), rel=0.1, abs=0.05)
        assert row[f"{LABEL}: arousal"] == pytest.approx(analytic(far, 1), rel=0.1, abs=0.05)
        assert row[f"{LABEL}: valence"] == pytest.approx(0, abs=0.02)
        assert row["clips"] == 2000


def test_the_shift_of_classes_is_that_of_their_shares() -> None:
    table, fold, vectors = corpus()
    task = Classification(("angry", "calm"))
    found = measured_shifts(task, table, [fold], [vectors])[LABEL]
    assert found["x0"] == pytest.approx(0, abs=0.01)
    # all angry against half of them: one bit
    assert found["x1"] == pytest.approx(math.log(2), abs=0.02)


def test_of_two_folds_it_is_the_mean() -> None:
    table, fold, vectors = corpus()
    near = measured_shifts(RATED, table, [fold], [vectors])
    both = measured_shifts(RATED, table, [fold, fold], [vectors, 3 * vectors])
    np.testing.assert_allclose(near.to_numpy(), both.to_numpy(), rtol=1e-3)


def test_correlations_that_cannot_be_had_are_left_out_with_the_reason() -> None:
    names = [f"s{number}" for number in range(5)]
    values = {FEATURE: [1.0, 2.0, 4.0, 3.0, 5.0], LABEL: [0.5] * 5, "clips": [8.0] * 5}
    scores = DataFrame({"ua": [0.9, 0.7, 0.5, 0.6, 0.4]}, index=names)
    task = Classification(("angry", "calm"))
    pairs = list(_pairs(task, DataFrame(values, index=names), scores))
    (row,) = _summary(pairs)
    assert row["Pearson's r of"] == "feature shift and score"
    assert row["r"].value == pytest.approx(-1.2 / math.sqrt(1.48))  # type: ignore[union-attr]
    assert list(_left_out(pairs)) == [
        "No r of label shift and score (ua): label shift of all speakers is the same.",
        "No r of feature and label shift (ua): label shift of all speakers is the same.",
        "No r of feature shift and clips (ua): clips of all speakers is the same.",
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, 2.0, 3.0], "3 speakers have both, and it takes 4"),
        ([1.0, 1.0, 1.0, 2.0], "first of all speakers but one is the same"),
        ([1.0, 1.0, 2.0, 2.0], None),
    ],
)
def test_an_r_is_defined_even_without_any_one_speaker(
    values: list[float], said: str | None
) -> None:
    x, y = np.array(values), np.arange(len(values)) ** 2.0
    assert uncorrelated(x, y) == said
    assert math.isnan(pearson(x, y).low) == (said is not None)
