"""Systems made into one: the mean by hand, the stack by scikit-learn and planted truths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from serbench.benchmarks import Classification, Regression, Task
from serbench.scoring import ensembles
from serbench.scoring.scores import score

CLASSES = Classification(("neutral", "happy", "angry", "sad"))
AFFECT = Regression(("arousal", "valence"), 1, 7)
SCORES = [f"score:{label}" for label in CLASSES.labels]
VALUES = [f"prediction:{name}" for name in AFFECT.dimensions]
TASKS = pytest.mark.parametrize("task", [CLASSES, AFFECT], ids=["classes", "dimensions"])


def systems(
    task: Task, skills: list[float], part: str, clips: int, folds: int = 2
) -> list[pd.DataFrame]:
    """Return what systems of some skills predict for one part of some folds."""
    draw = np.random.default_rng([clips, part == "valid"])
    rows = pd.DataFrame(
        {"utterance": f"{part}{c:04d}", "speaker": f"{c % 4}", "fold": f"{f}", "seed": 0}
        for f in range(folds)
        for c in range(clips)
    )
    truth = draw.integers(4, size=len(rows)) if task.classes else draw.normal(4, 1, (len(rows), 2))
    return [_system(task, rows, truth, skill, draw) for skill in skills]


def _system(
    task: Task, rows: pd.DataFrame, truth: np.ndarray, skill: float, draw: np.random.Generator
) -> pd.DataFrame:
    if not task.classes:
        given = 4 + skill * (truth - 4) + draw.normal(0, 0.5, truth.shape)
        columns = {f"truth:{n}": truth[:, i] for i, n in enumerate(AFFECT.dimensions)}
        return rows.assign(**columns, **{c: given[:, i] for i, c in enumerate(VALUES)})
    logits = draw.normal(size=(len(rows), 4)) + skill * np.eye(4)[truth]
    given = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array(CLASSES.labels)
    words = {"truth": labels[truth], "prediction": labels[given.argmax(axis=1)]}
    return rows.assign(**words, **dict(zip(SCORES, given.T, strict=True)))


def test_the_mean_is_the_average_of_posteriors_and_its_labels_follow() -> None:
    one, other = systems(CLASSES, [1.0, 1.0], "test", 50)
    mean = ensembles.mean(CLASSES, [one, other])
    by_hand = (one[SCORES] + other[SCORES]) / 2
    pd.testing.assert_frame_equal(mean[SCORES], by_hand, rtol=1e-15)
    follows = by_hand.idxmax(axis=1).str.removeprefix("score:")
    assert mean["prediction"].tolist() == follows.tolist()
    assert (mean["prediction"] != one["prediction"]).any()
    assert [*mean.columns] == [*one.columns]
    assert mean["truth"].equals(one["truth"])


def test_the_mean_is_the_average_of_values() -> None:
    members = systems(AFFECT, [1.0, 0.5, 0.2], "test", 50)
    mean = ensembles.mean(AFFECT, members)
    by_hand = sum(member[VALUES] for member in members) / 3
    pd.testing.assert_frame_equal(mean[VALUES], by_hand, rtol=1e-14)
    assert mean["truth:valence"].equals(members[0]["truth:valence"])


@TASKS
@pytest.mark.parametrize("noise", [1, 3])
def test_beside_noise_a_stack_is_worth_what_its_good_system_is(task: Task, noise: int) -> None:
    skills = [1.0 if task is AFFECT else 2.0, *[0.0] * noise]
    tests, validation = systems(task, skills, "test", 400), systems(task, skills, "valid", 60)
    good = score(task, tests[0]).rank
    stacked = score(task, ensembles.stack(task, tests, validation)).rank
    assert stacked == pytest.approx(good, abs=0.02)
    assert score(task, ensembles.mean(task, tests)).rank < good - 0.05


@TASKS
def test_a_stack_of_equals_is_no_worse_than_their_mean(task: Task) -> None:
    skills = [1.0, 1.0, 1.0]
    tests, validation = systems(task, skills, "test", 400), systems(task, skills, "valid", 40)
    mean = score(task, ensembles.mean(task, tests)).rank
    assert score(task, ensembles.stack(task, tests, validation)).rank > mean - 0.02


@TASKS
def test_a_stack_never_looks_at_the_truths_of_the_test_part(task: Task) -> None:
    tests, validation = (
        systems(task, [1.0, 0.5], "test", 80),
        systems(task, [1.0, 0.5], "valid", 40),
    )
    truths = [column for column in tests[0] if column.startswith("truth")]
    order = np.random.default_rng(0).permutation(len(tests[0]))
    others = [test.assign(**{c: test[c].to_numpy()[order] for c in truths}) for test in tests]
    assert not others[0].equals(tests[0])
    one, other = (ensembles.stack(task, each, validation) for each in (tests, others))
    pd.testing.assert_frame_equal(one.drop(columns=truths), other.drop(columns=truths))


@TASKS
def test_each_fold_and_seed_learns_from_its_own_validation_part_alone(task: Task) -> None:
    tests, validation = (
        systems(task, [1.0, 0.3], "test", 60),
        systems(task, [1.0, 0.3], "valid", 60),
    )
    before = ensembles.stack(task, tests, validation)
    given = SCORES if task is CLASSES else VALUES
    foreign = validation[0]["fold"] == "1"
    for column in given:
        validation[0].loc[foreign, column] = validation[0].loc[foreign, column].to_numpy()[::-1]
    after = ensembles.stack(task, tests, validation)
    same = tests[0]["fold"] == "0"
    pd.testing.assert_frame_equal(before[same], after[same])
    assert (before.loc[~same, given] != after.loc[~same, given]).all(axis=None)


def test_a_stack_of_posteriors_is_the_regression_of_scikit_learn() -> None:
    (*tests,), (*validation,) = (systems(CLASSES, [1.0, 0.5], p, 40, 1) for p in ("test", "valid"))
    cases, right = [], []
    for row in range(40):
        for column, label in zip(SCORES, CLASSES.labels, strict=True):
            cases.append([np.log(member[column][row]) for member in validation])
            right.append(validation[0]["truth"][row] == label)
    fitted = LogisticRegression().fit(cases, right)
    stacked = ensembles.stack(CLASSES, tests, validation)
    for row in (0, 17, 39):
        logs = np.log([member.loc[row, SCORES].to_numpy(float) for member in tests])
        each = expit(fitted.coef_[0] @ logs + fitted.intercept_[0])
        np.testing.assert_allclose(stacked.loc[row, SCORES].to_numpy(float), each / each.sum())


def test_a_stack_of_values_is_least_squares_stretched_to_the_truths() -> None:
    (*tests,), (*validation,) = (systems(AFFECT, [1.0, 0.5], p, 40, 1) for p in ("test", "valid"))
    stacked = ensembles.stack(AFFECT, tests, validation)
    for name in AFFECT.dimensions:
        column = f"prediction:{name}"
        inputs, new = (np.array([m[column] for m in part]).T for part in (validation, tests))
        truth, centre = validation[0][f"truth:{name}"].to_numpy(), inputs.mean(axis=0)
        weights, _ = nnls(inputs - centre, truth - truth.mean())
        fitted = (inputs - centre) @ weights
        by_hand = truth.mean() + (new - centre) @ weights * truth.std() / fitted.std()
        np.testing.assert_allclose(stacked[column], by_hand)


def test_certainty_beyond_all_measure_and_useless_systems_give_numbers() -> None:
    (*tests,), (*validation,) = (systems(CLASSES, [1.0, 1.0], p, 40, 1) for p in ("test", "valid"))
    for part in (tests, validation):
        part[1][SCORES] = np.eye(4)[np.arange(40) % 4]  # zeros have no logarithm
    assert np.isfinite(ensembles.stack(CLASSES, tests, validation)[SCORES]).all(axis=None)
    (*tests,), (*validation,) = (systems(AFFECT, [-1.0, -1.0], p, 40, 1) for p in ("test", "valid"))
    stacked = ensembles.stack(AFFECT, tests, validation)
    assert np.isfinite(stacked[VALUES]).all(axis=None)
    truth = validation[0]["truth:valence"].mean()
    assert stacked["prediction:valence"].to_numpy() == pytest.approx(truth), "worth a constant"


def test_a_label_that_no_validation_utterance_has_can_still_be_predicted() -> None:
    (*tests,), (*validation,) = (systems(CLASSES, [3.0, 2.0], p, 80, 1) for p in ("test", "valid"))
    seen = (validation[0]["truth"] != "sad").to_numpy()
    stacked = ensembles.stack(CLASSES, tests, [member[seen] for member in validation])
    sad = stacked["truth"] == "sad"
    assert (stacked.loc[sad, "prediction"] == "sad").mean() > 0.7
