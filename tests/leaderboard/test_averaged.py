"""Trainings with fewer epochs than were to be averaged: each stage says so of its own."""

from __future__ import annotations

from serbench.leaderboard.notes import about_result
from serbench.leaderboard.record import FineTuned, Fit

from .result_samples import classified, record, score


def fits(*averaged: int) -> tuple[Fit, ...]:
    return tuple(
        Fit(
            fold=str(fold),
            seed=0,
            learning_rate=1e-3,
            epoch=1,
            valid_score=0.5,
            averaged=tuple(range(1, count + 1)),
        )
        for fold, count in enumerate(averaged, start=1)
    )


def test_both_stages_say_how_many_of_their_trainings_had_too_few_epochs() -> None:
    tuned = FineTuned(
        on="train", utterances=8, hours=0.1, checkpoints=("a",), training=fits(2, 3, 3)
    )
    recipe = {"training": {"average": 5}, "finetune": {"average": 3}}
    result = record(finetuned=tuned, training=fits(5, 4, 4), recipe=recipe)
    told = [note for note in about_result(result, score(result, classified(1))) if "fewer" in note]
    assert [note.partition(" epochs")[0] for note in told] == [
        "1 of 3 fine-tunings had fewer than the 3",
        "2 of 3 trainings had fewer than the 5",
    ]
