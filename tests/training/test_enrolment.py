"""Heads that know speakers: which rows they get, what they learn, and who stays a stranger."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from pandas import Series

from serbench.benchmarks import UNKNOWN, Classification, Fold
from serbench.benchmarks.reading.names import speaker_numbers
from serbench.downstreams import mlp, speaker_mlp
from serbench.training.enrolment import enrol
from serbench.training.fit import Fitted, Trial, fit
from serbench.training.objectives import objective_of
from serbench.training.settings import Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.upstreams import Features

TWO = Classification(("low", "high"))
PEOPLE = 8
COUNT = 40 * PEOPLE
NAMES = np.array([f"s{i % PEOPLE}" for i in range(COUNT)])
LABELS = np.random.default_rng(0).integers(0, 2, COUNT)
QUICK = Training(learning_rates=(1e-2,), epochs=8)


def speakers(names: np.ndarray = NAMES) -> np.ndarray:
    """Return numbers as a run gives them, in the order of the names."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def fold_of(train: range, valid: range, test: range) -> Fold:
    """Return a fold of speakers."""
    number = np.arange(COUNT) % PEOPLE
    return Fold("f", *(np.flatnonzero(np.isin(number, part)) for part in (train, valid, test)))


DISJOINT = fold_of(range(5), range(5, 6), range(6, 8))
SHARED = Fold("shared", np.arange(200), np.arange(200, 240), np.arange(240, COUNT))


# --- the rows ---


def test_rows_are_those_of_the_speakers_trained_on() -> None:
    names = np.array(["b", "a", "c", "b", "d", "a"])
    fold = Fold("f", np.array([0, 3, 4]), np.array([1]), np.array([2, 5]))
    enrolment = enrol(speakers(names), fold)
    assert enrolment.rows.tolist() == [1, 0, 0, 1, 2, 0]
    assert enrolment.speakers == 2
    assert enrolment.voices is None
    merged = enrol(speakers(names), fold.merged())
    assert merged.rows.tolist() == [2, 1, 0, 2, 3, 1]
    assert merged.speakers == 3


def test_unknown_speakers_have_no_row_in_training_nor_a_voice() -> None:
    names = Series(["b", UNKNOWN, "a", "b", UNKNOWN, "a"])
    fold = Fold("f", np.array([0, 1, 2]), np.array([3]), np.array([4, 5]))
    told = speaker_numbers(names)
    assert told.tolist() == [2, -1, 1, 2, -1, 1]
    assert enrol(told, fold).rows.tolist() == [2, 0, 1, 2, 0, 1]
    assert enrol(told, fold).speakers == 2
    heard = enrol(told, fold, np.arange(6, dtype=np.float32)[:, None])
    assert heard.speakers == 2
    assert heard.rows[[1, 4]].tolist() == [0, 0]
    assert heard.voices is not None
    assert heard.voices[:, 0].tolist() == [0, 2, 0, 3, 5]


def test_a_voice_is_heard_in_its_own_part_alone() -> None:
    names = np.array(["b", "a", "c", "b", "b", "a", "z"])
    fold = Fold("f", np.array([0, 3, 5]), np.array([4]), np.array([1, 2]))
    heard = np.array([[1.0], [10.0], [20.0], [3.0], [40.0], [7.0], [99.0]], np.float32)
    enrolment = enrol(speakers(names), fold, heard)
    assert enrolment.speakers == 2
    assert enrolment.voices is not None
    # nobody; a and b of the training part; b of validation; a and c of the test part
    assert enrolment.voices[:, 0].tolist() == [0, 7, 2, 40, 10, 20]
    assert enrolment.rows.tolist() == [2, 4, 5, 2, 3, 1, 0]


# --- what is learnt ---


class Means:
    """Features whose direction means the opposite for every other speaker."""

    depth, dim = 1, 6

    def __init__(self, number: np.ndarray) -> None:
        signs = np.where(number % 2, 1, -1) * np.where(LABELS, 1, -1)
        self.layers = 0.3 * torch.randn(1, COUNT, 1, 6, generator=torch.Generator().manual_seed(0))
        self.layers[0, :, 0, 0] += torch.from_numpy(signs)
        self.lengths = np.ones(COUNT, np.int64)

    def batch(self, rows: np.ndarray) -> Features:
        return Features(self.layers[:, rows], torch.from_numpy(self.lengths[rows]))


