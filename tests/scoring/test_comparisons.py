"""Comparing systems: other people's code where it does the same, drawn corpora where none does."""

from __future__ import annotations

import baycomp
import numpy as np
import pytest
from scipy import stats

from serbench.errors import SerbenchError
from serbench.scoring.comparisons import (
    by_speakers,
    critical_difference,
    holm,
    over_folds,
    rank_intervals,
    shared_ranks,
)
from serbench.scoring.intervals import Shares, of_speakers

from .calibration import Corpus, ranking, rejections


def system(values, names=None):
    return of_speakers(values, names or [str(i) for i in range(len(values))])


def test_a_difference_of_means_of_speakers_is_the_paired_t_test():
    random = np.random.default_rng(0)
    one = random.random(14)
    other = one + 0.1 * random.normal(size=14) + 0.04
    expected = stats.ttest_rel(one, other)
    found = by_speakers(system(one), system(other))
    assert found.p == pytest.approx(expected.pvalue)
    assert found[1:3] == pytest.approx(expected.confidence_interval(0.95))
    assert found.units == 14
    assert by_speakers(system(other), system(one)).value == pytest.approx(-found.value)


def test_speakers_are_paired_by_name_in_whatever_order():
    names = list("abcdefgh")
    one, other = np.random.default_rng(1).random((2, 8))
    shuffled = np.random.default_rng(2).permutation(8)
    turned = system(other[shuffled], [names[i] for i in shuffled])
    assert by_speakers(system(one, names), turned) == pytest.approx(
        by_speakers(system(one, names), system(other, names))
    )


def test_identical_predictions_have_p_1():
    values = np.random.default_rng(0).random(9)
    assert by_speakers(system(values), system(values)) == (0, 0, 0, 1, 9)
    assert over_folds(values, values, 0.25) == (0, 0, 0, 1, 9)
    assert shared_ranks([system(values)] * 3) == [1, 1, 1]


def test_the_same_difference_with_everybody_is_certain():
    values = np.random.default_rng(0).random(9)
    assert by_speakers(system(values + 0.25), system(values)).p == 0


def test_of_nobody_for_whom_both_have_a_value_no_difference_is_known():
    one, other = of_speakers([0.5], ["a"], ["b"]), of_speakers([0.3], ["b"], ["a"])
    for pair in ((one, other), (of_speakers([], []), of_speakers([], []))):
        found = by_speakers(*pair)
        assert np.isnan(found[:4]).all()
        assert (found.units, found.real) == (0, False)


def test_systems_differ_also_where_nobody_knows_who_speaks():
    nobody = np.array([])
    found = by_speakers(Shares(0.5, (), nobody, nobody), Shares(0.3, (), nobody, nobody))
    assert found.value == pytest.approx(0.2)
    assert np.isnan([found.low, found.high, found.p]).all()


def test_other_speakers_are_refused():
    with pytest.raises(SerbenchError, match="2 speakers, the other on others"):
        by_speakers(system([0.1, 0.2]), system([0.1, 0.2], ["a", "b"]))


def test_the_corrected_t_test_is_that_of_baycomp_where_folds_do_not_validate():
    one, other = np.random.default_rng(3).random((2, 10))
    left, right = baycomp.two_on_single(one, other)
    assert over_folds(one, other, 1 / 9).p == pytest.approx(2 * min(left, right))


def test_with_a_validation_part_the_correction_is_larger():
    one, other = np.random.default_rng(3).random((2, 5))
    assert over_folds(one, other, 1 / 3).p > over_folds(one, other, 1 / 4).p


def test_one_fold_tells_nothing():
    assert np.isnan(over_folds([0.5], [0.6], 0.25).p)


