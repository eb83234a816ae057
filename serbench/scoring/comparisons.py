"""Whether systems differ: two by the jackknife of their difference, many by shared ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serbench.errors import SerbenchError
from serbench.scoring.intervals import LEVEL, Shares, standard_error, t_quantile
from serbench.scoring.sums import Values

ALPHA = 1 - LEVEL
"""How often systems that are equal may be told apart."""

RESAMPLES = 10_000
_CELLS = 10_000_000  # resamples x systems at most, so that a long board takes a second
_SAME = 1e-12  # of a score, which another order of summation may change
CORPORA = 6
"""Fewer say nothing about systems on corpora in general: five wins of five have p = 0.06."""


class Difference(NamedTuple):
    """How much more one system has than another.

    Attributes:
        value: of the one less that of the other.
        low: end of its 95 % interval.
        high: end of its 95 % interval.
        p: of a difference as large if there is none, two-sided; NaN where it is unknown.
        units: speakers, or folds, that it rests on.
    """

    value: float
    low: float
    high: float
    p: float
    units: int

    @property
    def real(self) -> bool:
        """Whether the two can be told apart."""
        return self.p < ALPHA


def by_speakers(one: Shares, other: Shares) -> Difference:
    """Return the difference of two systems by the jackknife of the difference.

    Of a mean of speakers, those are compared for whom both systems have a value; if there is none,
    the difference is NaN.

    Args:
        one: of a figure of one system.
        other: of the same figure of the other on the same utterances.

    Raises:
        SerbenchError: the two are on other speakers.
    """
    one, other = one.without(other.left_out), other.without(one.left_out)
    parts = one.parts - _aligned(one, other)
    error, count = standard_error(parts, one.weights)
    value = one.value - other.value
    if len(parts) and np.abs(parts).max() < _SAME:
        return Difference(0.0, 0.0, 0.0, 1.0, count)
    return _tested(value, error, count)


def over_folds(one: Sequence[float], other: Sequence[float], share: float) -> Difference:
    """Return the difference of two systems by the corrected t test over folds.

    Training parts overlap, so folds are no independent trials: the variance of the mean of J folds
    is taken as `(1 / J + n_test / n_train) s²` (Nadeau, Bengio: Inference for the Generalization
    Error. Machine Learning 52 (2003), 239-281, section 5).

    Args:
        one: of one system, a value a fold, averaged over seeds.
        other: of the other.
        share: n_test / n_train.
    """
    own = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    value, count = float(own.mean()), len(own)
    if np.abs(own).max() < _SAME:
        return Difference(0.0, 0.0, 0.0, 1.0, count)
    variance = own.var(ddof=1) if count > 1 else np.nan
    return _tested(value, float(np.sqrt((1 / count + share) * variance)), count)


def _tested(value: float, error: float, count: int) -> Difference:
    reach = t_quantile(LEVEL, count) * error
    p = float(_p_values(np.array([value]), np.array([error]), count)[0])
    return Difference(value, value - reach, value + reach, p, count)


def _p_values(values: Values, errors: Values, count: int) -> Values:
    """Return the two-sided p of t(count - 1) of each."""
    from scipy.special import stdtr

    with np.errstate(divide="ignore", invalid="ignore"):
        # no spread at all: the same difference with every speaker
        statistic = np.where(errors < _SAME, np.inf, np.abs(values) / errors)
    found: Values = 2 * stdtr(max(count - 1, 1), -statistic)
    return np.where(np.isnan(values + errors), np.nan, found)


def _aligned(one: Shares, other: Shares) -> Values:
    """Return the parts of the other in the order of the one's speakers."""
    if one.speakers == other.speakers:
        return other.parts
    place = {name: number for number, name in enumerate(other.speakers)}
    if place.keys() != {*one.speakers}:
        raise SerbenchError(
            f"one system is on {len(one.speakers)} speakers, the other on others or another "
            f"number ({len(other.speakers)}); compare results on the same utterances"
        )
    return other.parts[[place[name] for name in one.speakers]]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values for several tests at once (Holm 1979): the least times their number, ...

    The number of tests that are left is the factor, so each further one is less strict; none is
    below one before it.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [0.0] * len(order), 0.0
    for done, i in enumerate(order):
        least = max(least, min(1.0, (len(order) - done) * p_values[i]))
        adjusted[i] = least
    return adjusted


def shared_ranks(systems: Sequence[Shares]) -> list[int]:
    """Return the rank of each system; those that cannot be told from the best share its rank.

    The others are then compared with the best of themselves, and so on. Tests against one best are
    adjusted by `holm`. A system that differs much from speaker to speaker may so share the rank
    of a group although one between them does not.

    Args:
        systems: of the figure that ranks, of each system, in any order; on the same utterances.
            Those without intervals are ranked by their values.
    """
    if not systems:
        return []
    values = np.array([each.value for each in systems])
    parts = np.stack([_aligned(systems[0], each) for each in systems])
    left = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    ranks = np.zeros(len(systems), int)
    while len(left):
        same = _untold(values[left], parts[left], systems[0].weights)
        ranks[left[same]] = 1 + len(systems) - len(left)
        left = left[~same]
    return [int(rank) for rank in ranks]


