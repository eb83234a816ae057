"""Corrections of class probabilities: published algorithms, planted truth, hidden truths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from serbench.benchmarks import UNKNOWN
from serbench.errors import SerbenchError
from serbench.postprocessors import (
    Evidence,
    Known,
    PostProcessor,
    Predicted,
    chain,
    check_serves,
    em_prior,
    prior_shift,
)
from serbench.postprocessors._posteriors import temperature

CLASSES = 4
STEPS: list[PostProcessor] = [em_prior.make(), prior_shift.make(k=5)]


def part(
    random: np.random.Generator, prefix: str, speakers: int, priors: np.ndarray, clips: int = 40
) -> tuple[Known, dict[str, Any]]:
    """Speakers with class priors of their kind; posteriors are exact under a flat prior."""
    names, truths, points, voices = [], [], [], {}
    centres = 1.2 * np.eye(CLASSES, 6)
    for i in range(speakers):
        kind = i % len(priors)
        drawn = random.choice(CLASSES, clips, p=priors[kind])
        voices[f"{prefix}{i}"] = np.eye(len(priors))[kind] + 0.1 * random.normal(size=len(priors))
        names += [f"{prefix}{i}"] * clips
        truths.append(drawn)
        points.append(centres[drawn] + random.normal(size=(clips, 6)))
    x = np.concatenate(points)
    logits = -0.5 * ((x[:, None] - centres) ** 2).sum(axis=2)
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    made = Known(values, np.array(names), np.concatenate(truths))
    return made, voices


def corpus(seed: int, priors: np.ndarray) -> tuple[Evidence, Known]:
    random = np.random.default_rng(seed)
    train, one = part(random, "train", 24, priors)
    valid, two = part(random, "valid", 8, priors)
    test, three = part(random, "test", 24, priors)
    voices = {n: v.astype(np.float32) for n, v in (one | two | three).items()}
    return Evidence(train=train, valid=valid, voices=voices, seed=seed), test


SKEWED = 0.1 + 0.6 * np.eye(CLASSES)
FLAT = np.full((4, CLASSES), 0.25)


def right(known: Known, values: np.ndarray) -> float:
    return float((values.argmax(axis=1) == known.truths).mean())


def gains(make: Any, priors: np.ndarray, seeds: int = 20) -> np.ndarray:
    """Return what a post-processor gains on as many corpora, in shares of utterances."""
    found = []
    for seed in range(seeds):
        about, test = corpus(seed, priors)
        found.append(right(test, make().correct(test.unlabelled, about)) - right(test, test.values))
    return np.array(found)


def error(values: np.ndarray) -> float:
    """Return the standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


MAKERS = pytest.mark.parametrize("make", [em_prior.make, lambda: prior_shift.make(k=5)])


@MAKERS
def test_where_speakers_have_classes_of_their_own_it_gains(make: Any) -> None:
    found = gains(make, SKEWED)
    assert found.mean() > 0.08
    assert found.min() > 0.02
    about, test = corpus(0, SKEWED)
    np.testing.assert_allclose(make().correct(test.unlabelled, about).sum(axis=1), 1)


@MAKERS
def test_where_all_have_all_classes_it_gains_nothing(make: Any) -> None:
    found = gains(make, FLAT)
    assert found.mean() < 3 * error(found)
    assert found.mean() > -0.03


def test_prior_shift_finds_the_prior_of_a_speakers_kind() -> None:
    about, test = corpus(0, SKEWED)
    speakers = np.unique(test.speakers).tolist()
    found = prior_shift.make(k=5).priors(speakers, about, CLASSES)
    kinds = [int(name.removeprefix("test")) % 4 for name in speakers]
    np.testing.assert_allclose(found, SKEWED[kinds], atol=0.1)


def test_where_voices_say_nothing_prior_shift_gains_no_more_than_by_chance() -> None:
    found = []
    for seed in range(20):
        about, test = corpus(seed, SKEWED)
        random = np.random.default_rng(seed)
        deaf = {name: random.normal(size=4).astype(np.float32) for name in about.voices}
        deaf_about = replace(about, voices=deaf)
        by_voice, by_chance = (
            right(test, prior_shift.make(k=5, neighbours=n).correct(test.unlabelled, deaf_about))
            for n in ("nearest", "random")
        )
        found.append(by_voice - by_chance)
    assert abs(np.mean(found)) < 3 * error(np.array(found))


