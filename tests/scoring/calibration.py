"""How often intervals hold what they are for, and tests reject, on corpora that are drawn.

Speakers differ in how well, and in which classes, they are recognised; two systems share half of
that. Run as a program it prints the figures of docs/leaderboard.md:

    python tests/scoring/calibration.py
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from serbench.scoring import sums
from serbench.scoring.comparisons import by_speakers, over_folds, rank_intervals, shared_ranks
from serbench.scoring.intervals import Cell, Shares, interval, of_folds

CLASSES = 6


class Corpus(NamedTuple):
    """Drawn anew each time: speakers, folds of them, clips a speaker (uneven: 3 to twice that)."""

    speakers: int
    folds: int
    clips: int = 20
    uneven: bool = False

    def groups(self, random: np.random.Generator) -> np.ndarray:
        """Return (n,) who speaks each clip."""
        counts = np.full(self.speakers, self.clips)
        if self.uneven:
            counts = random.integers(3, 2 * self.clips - 3, size=self.speakers)
        return np.arange(self.speakers).repeat(counts)


def classified(corpus: Corpus, random, gains=(0.0,)):
    """Yield the (K, C, C + 1) confusions of one system for each gain in log odds."""
    who = corpus.groups(random)
    if corpus.uneven:
        truth = random.integers(CLASSES, size=len(who))
    else:
        truth = np.arange(len(who)) % CLASSES
    hard = random.normal(size=(corpus.speakers, 1)) * 0.8
    for gain in gains:
        own = hard + random.normal(size=(corpus.speakers, CLASSES)) * 0.6
        right = random.random(len(who)) < 1 / (1 + np.exp(-(0.8 + gain + own[who, truth])))
        predicted = np.where(right, truth, random.integers(CLASSES, size=len(who)))
        cells = (who * CLASSES + truth) * (CLASSES + 1) + predicted
        shape = (corpus.speakers, CLASSES, CLASSES + 1)
        yield np.bincount(cells, minlength=np.prod(shape)).reshape(shape).astype(float)


def rated(corpus: Corpus, random, gains=(0.0,)):
    """Yield the (K, 6) moments of one system for each gain in slope."""
    who = corpus.groups(random)
    truth = 0.7 * random.normal(size=corpus.speakers)[who] + random.normal(size=len(who))
    slope = 0.5 + 0.3 * random.normal(size=corpus.speakers)
    for gain in gains:
        offset = 0.4 * random.normal(size=corpus.speakers)
        noise = 0.6 * random.normal(size=len(who))
        predicted = (slope + gain)[who] * truth + offset[who] + noise
        yield sums.moments(truth, predicted, (), who, corpus.speakers)


def shares(corpus: Corpus, metric: str, sums_of_speakers: np.ndarray) -> tuple[Shares, list[float]]:
    """Return a mean of folds taken apart, and the folds' values."""
    value = sums.ADDITIVE[metric].value
    parts = np.array_split(np.arange(corpus.speakers), corpus.folds)
    cells = [Cell(who, sums_of_speakers[who][None]) for who in parts]
    names = [str(number) for number in range(corpus.speakers)]
    values = [float(value(sums_of_speakers[who].sum(axis=0))) for who in parts]
    return of_folds(cells, value, names), values


def draw(corpus: Corpus, metric: str, random, gains=(0.0,)):
    """Return the shares and the folds' values of a system for each gain."""
    made = (rated if metric == "ccc" else classified)(corpus, random, gains)
    return [shares(corpus, metric, each) for each in made]


def coverage(corpus: Corpus, metric: str, times: int, seed: int = 0) -> float:
    """Return how often the 95 % interval holds the mean over all draws."""
    random = np.random.default_rng(seed)
    found = [interval(draw(corpus, metric, random)[0][0]) for _ in range(times)]
    middle = np.mean([each.value for each in found])
    return float(np.mean([each.low <= middle <= each.high for each in found]))


def rejections(corpus: Corpus, metric: str, gain: float, times: int, seed: int = 0):
    """Return how often p < 0.05 over speakers, over folds, and by a naive t test over folds."""
    from scipy.stats import ttest_rel

    random = np.random.default_rng(seed)
    share = 1 / (corpus.folds - 2)  # as much for validation as for the test
    found = []
    for _ in range(times):
        (one, own), (other, theirs) = draw(corpus, metric, random, (0.0, gain))
        tests = by_speakers(one, other).p, over_folds(own, theirs, share).p
        found.append([*tests, float(ttest_rel(own, theirs).pvalue)])
    return np.mean(np.array(found) < 0.05, axis=0)


def ranking(corpus: Corpus, metric: str, gains, times: int, seed: int = 0):
    """Return how often the best of some systems has rank 1, all have, and ranks are in intervals.

    Of equal systems the first is taken for the best; for their ranks there is no truth.
    """
    random = np.random.default_rng(seed)
    true = np.array([1 + sum(other > gain for other in gains) for gain in gains])
    found = []
    for _ in range(times):
        systems = [each for each, _ in draw(corpus, metric, random, gains)]
        ranks = shared_ranks(systems)
        low, high = np.array(rank_intervals(systems, 1_000)).T
        within = np.mean((low <= true) & (true <= high))
        found.append([ranks[int(np.argmax(gains))] == 1, set(ranks) == {1}, within])
    return np.mean(found, axis=0)


def main(times: int) -> None:
    """Print all figures."""
    even = [Corpus(6, 3), Corpus(6, 6), Corpus(10, 5), Corpus(18, 6), Corpus(91, 5)]
    uneven = [corpus._replace(uneven=True) for corpus in even[2:]]
    _say(f"{times} draws each\n\ncoverage of 95 % intervals")
    for corpus in even + uneven:
        found = [f"{m} {coverage(corpus, m, times):.3f}" for m in ("ua", "wa", "macro_f1", "ccc")]
        _say(f"{_called(corpus):45}", "  ".join(found))
    _say("\nrejections at 5 %: over speakers, over folds (corrected), over folds (naive)")
    for corpus in even[2:] + uneven:
        for metric, gain in (("ua", 0.5), ("macro_f1", 0.5), ("ccc", 0.15)):
            for size in (0.0, gain):
                rates = rejections(corpus, metric, size, times)
                _say(
                    f"{_called(corpus):45} {metric:8} difference {size}:",
                    "  ".join(f"{r:.3f}" for r in rates),
                )
    _say("\nten systems: the best has rank 1, all have it, true ranks are in their intervals")
    for corpus in even[2:]:
        for most in (0.0, 1.0):
            rates = ranking(corpus, "ua", [*np.linspace(0, most, 10)], times // 5)
            said = "  ".join(f"{r:.3f}" for r in rates)
            _say(f"{_called(corpus):45} {'apart' if most else 'equal'}: {said}")


def _say(*texts: str) -> None:
    sys.stdout.write(" ".join(texts) + "\n")


def _called(corpus: Corpus) -> str:
    clips = "3 to 36" if corpus.uneven else f"{corpus.clips}"
    return f"{corpus.speakers} speakers, {corpus.folds} folds, {clips} clips"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
