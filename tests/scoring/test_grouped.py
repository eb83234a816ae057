"""Metrics of many groups at once: those of each group alone, and fast enough for large corpora."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serbench.errors import SerbenchError
from serbench.scoring.grouped import of_groups
from serbench.scoring.metrics import METRICS

LABELS = ("anger", "neutral", "sadness")
FEW = st.sampled_from([0.1 + 0.2, 0.3, 1.0, -2.5, 1e30, math.nan])
"""Numbers of which many are equal, so that groups are constant."""


def alone(metric, truth, prediction, groups):
    """Return the metric of each group by itself."""
    return [
        METRICS[metric](truth[groups == g], prediction[groups == g], LABELS)
        for g in range(groups.max() + 1)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), FEW, FEW), min_size=1, max_size=25))
def test_ccc_is_that_of_each_group_alone_also_where_it_is_undefined(rows):
    groups = np.unique([row[0] for row in rows], return_inverse=True)[1]
    truth, prediction = (np.array([row[i] for row in rows]) for i in (1, 2))
    with np.errstate(all="ignore"):
        expected = alone("ccc", truth, prediction, groups)
    (found,) = of_groups(["ccc"], truth, prediction, LABELS, groups)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["wa", "ua", "macro_f1"]),
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(LABELS), st.sampled_from([*LABELS, "?"])),
        min_size=1,
        max_size=25,
    ),
)
def test_metrics_of_classes_are_those_of_each_group_alone(metric, rows):
    groups = np.unique([row[0] for row in rows], return_inverse=True)[1]
    truth, prediction = (np.array([row[i] for row in rows], object) for i in (1, 2))
    expected = alone(metric, truth, prediction, groups)
    (found,) = of_groups([metric], truth, prediction, LABELS, groups)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["shares_macro_f1", "shares_jsd"])
def test_metrics_of_shares_are_those_of_each_group_alone(metric):
    random = np.random.default_rng(0)
    truth, prediction = random.dirichlet([0.3, 0.3, 0.3], (2, 40))
    groups = np.arange(40) % 7
    prediction[5] = np.nan
    expected = alone(metric, truth, prediction, groups)
    assert np.isnan(expected).tolist() == [g == 5 for g in range(7)]
    (found,) = of_groups([metric], truth, prediction, LABELS, groups)
    assert found == pytest.approx(expected, nan_ok=True)


def test_a_constant_side_that_has_no_exact_binary_form_is_seen_to_be_constant():
    groups = np.repeat([0, 1, 2], 3)
    same, other = np.full(9, 0.1), np.array([0.1] * 3 + [0.7] * 3 + [0.0, 0.1, 0.2])
    (found,) = of_groups(["ccc"], same, other, LABELS, groups)
    assert np.isnan(found[0])
    assert found[1:].tolist() == [0.0, 0.0]


def test_a_truth_that_is_no_label_is_refused():
    with pytest.raises(SerbenchError, match="no label 'joy'"):
        of_groups(["wa"], np.array(["joy"]), np.array(["anger"]), LABELS, np.array([0]))