VOICES = np.zeros((COUNT, 13), np.float32)
VOICES[:, 0] = 300 + np.arange(COUNT) % 2  # the opposite is heard, too


def train(
    speaker: str | None,
    fold: Fold,
    names: np.ndarray = NAMES,
    training: Training = QUICK,
    seed: int = 0,
) -> Fitted:
    head = mlp.make if speaker is None else partial(speaker_mlp.make, speaker=speaker)
    source = Means(np.arange(COUNT) % PEOPLE)
    objective = objective_of(TWO, training)
    voices = VOICES if speaker == "mfcc" else None
    cpu = torch.device("cpu")
    trial = Trial(
        (source,), LABELS, speakers(names), fold, objective, training, seed, cpu, voices=voices
    )
    return fit(trial, lambda: System([Stream(1, 6)], [head(6)], 2), Silent())


class Silent:
    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def accuracy(fitted: Fitted, fold: Fold) -> float:
    return float((fitted.scores.argmax(1) == LABELS[fold.test]).mean())


def test_who_speaks_tells_what_a_feature_means() -> None:
    # 80 test clips: chance is 0.5 with a standard error of 0.06
    assert accuracy(train(None, SHARED), SHARED) < 0.7
    assert accuracy(train("id", SHARED), SHARED) > 0.9
    assert accuracy(train("mfcc", SHARED), SHARED) > 0.9


def test_of_a_stranger_only_the_voice_tells() -> None:
    assert accuracy(train("id", DISJOINT), DISJOINT) < 0.7
    assert accuracy(train("mfcc", DISJOINT), DISJOINT) > 0.9


@pytest.mark.parametrize("speaker", ["id", "mfcc"])
@pytest.mark.parametrize("refit", [False, True])
def test_renaming_a_stranger_changes_nothing(speaker: str, refit: bool) -> None:
    training = QUICK.model_copy(update={"refit": refit, "epochs": 3})
    renamed = np.where(NAMES == "s7", "a stranger", NAMES)
    assert speakers(renamed)[0] != speakers()[0], "all numbers of the corpus move"
    one, other = (train(speaker, DISJOINT, names, training) for names in (NAMES, renamed))
    np.testing.assert_array_equal(one.scores, other.scores)
    assert one.history == other.history


def test_validation_speakers_are_enrolled_when_they_are_trained_on() -> None:
    plain, refitted = (
        train("id", DISJOINT, training=QUICK.model_copy(update={"refit": refit}))
        for refit in (False, True)
    )
    table = "heads.0.speaker.table.weight"
    assert len(plain.state[table]) == 1 + 5
    assert len(refitted.state[table]) == 1 + 6


def test_a_refit_predicts_with_the_rows_that_it_learnt() -> None:
    """Speaker 5 is in validation and test alone, so only the refit gets to know him."""
    number = np.arange(COUNT) % PEOPLE
    own = np.flatnonzero(number == 5)
    fold = Fold("f", np.flatnonzero(number < 5), own[:30], own[30:])
    refitted = train("id", fold, training=QUICK.model_copy(update={"refit": True}))
    whole = Fold("f", np.concatenate([fold.train, fold.valid]), fold.valid[:0], fold.test)
    system = System([Stream(1, 6)], [speaker_mlp.make(6)], 2).eval()
    system.enrol(6)
    system.load_state_dict(refitted.state)
    features = Means(number).batch(fold.test)
    rows = torch.from_numpy(enrol(speakers(), whole).rows[fold.test])
    assert rows.tolist() == [6] * 10
    with torch.no_grad():
        expected = system([features], rows).softmax(1)
    np.testing.assert_allclose(refitted.scores, expected, rtol=1e-5)


def test_a_seed_gives_one_table() -> None:
    first, again, other = (
        train("id", SHARED, training=QUICK.model_copy(update={"epochs": 1}), seed=seed)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.scores, again.scores)
    assert not np.allclose(first.scores, other.scores)
