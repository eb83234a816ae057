"""The metrics against audmetric, scikit-learn and the definitions."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import audmetric
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from serbench.errors import SerbenchError
from serbench.scoring import metrics
from serbench.scoring.metrics import (
    a_ccc,
    concordance_cc,
    confusion,
    macro_f1,
    o_ccc,
    unweighted_accuracy,
    weighted_accuracy,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "metrics.json").read_text())
LABELS = ["neutral", "happy", "angry", "sad"]
PUBLIC = [
    name
    for name, function in inspect.getmembers(metrics, inspect.isfunction)
    if function.__module__ == metrics.__name__ and not name.startswith("_")
]

values = st.floats(min_value=-10, max_value=10, allow_nan=False).map(lambda x: round(x, 3))
pairs = st.lists(st.tuples(values, values), min_size=2, max_size=30)
answers = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_has_an_example_and_says_where_it_comes_from(name: str) -> None:
    text = getattr(metrics, name).__doc__
    assert f">>> {name}(" in text or f"({name}(" in text
    assert re.search(r"\b(19|20)\d\d\b", text)


@pytest.mark.parametrize("case", GOLDEN["ccc"], ids=lambda c: f"{c['truth']}-{c['prediction']}")
def test_ccc_is_that_of_audmetric(case: dict[str, Any]) -> None:
    found = concordance_cc(case["truth"], case["prediction"])
    np.testing.assert_allclose(found, case["value"], rtol=0, atol=1e-12)


@settings(deadline=None)
@given(pairs)
def test_ccc_is_that_of_audmetric_on_anything(pairs: list[tuple[float, float]]) -> None:
    truth, prediction = map(list, zip(*pairs, strict=True))
    if len(set(truth)) == 1 or len(set(prediction)) == 1:
        expected = np.nan if set(truth) == set(prediction) else 0.0
    else:
        expected = audmetric.concordance_cc(truth, prediction)
    np.testing.assert_allclose(concordance_cc(truth, prediction), expected, rtol=0, atol=1e-9)


@settings(deadline=None)
@given(st.lists(values, max_size=1))
def test_ccc_of_less_than_two_is_undefined(truth: list[float]) -> None:
    assert np.isnan(concordance_cc(truth, truth))


@settings(deadline=None)
@given(pairs, st.sampled_from([np.nan, np.inf, -np.inf]), st.booleans())
def test_ccc_with_a_value_that_is_no_number_is_undefined(
    pairs: list[tuple[float, float]], bad: float, in_truth: bool
) -> None:
    sides = np.array(pairs).T
    sides[0 if in_truth else 1, 0] = bad
    assert np.isnan(concordance_cc(*sides))


def test_constants_that_binary_cannot_hold_are_constant() -> None:
    # the mean of three 0.1 is not 0.1, which gives audmetric a variance to divide by
    assert np.isnan(concordance_cc([0.1] * 3, [0.1] * 3))
    assert concordance_cc([0.1] * 3, [0.7] * 3) == 0
    assert concordance_cc([1, 2, 3], [0.1] * 3) == 0


def test_ccc_computes_in_float64() -> None:
    truth = np.array([1e4, 1e4 + 1, 1e4 + 2], dtype=np.float32)
    assert concordance_cc(truth, truth + np.float32(1)) == pytest.approx(4 / 7, abs=1e-12)


def test_o_ccc_and_a_ccc_differ_between_speakers() -> None:
    truth, prediction = [1, 2, 3, 5, 6, 7], [1.5, 2, 2.5, 5.5, 6, 6.5]
    assert o_ccc(truth, prediction) == pytest.approx(0.9811, abs=5e-5)
    found = a_ccc(truth, prediction, list("aaabbb"))
    assert found.speakers == pytest.approx({"a": 0.8, "b": 0.8})
    assert (found.mean, found.std) == pytest.approx((0.8, 0))


def test_speakers_with_few_utterances_are_left_out_and_counted() -> None:
    truth, prediction = [1, 2, 3, 1, 2, 9], [1, 2, 3, 2, 1, 9]
    found = a_ccc(truth, prediction, list("aaabbc"))
    assert list(found.speakers) == ["a", "b"]
    assert (found.mean, found.std, found.left_out) == pytest.approx((0, 1, 1))
    assert a_ccc(truth, prediction, list("aaabbc"), min_utterances=3).left_out == 2


def test_a_ccc_without_speakers_that_count_is_undefined() -> None:
    found = a_ccc([1, 2], [1, 2], ["a", "b"])
    assert np.isnan(found.mean)
    assert np.isnan(found.std)
    assert found.left_out == 2


def test_a_ccc_of_one_utterance_is_refused() -> None:
    with pytest.raises(ValueError, match="min_utterances is 1"):
        a_ccc([1], [1], ["a"], min_utterances=1)


@settings(deadline=None)
@given(answers)
def test_accuracies_are_those_of_scikit_learn(answers: list[tuple[str, str]]) -> None:
    truth, prediction = map(list, zip(*answers, strict=True))
    present = sorted(set(truth))
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    found = [
        weighted_accuracy(truth, prediction),
        unweighted_accuracy(truth, prediction, LABELS),
        macro_f1(truth, prediction, LABELS),
    ]
    expected = [
        accuracy_score(truth, prediction),
        recall_score(truth, prediction, **macro),
        f1_score(truth, prediction, **macro),
    ]
    assert found == pytest.approx(expected, abs=1e-12)
    matrix = confusion(truth, prediction, LABELS)
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, prediction, labels=LABELS))


@settings(deadline=None)
@given(answers)
def test_ua_is_that_of_audmetric_when_all_classes_are_there(answers: list[Any]) -> None:
    truth, prediction = map(list, zip(*answers, *zip(LABELS, LABELS, strict=True), strict=True))
    expected = audmetric.unweighted_average_recall(truth, prediction, labels=LABELS)
    assert unweighted_accuracy(truth, prediction, LABELS) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "prediction", "wa", "ua"),
    [
        ("nnnnhhas", "nnnhhhhs", 0.75, 0.6875),
        # averaged over the two classes that are in the truth, not over three or four
        ("nnhh", "nahh", 0.75, 0.75),
        # a guess that is no label is a miss of recall, not a dropped row
        ("nnhh", "nxhh", 0.75, 0.75),
    ],
)
def test_accuracies_by_hand(truth: str, prediction: str, wa: float, ua: float) -> None:
    assert weighted_accuracy(list(truth), list(prediction)) == wa
    assert unweighted_accuracy(list(truth), list(prediction), list("nhas")) == ua


def test_accuracies_of_nothing_are_undefined() -> None:
    assert np.isnan(weighted_accuracy([], []))
    assert np.isnan(unweighted_accuracy([], [], LABELS))
    assert np.isnan(macro_f1([], [], LABELS))
    assert confusion([], [], LABELS).tolist() == [[0] * 4] * 4


def test_a_truth_that_is_no_label_is_refused() -> None:
    with pytest.raises(SerbenchError, match="no label 'hapy'; did you mean 'happy'"):
        unweighted_accuracy(["hapy"], ["happy"], LABELS)
    with pytest.raises(SerbenchError, match="no label 'joy'"):
        confusion(["happy"], ["joy"], LABELS)


@pytest.mark.parametrize("metric", [concordance_cc, weighted_accuracy])
def test_different_lengths_are_refused(metric: Any) -> None:
    with pytest.raises(ValueError, match="one length"):
        metric([1, 2], [1, 2, 3])


def test_a_speaker_with_one_truth_counts_as_zero_unless_just_that_is_predicted() -> None:
    truth, who = [1, 2, 3, 4, 4, 4], list("aaabbb")
    missed = a_ccc(truth, [1, 2, 2, 4, 4, 4.5], who)
    assert dict(missed.speakers) == {"a": concordance_cc([1, 2, 3], [1, 2, 2]), "b": 0}
    assert (missed.mean, missed.undefined) == (missed.speakers["a"] / 2, 0)
    hit = a_ccc(truth, [1, 2, 2, 4, 4, 4], who)
    assert (hit.mean, hit.std, hit.left_out, hit.undefined) == (missed.speakers["a"], 0, 0, 1)
    assert np.isnan(hit.speakers["b"])
    assert np.isnan(a_ccc(truth, [1, 2, 2, 4, 4, np.nan], who).mean)
