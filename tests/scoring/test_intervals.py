"""Intervals over speakers: against direct deletion, other people's code, and drawn corpora."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from confidence_intervals import evaluate_with_conf_int
from scipy import stats
from sklearn.metrics import f1_score, recall_score

from serbench.benchmarks import UNKNOWN, Classification, Regression
from serbench.scoring import sums
from serbench.scoring.intervals import Shares, interval, of_speakers, taken_apart
from serbench.scoring.metrics import METRICS
from serbench.scoring.scores import score

from .calibration import Corpus, coverage

MOODS = Classification(labels=("anger", "neutral", "sadness"))
AFFECT = Regression(dimensions=("arousal", "valence"), low=0.0, high=1.0)


def moods(folds: int = 4, seeds: int = 2, speakers: int = 8, clips: int = 12) -> pd.DataFrame:
    """Return predictions of classes; speakers differ."""
    random = np.random.default_rng(3)
    n = speakers * clips
    who = np.arange(n) // clips
    truth = np.array(MOODS.labels)[random.integers(3, size=n)]
    frames = []
    for seed in range(seeds):
        right = random.random(n) < 0.4 + 0.5 * who / speakers
        predicted = np.where(right, truth, np.array(MOODS.labels)[random.integers(3, size=n)])
        frames.append(
            pd.DataFrame(
                {"utterance": [f"u{i}" for i in range(n)], "speaker": who.astype(str)}
            ).assign(fold=(who % folds).astype(str), seed=seed, truth=truth, prediction=predicted)
        )
    return pd.concat(frames, ignore_index=True)


def affect(folds: int = 4, seeds: int = 2) -> pd.DataFrame:
    table = moods(folds, seeds)
    random = np.random.default_rng(5)
    for name in AFFECT.dimensions:
        true = random.random(len(table) // seeds)
        table[f"truth:{name}"] = np.tile(true, seeds)
        noise = 0.1 * random.normal(size=len(table))
        table[f"prediction:{name}"] = 0.2 + 0.5 * table[f"truth:{name}"] + noise
    return table


def apart(task, table: pd.DataFrame) -> dict[str, Shares]:
    return taken_apart(task, table, score(task, table))


@pytest.mark.parametrize("metric", [*sums.ADDITIVE])
def test_sums_give_the_metric_itself(metric):
    random = np.random.default_rng(0)
    groups = random.integers(7, size=300)
    if metric == "ccc":
        truth, predicted, labels = random.random(300), random.random(300) + 1e4, ()
    elif metric.startswith("shares"):
        truth, predicted = random.dirichlet([1, 1, 1], (2, 300))
        labels = MOODS.labels
    else:
        labels = MOODS.labels
        truth, predicted = random.choice(labels, 300), random.choice([*labels, "?"], 300)
    of, value = sums.ADDITIVE[metric]
    found = value(of(truth, predicted, labels, groups, 8))
    direct = [METRICS[metric](truth[groups == g], predicted[groups == g], labels) for g in range(7)]
    assert found[:7] == pytest.approx(direct, rel=1e-7)
    assert np.isnan(found[7])


@pytest.mark.parametrize("folds", [1, 4, 8])
@pytest.mark.parametrize(("task", "table"), [(MOODS, moods), (AFFECT, affect)])
def test_figures_are_those_of_the_board(task, table, folds):
    rows = table(folds)
    scores = score(task, rows)
    for key, shares in apart(task, rows).items():
        if key in scores.by_fold:
            assert shares.value == pytest.approx(scores.by_fold[key].mean_of_folds, abs=1e-12)
        else:
            assert shares.value == pytest.approx(scores.by_speaker[key].mean_of_speakers, abs=1e-12)
        assert shares.weights.sum() == pytest.approx(1)


def test_on_one_fold_it_is_the_jackknife_with_each_speaker_left_out():
    table = moods(folds=1, seeds=1)
    names = table["speaker"].unique()
    for key, metric in (
        ("ua", lambda t: recall_score(t["truth"], t["prediction"], average="macro")),
        ("macro_f1", lambda t: f1_score(t["truth"], t["prediction"], average="macro")),
    ):
        without = np.array([metric(table[table["speaker"] != name]) for name in names])
        count = len(names)
        error = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
        found = interval(apart(MOODS, table)[key])
        assert found.error == pytest.approx(error, rel=1e-9)
        reach = stats.t.ppf(0.975, count - 1) * error
        value = metric(table)
        assert found[:3] == pytest.approx((value, value - reach, value + reach))
        assert found.speakers == count


def test_a_mean_of_speakers_has_the_t_interval():
    values = np.random.default_rng(1).random(12)
    found = interval(of_speakers(values, [str(i) for i in range(12)]))
    expected = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert found[1:3] == pytest.approx(expected)


def test_with_many_speakers_it_is_the_bootstrap_over_speakers():
    values = np.random.default_rng(1).random(200)
    _, ends = evaluate_with_conf_int(values, np.mean, num_bootstraps=4000)
    found = interval(of_speakers(values, [str(i) for i in range(200)]))
    assert found[1:3] == pytest.approx(ends, abs=0.1 * (found.high - found.low))


def test_leaving_one_speaker_out_it_is_the_interval_of_the_folds():
    table = moods(folds=8, seeds=1)
    # the speakers are the folds, and have equally many clips
    folds = [METRICS["wa"](own["truth"], own["prediction"], ()) for _, own in table.groupby("fold")]
    found = interval(apart(MOODS, table)["wa"])
    assert found[1:3] == pytest.approx(stats.t.interval(0.95, 7, np.mean(folds), stats.sem(folds)))


def test_seeds_are_averaged_and_never_counted():
    once = moods(seeds=1)
    thrice = pd.concat([once.assign(seed=seed) for seed in range(3)], ignore_index=True)
    one, three = interval(apart(MOODS, once)["ua"]), interval(apart(MOODS, thrice)["ua"])
    assert three == pytest.approx(one)


def test_one_speaker_has_no_interval():
    found = interval(apart(MOODS, moods(folds=1, speakers=1))["ua"])
    assert np.isnan([found.low, found.high, found.error]).all()
    assert found.speakers == 1


def test_a_speaker_in_several_folds_is_still_one():
    table = moods(folds=1)
    mixed = table.assign(fold=(np.arange(len(table)) % 3).astype(str))
    assert interval(apart(MOODS, mixed)["ua"]).speakers == 8


def test_clips_of_nobody_known_are_in_the_figure_and_never_left_out():
    table = moods(folds=1, seeds=1)
    table.loc[table["speaker"] == "7", "speaker"] = UNKNOWN
    shares = apart(MOODS, table)["wa"]
    right = table["truth"] == table["prediction"]
    assert shares.value == pytest.approx(right.mean())
    assert shares.speakers == tuple("0123456")
    without = np.array([right[table["speaker"] != name].mean() for name in shares.speakers])
    error = np.sqrt(6 / 7 * ((without - without.mean()) ** 2).sum())
    assert interval(shares).error == pytest.approx(error)


# two standard errors of 400 draws are 0.02; clips, taken as independent, would come to 0.6
@pytest.mark.parametrize("metric", ["ua", "macro_f1", "ccc"])
@pytest.mark.parametrize(
    "corpus", [Corpus(6, 3), Corpus(10, 5), Corpus(18, 6, uneven=True), Corpus(91, 5)]
)
def test_intervals_hold_what_they_are_for_as_often_as_they_say(corpus, metric):
    assert 0.92 <= coverage(corpus, metric, 400) <= 0.98


def test_who_has_no_ccc_is_in_neither_the_figure_nor_its_interval():
    table = affect()
    own = table["speaker"] == "3"
    table.loc[own, ["truth:arousal", "prediction:arousal"]] = 0.25
    scores, shares = score(AFFECT, table), apart(AFFECT, table)
    for key in ("a_ccc", "a_ccc:arousal"):
        assert shares[key].left_out == ("3",)
        assert shares[key].value == pytest.approx(scores.by_speaker[key].mean_of_speakers)
        assert interval(shares[key]).speakers == 7
        assert np.isfinite(interval(shares[key]).error)
    assert interval(shares["a_ccc:valence"]).speakers == 8
