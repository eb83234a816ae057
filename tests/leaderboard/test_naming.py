"""A row is called what its recipe is, or what the runs are that it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serbench.leaderboard import store
from serbench.leaderboard.identity import corrected_by, digest_of, fused_labels
from serbench.leaderboard.marks import marks
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.record import Corrected, Labels, Member, Result
from serbench.leaderboard.submissions import add
from serbench.leaderboard.verifying import Verdict, verify

from .result_samples import classified, own_run, record, scored

GOOD = classified(1.5)
LIE = Labels(upstream="wavlm", weights="large", downstream="ecapa.small")


def fused(runs: list[Result], **changes: Any) -> Result:
    plain = {"fuse": "mean", "members": [{"digest": each.digest} for each in runs]}
    called = tuple(Member(digest=each.digest, labels=each.labels) for each in runs)
    given = {"recipe": plain, "members": called, "training": ()} | changes
    labels = fused_labels([each.labels for each in given["members"] or called], "mean")
    digest = digest_of(given["recipe"])
    benchmark = runs[0].benchmark
    made = {"labels": labels, "digest": digest, "fused_with": (), "benchmark": benchmark}
    return record(**made | given)


def corrected(before: Result, **changes: Any) -> Result:
    plain = corrected_by([{"name": "pldc", "options": {}, "origin": "serbench"}], before.digest)
    labels = before.labels.model_copy(update={"downstream": "mlp.small > pldc"})
    told = Corrected(digest=before.digest, steps=("pldc",))
    given = {"recipe": plain, "labels": labels, "corrected": told} | changes
    return record(**{"digest": digest_of(plain), "benchmark": before.benchmark} | given)


def kept(result: Result, root: Path) -> Path:
    return store.save(scored(result, GOOD), GOOD, root)


def told(result: Result, root: Path) -> Verdict:
    return verify(kept(result, root), lambda _: None)


def test_an_older_recipe_cannot_call_its_row_what_it_is_not(tmp_path: Path) -> None:
    plain = {key: value for key, value in own_run().recipe.items() if key != "format"}
    honest = told(record(recipe=plain, labels=own_run().labels), tmp_path)
    assert honest.problems == ()
    assert honest.unsure == "its recipe is of an older format"
    (problem,) = told(record(recipe=plain, labels=LIE), tmp_path).problems
    assert problem == (
        "its row is called 'wavlm large ecapa.small', but its recipe is 'fbank - mlp.small'"
    )


@pytest.mark.parametrize("said", [2, 4, "3", None, 3.5])
def test_a_recipe_of_a_format_that_was_never_written_is_refused(said, tmp_path: Path) -> None:
    path = kept(
        record(recipe=own_run().recipe | {"format": said}, labels=own_run().labels), tmp_path
    )
    with pytest.raises(BrokenResultError, match="its recipe has format"):
        store.load_result(path)


def test_a_row_that_nothing_verifies_says_so_where_it_was_added(tmp_path: Path) -> None:
    kept(fused([own_run("mlp"), own_run("mean_pool")]), tmp_path / "theirs")
    (found,) = add(tmp_path / "theirs", tmp_path / "mine", lambda _: None)
    assert found.problems == ()
    assert "the runs that it was made of are not here" in found.unsure
    (mark,) = marks(tmp_path / "mine").values()
    assert "; what its row is called is its own word; its predictions could not be" in mark


def test_a_fusion_is_called_by_runs_that_are_there(tmp_path: Path) -> None:
    members = [own_run("mlp"), own_run("mean_pool")]
    for each in members:
        kept(each, tmp_path)
    found = told(fused(members), tmp_path)
    assert (found.problems, found.unsure) == ((), "")
    lie = Member(digest=members[0].digest, labels=LIE)
    true = Member(digest=members[1].digest, labels=members[1].labels)
    (problem,) = told(fused(members, members=(lie, true)), tmp_path).problems
    assert "is called 'wavlm large ecapa.small', but the run" in problem


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": LIE}, "its row is called 'wavlm large ecapa.small'"),
        ({"members": ()}, "not of the runs that the record names"),
        ({"recipe": {"fuse": "mean"}}, "its recipe is not whole"),
        ({"recipe": {"fuse": "mean", "members": []}, "members": ()}, "not of the runs"),
    ],
)
def test_a_fusion_that_is_not_of_its_members_is_refused(changes, said, tmp_path: Path) -> None:
    path = kept(fused([own_run("mlp"), own_run("mean_pool")], **changes), tmp_path)
    with pytest.raises(BrokenResultError, match=said):
        store.load_result(path)


def test_a_corrected_run_is_called_by_the_run_and_the_steps(tmp_path: Path) -> None:
    before = own_run("mlp")
    alone = told(corrected(before), tmp_path)
    assert "not here" in alone.unsure
    kept(before, tmp_path)
    assert told(corrected(before), tmp_path)[1] == ()
    lie = LIE.model_copy(update={"downstream": "mlp.small > pldc"})
    (problem,) = told(corrected(before, labels=lie), tmp_path).problems
    assert "but the run" in problem


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": LIE},
        {"corrected": None},
        {"corrected": Corrected(digest="ab" * 32, steps=("pldc",))},
        {"corrected": Corrected(digest=own_run("mlp").digest, steps=())},
    ],
)
def test_a_corrected_run_that_is_not_of_its_run_is_refused(changes, tmp_path: Path) -> None:
    path = kept(corrected(own_run("mlp"), **changes), tmp_path)
    with pytest.raises(BrokenResultError, match=r"its r(ecipe|ow)"):
        store.load_result(path)