def _untold(values: Values, parts: Values, weights: Values) -> NDArray[np.bool_]:
    """Return which of some systems, best first, cannot be told from the first."""
    same: NDArray[np.bool_] = np.abs(values - values[0]) < _SAME
    same |= np.isnan(values) & np.isnan(values[0])
    same[0] = True
    counting = weights > 0
    count = int(counting.sum())
    if count < 2 or len(values) < 2:
        return same
    apart = (parts[0] - parts[1:])[:, counting]
    own = apart - weights[counting] * apart.sum(axis=1, keepdims=True)
    errors = np.sqrt(count / (count - 1) * (own * own).sum(axis=1))
    p = _p_values(values[0] - values[1:], errors, count)
    p = np.where(np.abs(apart).max(axis=1) < _SAME, 1.0, np.nan_to_num(p, nan=0.0))
    same[1:] |= np.array(holm(p.tolist())) >= ALPHA
    return same


def rank_intervals(systems: Sequence[Shares], resamples: int = RESAMPLES) -> list[tuple[int, int]]:
    """Return between which ranks each system comes, with other speakers like these, in 95 of 100.

    Speakers are drawn with replacement, and the systems ranked by what these speakers add. The
    draws are always the same. From 1,000 systems on there are fewer of them.

    Args:
        systems: of the figure that ranks, of each system; on the same utterances.
        resamples: how often speakers are drawn.
    """
    from scipy.stats import rankdata

    parts = np.stack([_aligned(systems[0], each) for each in systems], axis=1)
    count = len(parts)
    drawn = np.random.default_rng(0).multinomial(
        count, np.full(count, 1 / count), size=min(resamples, max(1_000, _CELLS // len(systems)))
    )
    values = np.round(drawn @ parts / (drawn @ systems[0].weights)[:, None], 12)
    ranks = rankdata(-np.nan_to_num(values, nan=-np.inf), method="min", axis=1)
    ends = np.quantile(ranks, [ALPHA / 2, 1 - ALPHA / 2], axis=0, method="inverted_cdf")
    return [(int(low), int(high)) for low, high in ends.T]


class CriticalDifference(NamedTuple):
    """Systems on many corpora.

    Attributes:
        ranks: the mean rank of each system over corpora, 1 is best.
        least: by how much two must differ to be told apart.
        p: of ranks as different if all systems are equal (Friedman).
        groups: numbers of systems that cannot be told apart, from best to worst, as long as can be.
    """

    ranks: tuple[float, ...]
    least: float
    p: float
    groups: tuple[tuple[int, ...], ...]


def critical_difference(scores: Values) -> CriticalDifference:
    """Compare systems by their ranks on many corpora: Friedman's test and Nemenyi's difference.

    Demšar: Statistical Comparisons of Classifiers over Multiple Data Sets. JMLR 7 (2006), 1-30.
    Folds of one corpus are not corpora: they share their speakers and training parts.

    Args:
        scores: (N, K) of K systems on each of N corpora, 2 or more of the first, 6 of the second.

    Raises:
        SerbenchError: there are too few.
    """
    corpora, systems = scores.shape
    if corpora < CORPORA or systems < 2:
        raise SerbenchError(
            f"a critical difference needs {CORPORA} corpora or more and two systems or more, each "
            f"on all of them; here are {corpora} and {systems}"
        )
    from scipy.stats import chi2, rankdata, studentized_range

    by_corpus = rankdata(-np.round(scores, 12), axis=1)
    ranks = by_corpus.mean(axis=0)
    quantile = studentized_range.ppf(LEVEL, systems, np.inf) / np.sqrt(2)
    least = float(quantile * np.sqrt(systems * (systems + 1) / (6 * corpora)))
    # with ties, the variance that there is takes the place of K (K + 1) / 12
    spread = ((by_corpus - (systems + 1) / 2) ** 2).sum() / (corpora * (systems - 1))
    middle = corpora * ((ranks - (systems + 1) / 2) ** 2).sum()
    p = float(chi2.sf(middle / spread, systems - 1)) if spread > 0 else 1.0
    return CriticalDifference(tuple(map(float, ranks)), least, p, _cliques(ranks, least))


def _cliques(ranks: Values, least: float) -> tuple[tuple[int, ...], ...]:
    """Return the longest runs of systems, by rank, that are nearer to each other than `least`."""
    order = np.argsort(ranks, kind="stable")
    found: list[tuple[int, ...]] = []
    for start in range(len(order)):
        near = ranks[order] <= ranks[order[start]] + least
        run = tuple(int(i) for i in order[start:][near[start:]])
        if len(run) > 1 and not (found and {*run} <= {*found[-1]}):
            found.append(run)
    return tuple(found)