def test_em_finds_the_planted_prior() -> None:
    _, test = corpus(1, SKEWED)
    flat = np.full(CLASSES, 0.25)
    for kind in range(4):
        rows = np.isin(test.speakers, [f"test{i}" for i in range(24) if i % 4 == kind])
        found = em_prior.own_prior(test.values[rows], flat, strength=0)
        drawn = np.bincount(test.truths[rows], minlength=CLASSES) / rows.sum()
        np.testing.assert_allclose(found, drawn, atol=0.08)


def test_em_is_a_fixed_point_of_saerens_update_and_shrinks_to_the_known_prior() -> None:
    _, test = corpus(2, SKEWED)
    values, known = test.values[:40], np.array([0.4, 0.3, 0.2, 0.1])
    found = em_prior.own_prior(values, known, strength=0)
    weighted = values * found / known
    again = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(again, found, atol=1e-6)
    held = em_prior.own_prior(values, known, strength=1e6)
    np.testing.assert_allclose(held, known, atol=1e-3)


def test_the_temperature_of_calibrated_posteriors_is_one_and_a_planted_one_is_found() -> None:
    about, _ = corpus(3, FLAT)
    train = about.train
    assert temperature(train.values, train.truths) == pytest.approx(1, abs=0.1)
    sharp = train.values**3
    sharp /= sharp.sum(axis=1, keepdims=True)
    assert temperature(sharp, train.truths) == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_permuted_test_truths_change_nothing(step: PostProcessor) -> None:
    about, test = corpus(5, SKEWED)
    random = np.random.default_rng(0)
    other = Known(test.values, test.speakers, random.permutation(test.truths))
    (one, _), (two, _) = (chain((step,), known, about) for known in (test, other))
    np.testing.assert_array_equal(one, two)


def test_a_chain_hands_on_what_it_made_of_the_validation_part() -> None:
    about, test = corpus(6, SKEWED)
    first, second = em_prior.make(), prior_shift.make(k=5)
    by_hand_valid = first.correct(about.valid.unlabelled, about)
    by_hand = second.correct(
        Predicted(first.correct(test.unlabelled, about), test.speakers),
        about.after(by_hand_valid),
    )
    np.testing.assert_array_equal(chain((first, second), test, about)[0], by_hand)


def test_dimensions_are_not_for_prior_shift() -> None:
    with pytest.raises(
        SerbenchError, match="'prior_shift' corrects classification, not regression"
    ):
        check_serves("prior_shift", prior_shift.make(), "regression")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: em_prior.make(strength=-1), "'strength' of post-processor 'em_prior' is -1"),
        (lambda: prior_shift.make(k=0), "'k' of post-processor 'prior_shift' is 0"),
    ],
)
def test_options_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        make()


def test_more_neighbours_than_candidates_are_all_of_them() -> None:
    about, test = corpus(7, SKEWED)
    far, everybody = (
        prior_shift.make(**options).correct(test.unlabelled, about)  # type: ignore[arg-type]
        for options in ({"k": 10_000}, {"neighbours": "all"})
    )
    np.testing.assert_allclose(far, everybody)


