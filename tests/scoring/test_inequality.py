"""Worst tenth and Gini coefficient, by their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbench.scoring.inequality import gini, worst_decile


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=40))
def test_gini_is_half_the_mean_difference_of_all_pairs(values: list[float]) -> None:
    scores = np.array(values)
    by_definition = np.abs(scores[:, None] - scores).mean() / (2 * scores.mean())
    assert gini(values) == pytest.approx(by_definition, abs=1e-9)


def test_gini_of_equals_and_of_one_who_has_everything() -> None:
    assert gini([0.5] * 7) == pytest.approx(0)
    assert gini([0, 0, 0, 1]) == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    "values", [[-0.1, 0.1], [-0.01, 0.9, 0.9], [0.0, 0.0], [], [0.5, math.nan]]
)
def test_gini_is_not_defined_of_what_cannot_be_shared(values: list[float]) -> None:
    assert gini(values) is None


def test_the_worst_tenth_is_rounded_up() -> None:
    assert worst_decile([0.9, 0.1, 0.5]) == 0.1
    assert worst_decile(np.linspace(0, 1, 11).tolist()) == pytest.approx(0.05)
    assert math.isnan(worst_decile([]))
