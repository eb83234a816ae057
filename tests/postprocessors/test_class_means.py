"""Class means that follow a speaker: a direct computation, planted shifts, nothing to gain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, Predicted, class_means

CLASSES, WIDTH = 4, 6
CENTRES = 2.0 * np.eye(CLASSES, WIDTH)


def part(random: np.random.Generator, prefix: str, speakers: int, shift: float) -> Known:
    """Utterances around the centres of their classes, all of a speaker's moved by his own shift."""
    names, truths, points = [], [], []
    for i in range(speakers):
        own = shift * random.normal(size=WIDTH)
        drawn = random.integers(CLASSES, size=40)
        names += [f"{prefix}{i}"] * 40
        truths.append(drawn)
        points.append(CENTRES[drawn] + own + random.normal(size=(40, WIDTH)))
    x = np.concatenate(points)
    logits = -0.5 * ((x[:, None] - CENTRES) ** 2).sum(axis=2)
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    seen = x.astype(np.float32)
    return Known(values, np.array(names), np.concatenate(truths), embeddings=seen)


def corpus(seed: int, shift: float) -> tuple[Evidence, Known]:
    random = np.random.default_rng(seed)
    train, valid = part(random, "a", 12, 0.0), part(random, "b", 6, shift)
    return Evidence(train=train, valid=valid, voices={}, seed=seed), part(random, "c", 8, shift)


def right(known: Known, values: np.ndarray) -> float:
    return float((values.argmax(axis=1) == known.truths).mean())


@pytest.mark.parametrize("move", ["each", "together"])
def test_it_is_what_a_direct_implementation_gives(move: Any) -> None:
    """EM with one Gaussian a class, written out utterance by utterance, at the temperature 1."""
    evidence, test = corpus(0, 0.5)
    strength, rounds = 7.0, 3
    made = class_means.make(move=move, strength=strength, rounds=rounds, calibrate=False)
    found = made.correct(test.unlabelled, evidence)
    train = evidence.train
    assert train.embeddings is not None
    assert test.embeddings is not None
    x = train.embeddings.astype(float)
    start = np.array([x[train.truths == c].mean(axis=0) for c in range(CLASSES)])
    shared = LedoitWolf(assume_centered=True).fit(x - start[train.truths]).covariance_
    for speaker in np.unique(test.speakers):
        rows = np.flatnonzero(test.speakers == speaker)
        points, given = test.embeddings[rows].astype(float), test.values[rows]
        means, shares = start.copy(), given.copy()
        for _ in range(rounds):
            moved = np.zeros(WIDTH)
            for c in range(CLASSES):
                total = strength * start[c]
                for share, point in zip(shares[:, c], points, strict=True):
                    total = total + share * point
                    moved += share * (point - start[c]) / (strength + len(points))
                means[c] = total / (strength + shares[:, c].sum())
            if move == "together":
                means = start + moved
            for i, point in enumerate(points):
                odds = [
                    given[i, c]
                    * multivariate_normal(means[c], shared).pdf(point)
                    / multivariate_normal(start[c], shared).pdf(point)
                    for c in range(CLASSES)
                ]
                shares[i] = np.array(odds) / sum(odds)
        np.testing.assert_allclose(found[rows], shares, atol=1e-8)


def gains(shift: float, **options: Any) -> np.ndarray:
    found = []
    for seed in range(8):
        evidence, test = corpus(seed, shift)
        after = class_means.make(**options).correct(test.unlabelled, evidence)
        found.append(right(test, after) - right(test, test.values))
    return np.array(found)


@pytest.mark.parametrize("shift", [0.4, 0.8, 1.2])
def test_where_speakers_are_shifted_it_gains(shift: float) -> None:
    found = gains(shift)
    assert found.mean() > 2 * found.std(ddof=1) / np.sqrt(len(found))
    assert found.mean() > 0.04 * shift


def test_each_mean_by_its_own_gains_less_where_all_move_alike() -> None:
    assert 0 < gains(0.8, move="each", strength=5.0).mean() < gains(0.8, strength=5.0).mean()


def test_where_nobody_is_shifted_it_neither_gains_nor_loses() -> None:
    assert abs(gains(0.0).mean()) < 0.01


