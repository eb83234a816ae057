"""A stored result beside its corpus: the folds are made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench.digests import digest_rows, rows_of
from serbench.leaderboard import store
from serbench.leaderboard.identity import digest_of
from serbench.leaderboard.record import LeftOut
from serbench.leaderboard.verifying import verify
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.at_hand import AtHand
from serbench.runs.run import run_recipe
from serbench.scoring.scores import score

QUICK = {
    "upstream": "mfcc",
    "downstream": "mean_pool",
    "training": {"epochs": 1, "learning_rates": [1e-3]},
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return an honest result, and a folder for others."""
    root = tmp_path_factory.mktemp("sound")
    asked = recipe.resolve(QUICK)
    outcome = run_recipe(asked, data=None, results=root / "honest", progress=Silent())
    return outcome.path, root


def without_its_errors(entry: store.Entry, root: Path) -> Path:
    """Save a result that leaves out what it got wrong in its first fold, and hides that well."""
    result, rows = entry
    first = result.split.folds[0]
    own = rows["fold"] == first.name
    kept = rows[~own | (rows["truth"] == rows["prediction"])]
    test = kept[kept["fold"] == first.name]
    said = rows_of(test["utterance"], test["speaker"], test["truth"])
    truths = first.truths | {"test": digest_rows(said)}
    forged = first.model_copy(update={"test": len(test), "truths": truths})
    split = result.split.model_copy(update={"folds": (forged, *result.split.folds[1:])})
    scores = score(result.benchmark.task, kept).to_json()
    return store.save(result.model_copy(update={"split": split, "scores": scores}), kept, root)


def test_clips_that_were_left_out_of_a_test_are_noticed(sound, tmp_path: Path) -> None:
    path, _ = sound
    hand = AtHand(None)
    assert verify(path, hand)[1:3] == ((), True)

    found = verify(without_its_errors(store.load_result(path), tmp_path / "forged"), hand)
    assert found.truth is False
    (said,) = found.problems
    assert said == "fold 'session 1' is not what the protocol makes of the corpus that is here"

    split = {"name": "no_such_protocol", "options": {}}
    record = store.load_result(path).result
    lost = record.model_copy(update={"protocol": record.protocol.model_copy(update=split)})
    corpus = hand(lost)
    assert corpus is not None
    assert corpus.folds == ()
    assert "its folds cannot be made anew: no protocol 'no_such_protocol'" in corpus.unmade


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"truths": {"train": "0" * 16}},
            "is not what the protocol makes of the corpus that is here",
        ),
        ({"train": 1}, "has 1 training utterances in the record, and {train} as the protocol"),
        ({"valid": 0}, "has 0 validation utterances in the record, and {valid} as the protocol"),
        ({"enrol": 2}, "has 2 enrolled utterances in the record, and 0 as the protocol"),
    ],
)
def test_other_parts_than_the_protocol_makes_are_noticed(sound, changes, said) -> None:
    path, root = sound
    result, rows = store.load_result(path)
    first, *others = result.split.folds
    told = {key: first.truths | new for key, new in changes.items() if key == "truths"}
    forged = first.model_copy(update=changes | told)
    split = result.split.model_copy(update={"folds": (forged, *others)})
    written = store.save(result.model_copy(update={"split": split}), rows, root / str(changes))
    found = verify(written, AtHand(None))
    assert found.truth is False
    (told,) = found.problems
    assert told.startswith(f"fold '{first.name}' {said.format(**first.model_dump())}")


@pytest.mark.parametrize("what", ["ids", "speakers", "labels", "texts"])
def test_other_material_than_the_corpus_has_is_noticed(sound, what: str) -> None:
    path, root = sound
    result, rows = store.load_result(path)
    assert getattr(result.split, what)
    split = result.split.model_copy(update={what: "0" * 16})
    written = store.save(result.model_copy(update={"split": split}), rows, root / what)
    assert verify(written, AtHand(None)).problems == (
        f"the {what} that its split was made of are not those of the corpus that is here",
    )


def test_folds_in_another_order_and_clips_that_never_were_are_noticed(sound) -> None:
    path, root = sound
    result, rows = store.load_result(path)
    turned = result.split.model_copy(update={"folds": result.split.folds[::-1]})
    nobody = (LeftOut(utterance="nobody", reason="cannot be read"),)
    digest = digest_of(result.recipe, ["nobody"])
    for changes, said in (
        ({"split": turned}, "its folds are in another order than the protocol makes them"),
        (
            {"left_out": nobody, "digest": digest},
            "utterances that it left out, and the corpus does not have: nobody",
        ),
    ):
        written = store.save(result.model_copy(update=changes), rows, root / said[:9])
        assert verify(written, AtHand(None)).problems == (said,)
