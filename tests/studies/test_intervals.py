"""Correlations over speakers: their values, and how often their intervals cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from serbench.studies.intervals import pearson


def test_pearsons_r_is_scipys_and_its_interval_covers_the_truth_as_often_as_it_says() -> None:
    random, truth, covered = np.random.default_rng(1), 0.6, 0
    for _ in range(300):
        x = random.normal(size=18)
        y = truth * x + np.sqrt(1 - truth**2) * random.normal(size=18)
        found = pearson(x, y)
        assert found.value == pytest.approx(stats.pearsonr(x, y).statistic)
        covered += found.low <= truth <= found.high
    assert 0.91 < covered / 300 < 0.985


def test_of_three_speakers_and_of_values_all_alike_nothing_is_said() -> None:
    assert np.isnan(pearson(np.arange(3.0), np.array([1.0, 3.0, 2.0]))).all()
    assert np.isnan(pearson(np.ones(8), np.arange(8.0))).all()