def test_holm_is_that_of_the_paper():
    # Holm (1979) steps down: 4 tests, alpha 0.05 -> 0.0125, 0.0167, 0.025, 0.05
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_rows_share_the_rank_of_a_best_that_they_cannot_be_told_from():
    random = np.random.default_rng(0)
    hard = random.random(20)
    levels = [0.9, 0.89, 0.5, 0.49, 0.1]
    systems = [system(level + hard + 0.05 * random.normal(size=20)) for level in levels]
    assert shared_ranks(systems) == [1, 1, 3, 3, 5]
    assert shared_ranks(systems[::-1]) == [5, 3, 3, 1, 1]


def test_what_varies_much_shares_a_rank_that_a_better_one_does_not():
    base = np.linspace(0, 0.02, 16)
    wild = np.tile([-0.9, 1.05], 8)
    systems = [system(0.8 + base), system(0.78 + base[::-1]), system(0.65 + wild)]
    assert shared_ranks(systems) == [1, 3, 1]


def test_without_intervals_values_rank():
    systems = [system([value]) for value in (0.2, np.nan, 0.7, 0.2)]
    assert shared_ranks(systems) == [2, 4, 1, 2]


def test_rank_intervals_hold_the_rank_and_are_the_same_each_time():
    random = np.random.default_rng(0)
    systems = [system(level + 0.3 * random.random(30)) for level in (0.1, 0.11, 0.6)]
    found = rank_intervals(systems)
    assert found == [(2, 3), (2, 3), (1, 1)]
    assert rank_intervals(systems) == found


# Demšar (2006), table 5(a), and its example: 4 classifiers on 14 data sets, CD = 2.569 * 0.488
@pytest.mark.parametrize(("systems", "quantile"), [(2, 1.960), (4, 2.569), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_paper(systems, quantile):
    scores = np.random.default_rng(0).random((14, systems))
    found = critical_difference(scores)
    assert found.least == pytest.approx(quantile * np.sqrt(systems * (systems + 1) / 84), abs=1e-3)
    if systems > 2:
        assert found.p == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)


def test_groups_are_the_longest_runs_that_cannot_be_told_apart():
    random = np.random.default_rng(0)
    scores = random.normal(size=(30, 4)) * 0.1 + np.array([1.0, 0.99, 0.0, -1.0])
    assert critical_difference(scores).groups == ((0, 1),) or critical_difference(
        scores
    ).groups == ((1, 0),)


def test_five_corpora_are_too_few():
    with pytest.raises(SerbenchError, match="needs 6 corpora or more"):
        critical_difference(np.zeros((5, 3)))


@pytest.mark.parametrize("metric", ["ua", "macro_f1", "ccc"])
@pytest.mark.parametrize("corpus", [Corpus(10, 5), Corpus(18, 6, uneven=True)])
def test_equal_systems_are_told_apart_as_rarely_as_is_said(corpus, metric):
    speakers, folds, _ = rejections(corpus, metric, 0.0, 400)
    assert 0.015 <= speakers <= 0.08
    assert folds <= 0.05


def test_planted_differences_are_found():
    speakers, folds, _ = rejections(Corpus(91, 5), "ua", 0.5, 60)
    assert speakers > 0.95
    assert 0.4 < folds < 0.9


def test_the_best_of_ten_has_rank_1():
    first, _, within = ranking(Corpus(18, 6), "ua", [*np.linspace(0, 1, 10)], 40)
    assert first > 0.9
    assert within > 0.9


def test_of_means_of_speakers_those_are_compared_whom_both_have():
    """What one leaves out as undefined the other may have as 0."""
    random, names = np.random.default_rng(2), [str(i) for i in range(9)]
    one, other = random.random(9), random.random(9)
    whole = by_speakers(system(one[2:], names[2:]), system(other[2:], names[2:]))
    left = (
        of_speakers(one[1:], names[1:], names[:1]),
        of_speakers(np.delete(other, 1), [names[0], *names[2:]], names[1:2]),
    )
    assert by_speakers(*left) == pytest.approx(whole)
    assert whole.units == 7
    with pytest.raises(SerbenchError, match="on 7 speakers"):
        by_speakers(system(one[2:], names[2:]), left[1])