def test_a_speaker_is_no_neighbour_of_his_own_labels() -> None:
    """Tested on those that were trained on: the prior is that of the others."""
    about, _ = corpus(8, SKEWED)
    own = about.train
    found = prior_shift.make(k=1).priors(["train0"], about, CLASSES)[0]
    others = [n for n in np.unique(own.speakers) if n != "train0"]
    shares = [np.bincount(own.truths[own.speakers == n], minlength=CLASSES) + 0.5 for n in others]
    assert any(np.allclose(found, each / each.sum()) for each in shares)
    mine = np.bincount(own.truths[own.speakers == "train0"], minlength=CLASSES) + 0.5
    assert not np.allclose(found, mine / mine.sum())


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_one_clip_is_held_to_the_prior_of_the_training_part(step: PostProcessor) -> None:
    about, test = corpus(9, SKEWED)
    one = Known(test.values[:1], test.speakers[:1], test.truths[:1]).unlabelled
    held = type(step)(**{**vars(step), "strength": 1e9})
    plain = em_prior.make(strength=1e9).correct(one, about)
    np.testing.assert_allclose(held.correct(one, about), plain, atol=1e-6)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_class_that_the_training_part_lacks_stays_as_unlikely_as_it_is_predicted(
    step: PostProcessor,
) -> None:
    about, test = corpus(11, SKEWED)
    kept = about.train.truths != 3
    rows = (about.train.values[kept], about.train.speakers[kept], about.train.truths[kept])
    without = test.values * [1, 1, 1, 1e-6]
    unseen = Predicted(without / without.sum(axis=1, keepdims=True), test.speakers)
    made = step.correct(unseen, replace(about, train=Known(*rows)))
    np.testing.assert_allclose(made.sum(axis=1), 1)
    assert (made >= 0).all() and made[:, 3].max() < 0.01


def test_who_has_no_voice_is_named() -> None:
    about, test = corpus(10, SKEWED)
    unknown = Known(test.values, np.full_like(test.speakers, "who"), test.truths).unlabelled
    with pytest.raises(SerbenchError, match="speaker 'who' has no voice"):
        prior_shift.make().correct(unknown, about)
    # em_prior needs no voices
    assert np.isfinite(em_prior.make().correct(unknown, about)).all()


def test_labels_that_are_enrolled_are_counted_and_not_guessed() -> None:
    about, test = corpus(9, SKEWED)
    given = Known(test.values[:40], test.speakers[:40], np.full(40, 2))
    told = replace(about, enrolled=given)
    own, known = test.unlabelled.values[:40], np.bincount(about.train.truths, minlength=4) + 0.5
    known = known / known.sum()

    def moved(aim: np.ndarray) -> np.ndarray:
        weighted = own * aim / known
        return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))

    by_em = em_prior.make(calibrate=False).correct(test.unlabelled, told)
    np.testing.assert_allclose(by_em[:40], moved((40 * np.eye(4)[2] + 5 * known) / 45))
    held = prior_shift.make(k=5, calibrate=False)
    neighbours = held.priors(["test0"], about, CLASSES)[0]
    share, mine = 40 / 45, (40 * np.eye(4)[2] + 0.5) / 42
    expected = share * mine + (1 - share) * (share * neighbours + (1 - share) * known)
    np.testing.assert_allclose(held.correct(test.unlabelled, told)[:40], moved(expected))
    for step in (em_prior.make(calibrate=False), held):
        made = step.correct(test.unlabelled, told)
        np.testing.assert_array_equal(made[40:], test.values[40:])


@pytest.mark.parametrize("step", STEPS, ids=["em_prior", "prior_shift"])
def test_unknown_speakers_stay_as_predicted_and_are_nobodys_neighbours(step: PostProcessor) -> None:
    evidence, test = corpus(3, SKEWED)
    alone = chain((step,), test, evidence)[0]
    nobody = np.isin(test.speakers, ["test1", "test2"])
    masked = replace(test, speakers=np.where(nobody, UNKNOWN, test.speakers))
    found = chain((step,), masked, evidence)[0]
    np.testing.assert_array_equal(found[nobody], test.values[nobody])
    np.testing.assert_array_equal(found[~nobody], alone[~nobody])
    assert (alone[nobody] != test.values[nobody]).any()
    # of people who may be anybody no voice is the mean: without it the step must not ask for it
    strangers = np.isin(evidence.train.speakers, ["train0", "train4"])
    names = np.where(strangers, UNKNOWN, evidence.train.speakers)
    known = replace(evidence, train=replace(evidence.train, speakers=names))
    assert UNKNOWN not in known.voices
    assert np.isfinite(chain((step,), masked, known)[0]).all()
    everybody = replace(test, speakers=np.full(len(test.speakers), UNKNOWN))
    np.testing.assert_array_equal(chain((step,), everybody, evidence)[0], test.values)