def test_held_fast_it_changes_nothing() -> None:
    evidence, test = corpus(1, 0.8)
    held = class_means.make(strength=1e12, calibrate=False).correct(test.unlabelled, evidence)
    np.testing.assert_allclose(held, test.values, atol=1e-6)


def test_units_and_rotations_of_embeddings_do_not_matter() -> None:
    """To the shrinkage of the covariance, which no longer matters with so many utterances."""
    evidence, test = corpus(2, 0.6)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(WIDTH, WIDTH)))[0]
    found = []
    for matrix in (np.eye(WIDTH), 5 * turn):
        seen = [
            Known(k.values, k.speakers, k.truths, embeddings=(k.embeddings @ matrix))
            for k in (evidence.train, test)
            if k.embeddings is not None
        ]
        about = Evidence(train=seen[0], valid=evidence.valid, voices={}, seed=0)
        found.append(class_means.make().correct(seen[1].unlabelled, about))
    np.testing.assert_allclose(*found, atol=1e-4)


def test_who_is_enrolled_is_followed_by_that_alone() -> None:
    evidence, test = corpus(3, 0.8)
    first = np.concatenate([np.flatnonzero(test.speakers == who)[:10] for who in ("c0", "c1")])
    assert test.embeddings is not None
    given = Predicted(test.values[first], test.speakers[first], embeddings=test.embeddings[first])
    about = Evidence(train=evidence.train, valid=evidence.valid, voices={}, seed=0, enrolled=given)
    made = class_means.make(calibrate=False).correct(test.unlabelled, about)
    known = np.isin(test.speakers, ["c0", "c1"])
    np.testing.assert_allclose(made[~known], test.values[~known])
    assert not np.allclose(made[known], test.values[known])


def test_labels_that_are_enrolled_help_more_than_guesses_of_them() -> None:
    found = []
    for seed in range(8):
        evidence, test = corpus(seed, 1.2)
        first = np.concatenate([np.flatnonzero(test.speakers == f"c{i}")[:10] for i in range(8)])
        assert test.embeddings is not None
        part = Known(
            test.values[first],
            test.speakers[first],
            test.truths[first],
            embeddings=test.embeddings[first],
        )
        gained = [
            right(test, class_means.make(strength=2.0).correct(test.unlabelled, about))
            for about in (replace(evidence, enrolled=each) for each in (part, part.unlabelled))
        ]
        found.append(gained[0] - gained[1])
    assert np.mean(found) > 2 * np.std(found, ddof=1) / np.sqrt(len(found))


def test_one_clip_moves_little_and_none_nothing() -> None:
    evidence, test = corpus(4, 0.8)
    assert test.embeddings is not None
    one = Predicted(test.values[:1], test.speakers[:1], embeddings=test.embeddings[:1])
    made = class_means.make(calibrate=False).correct(one, evidence)
    np.testing.assert_allclose(made, one.values, atol=0.2)


def test_without_embeddings_the_remedy_is_said() -> None:
    evidence, test = corpus(5, 0.0)
    bare = Predicted(test.values, test.speakers)
    with pytest.raises(SerbenchError, match=r"has no embeddings of its utterances.*--again"):
        class_means.make().correct(bare, evidence)


@pytest.mark.parametrize("options", [{"strength": 0.0}, {"rounds": 0}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SerbenchError, match="give a strength above 0 and 1 to 1000 rounds"):
        class_means.make(**options)


def test_a_class_that_the_training_part_lacks_has_the_mean_of_all() -> None:
    evidence, test = corpus(4, 0.5)
    there = evidence.train.truths != 3
    train = evidence.train
    assert train.embeddings is not None
    rows = (train.values[there], train.speakers[there], train.truths[there])
    lacking = replace(evidence, train=Known(*rows, embeddings=train.embeddings[there]))
    known = class_means.classes(lacking.train, CLASSES)
    points = train.embeddings[there].astype(float) @ known.white
    np.testing.assert_allclose(known.means[3], points.mean(axis=0))
    for move in ("together", "each"):
        made = class_means.make(move=move).correct(test.unlabelled, lacking)  # type: ignore[arg-type]
        np.testing.assert_allclose(made.sum(axis=1), 1)
        assert right(test, made) > 0.6
