"""What is chance by construction is told from what is merely bad."""

from __future__ import annotations

import numpy as np
import pytest
from pandas import DataFrame, concat

from serbench.benchmarks import Classification, Regression
from serbench.scoring.chance import can_only_guess

LABELS = ("angry", "calm", "happy", "sad")
EMOTIONS = Classification(LABELS)
AFFECT = Regression(("arousal",), 1.0, 5.0)
SPEAKERS, SENTENCES = 10, 12


def corpus(balanced: bool = True) -> DataFrame:
    """Return utterances: everybody says each sentence with each label, or with its own label."""
    rows = [
        {"speaker": f"s{s}", "sentence": t, "truth": label, "truth:arousal": float(1 + number)}
        for s in range(SPEAKERS)
        for t in range(SENTENCES)
        for number, label in enumerate(LABELS)
        if balanced or number == t % len(LABELS)
    ]
    return DataFrame(rows).assign(seed=0, fold="1").rename_axis("utterance").reset_index()


def predicted(table: DataFrame, outputs: np.ndarray) -> DataFrame:
    """Return predictions with (n, 4) outputs, the first of which is the arousal, too."""
    scores = {f"score:{label}": outputs[:, i] for i, label in enumerate(LABELS)}
    right = [LABELS[i] for i in outputs.argmax(1)]
    return table.assign(prediction=right, **scores, **{"prediction:arousal": outputs[:, 0]})


@pytest.mark.parametrize("task", [EMOTIONS, AFFECT], ids=["classes", "numbers"])
def test_the_same_for_every_utterance_is_a_guess(task: object):
    table = corpus()
    constant = np.tile([0.1, 0.2, 0.3, 0.4], (len(table), 1))
    noise = np.random.default_rng(0).normal(size=constant.shape)
    assert can_only_guess(task, predicted(table, constant))
    assert can_only_guess(task, predicted(table, constant + 1e-9 * noise))
    assert not can_only_guess(task, predicted(table, constant + 0.1 * noise))


@pytest.mark.parametrize("task", [EMOTIONS, AFFECT], ids=["classes", "numbers"])
@pytest.mark.parametrize("balanced", [True, False])
def test_the_same_for_each_sentence_is_a_guess_if_sentences_are_balanced(
    task: object, balanced: bool
):
    table = corpus(balanced)
    outputs = np.random.default_rng(0).normal(size=(SENTENCES, 4))[table["sentence"]]
    assert can_only_guess(task, predicted(table, outputs)) is balanced


def test_one_trial_that_is_none_is_enough():
    table = corpus()
    random = np.random.default_rng(0).normal(size=(len(table), 4))
    guess = predicted(table, np.tile([0.1, 0.2, 0.3, 0.4], (len(table), 1)))
    rows = [guess, guess.assign(fold="2"), predicted(table, random).assign(fold="3")]
    assert can_only_guess(EMOTIONS, concat(rows[:2], ignore_index=True))
    assert not can_only_guess(EMOTIONS, concat(rows, ignore_index=True))


def test_a_failed_training_is_no_guess_but_undefined():
    table = corpus()
    assert not can_only_guess(AFFECT, predicted(table, np.full((len(table), 4), np.nan)))
