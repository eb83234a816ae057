"""Intervals over speakers: textbook values, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from serbench.studies.intervals import jackknife, mean, pearson


def test_that_of_a_mean_is_the_t_interval() -> None:
    values = np.random.default_rng(0).normal(size=12)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert mean(values) == pytest.approx((values.mean(), low, high))


def test_pearsons_r_is_scipys_and_its_interval_covers_the_truth_as_often_as_it_says() -> None:
    random, truth, covered = np.random.default_rng(1), 0.6, 0
    for _ in range(300):
        x = random.normal(size=18)
        y = truth * x + np.sqrt(1 - truth**2) * random.normal(size=18)
        found = pearson(x, y)
        assert found.value == pytest.approx(stats.pearsonr(x, y).statistic)
        covered += found.low <= truth <= found.high
    assert 0.91 < covered / 300 < 0.985


def test_of_two_speakers_and_of_values_all_alike_nothing_is_said() -> None:
    assert np.isnan(mean(np.array([0.1, 0.2])).low)
    assert mean(np.array([0.1, 0.2])).value == pytest.approx(0.15)
    assert np.isnan(pearson(np.ones(8), np.arange(8.0))).all()
    assert np.isnan(mean(np.array([]))).all()


def test_a_jackknife_of_what_no_speaker_changes_is_a_point() -> None:
    assert jackknife(0.5, np.full(9, 0.5)) == (0.5, 0.5, 0.5)
