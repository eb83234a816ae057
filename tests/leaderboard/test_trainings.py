"""The trainings of a record are one for each fold and seed, and chose among what was asked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from serbench.leaderboard import store, trainings
from serbench.leaderboard.record import Corrected, Curve, FineTuned, Fit, Labels, Member, Result
from serbench.leaderboard.submissions import add

from .result_samples import classified, own_run, record, scored

GOOD = classified(1.5)
RUN = own_run()
FIRST, *OTHERS = RUN.training
CURVE = Curve(epochs=(1, 5000), losses=(1.0, 0.5), valid_scores=(0.5, 0.6))


def first(**changes: Any) -> tuple[Fit, ...]:
    """Return the trainings, the first of them changed."""
    return (FIRST.model_copy(update=changes), *OTHERS)


@pytest.mark.parametrize(
    ("fits", "said"),
    [
        ((), "it has no training of fold '1' with seed 0, fold '2' with seed 0, fold '3' with"),
        (OTHERS, "it has no training of fold '1' with seed 0"),
        ((*RUN.training, FIRST), "it has more than one training of fold '1' with seed 0"),
        ((*RUN.training, FIRST.model_copy(update={"seed": 7})), "a training of fold '1' with seed"),
        (first(fold="99"), "it has a training of fold '99' with seed 0, and no such fold and seed"),
        (first(learning_rate=0.5), "chose the learning rate 0.5, and its recipe has 0.0001, 0.001"),
        (first(epoch=100_000), "its trainings tell of epoch 100000, and its recipe has 1 to 100"),
        (first(epoch=0), "its trainings tell of epoch 0, and its recipe has 1 to 100"),
        (first(averaged=(3, 4)), "averaged 2 epochs, and its recipe 1 at most"),
        (first(averaged=(3,)), "averaged 1 epochs, and its recipe 1 at most"),
        (first(averaged=(3, 300)), "its trainings tell of epoch 300"),
        (first(curve=CURVE), "its trainings tell of epoch 5000"),
        (
            first(curve=CURVE.model_copy(update={"epochs": (3, 3)})),
            "the curve of fold '1' with seed 0 does not go from epoch to epoch",
        ),
        (first(layers=((0.5, 0.4),)), "layers of fold '1' with seed 0 are not shares of sum 1"),
        (first(layers=((2.0, -1.0),)), "layers of fold '1' with seed 0 are not shares of sum 1"),
        (first(layers=((math.nan, 1.0),)), "fold '1' with seed 0 are not shares of sum 1"),
        (
            [
                each.model_copy(update={"layers": ((0.5, 0.5),) if n else ((0.2, 0.8, 0.0),)})
                for n, each in enumerate(RUN.training)
            ],
            "its trainings weight other numbers of layers",
        ),
    ],
)
def test_trainings_that_cannot_be_those_of_the_recipe_are_named(fits, said, tmp_path: Path) -> None:
    made = RUN.model_copy(update={"training": tuple(fits)})
    store.save(scored(made, GOOD), GOOD, tmp_path / "theirs")
    (found,) = add(tmp_path / "theirs", tmp_path / "mine", lambda _: None)
    assert said in " ".join(found.problems)


def of_two_runs(**changes: Any) -> Result:
    member = Member(digest="ab" * 32, labels=Labels(upstream="fbank", downstream="mlp"))
    return record(
        recipe={"fuse": "mean"}, **{"members": (member, member), "training": ()} | changes
    )


def corrected(**changes: Any) -> Result:
    told = Corrected(digest="ab" * 32, steps=("pldc",))
    return record(recipe={"postprocess": []}, **{"corrected": told} | changes)


@pytest.mark.parametrize(
    "honest",
    [
        RUN,
        RUN.model_copy(update={"complete": False, "training": (FIRST,)}),
        of_two_runs(),
        of_two_runs(corrected=corrected().corrected),
        corrected(),
        record(training=()),
        record(seeds=(0, 1)),
    ],
    ids=["run", "not whole", "fused", "fused and corrected", "corrected", "older", "two seeds"],
)
def test_what_has_the_trainings_that_it_should_is_sound(honest: Result) -> None:
    assert [*trainings.unlike(honest)] == []


def test_what_was_made_of_runs_has_their_trainings_or_none() -> None:
    assert [*trainings.unlike(of_two_runs(training=RUN.training))]
    assert [*trainings.unlike(corrected(training=(*OTHERS,)))]


STAGE = {"epochs": 4, "learning_rates": [1e-3], "seed": 5}
TUNED = tuple(
    Fit(fold=fold.name, seed=5, learning_rate=1e-3, epoch=4, valid_score=0.5)
    for fold in RUN.split.folds
)


def tuned(*fits: Fit, **changes: Any) -> Result:
    """Return a run whose upstream was fine-tuned so."""
    told = FineTuned(
        on="train", utterances=9, hours=0.1, checkpoints=("ab" * 32,) * len(fits), training=fits
    )
    given = {"recipe": RUN.recipe | {"finetune": STAGE}, "finetuned": told}
    return RUN.model_copy(update=given | changes)


@pytest.mark.parametrize(
    ("fits", "said"),
    [
        (TUNED[1:], "it has no fine-tuning of fold '1' with seed 5"),
        ((*TUNED, TUNED[0]), "it has more than one fine-tuning of fold '1' with seed 5"),
        ((*TUNED, TUNED[0].model_copy(update={"fold": "9"})), "a fine-tuning of fold '9' with"),
        ((*TUNED[1:], TUNED[0].model_copy(update={"seed": 6})), "fold '1' with seed 6, and no"),
        (
            (*TUNED[1:], TUNED[0].model_copy(update={"learning_rate": 1.0})),
            "its fine-tunings chose the learning rate 1.0, and its recipe has 0.001",
        ),
        (
            (*TUNED[1:], TUNED[0].model_copy(update={"averaged": (4, 5)})),
            "its fine-tunings tell of epoch 5, and its recipe has 1 to 4",
        ),
    ],
)
def test_fine_tunings_are_held_against_the_recipe_too(fits: tuple[Fit, ...], said: str) -> None:
    assert [*trainings.unlike(tuned(*TUNED))] == []
    assert said in " ".join(trainings.unlike(tuned(*fits)))


def test_what_was_made_of_fine_tuned_runs_has_their_fine_tunings() -> None:
    recipe = {"postprocess": []}
    of_one = {"recipe": recipe, "corrected": corrected().corrected}
    assert [*trainings.unlike(tuned(*TUNED, **of_one))] == []
    assert [*trainings.unlike(tuned(*TUNED[1:], **of_one))]
