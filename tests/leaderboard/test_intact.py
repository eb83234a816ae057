"""Every table that belongs to a result is as it was written, or `verify` names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from serbench.leaderboard import store
from serbench.leaderboard.beside import TABLES, Beside
from serbench.leaderboard.submissions import add
from serbench.leaderboard.verifying import verify

from .result_samples import classified, record, rewrite, scored

TESTED = classified(1.5)
THERE = [ending for ending in TABLES if ending != ".enrol.parquet"]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return a result that has everything beside it but what is enrolled."""
    part = TESTED.groupby("fold").head(12)
    split = record().split
    folds = tuple(fold.model_copy(update={"train": 12}) for fold in split.folds)
    result = record(split=split.model_copy(update={"folds": folds}))
    voices = pd.DataFrame({"speaker": ["00"], "fold": ["1"], "seed": [0], "clips": [12]})
    beside = Beside(
        valid=part,
        train=part,
        voices=voices.assign(v0=0.5, v1=0.25),
        unlabelled=part,
        embedded=part[["utterance", "fold", "seed"]].assign(e0=0.5),
    )
    return store.save(scored(result, TESTED), TESTED, tmp_path / "theirs", beside)


def problems(path: Path) -> str:
    return "\n".join(verify(path, lambda _: None).problems)


def test_a_record_names_the_checksum_of_every_table(whole: Path) -> None:
    assert [*json.loads(whole.read_text())["tables"]] == sorted(THERE)
    assert problems(whole) == ""


@pytest.mark.parametrize("ending", THERE)
def test_a_table_that_was_changed_is_named(whole: Path, ending: str) -> None:
    table = whole.with_suffix(ending)
    if ending.endswith(".csv"):
        table.write_text(table.read_text().replace("anger", "neutral"))
    else:
        rows = pd.read_parquet(table)
        rows.iloc[::-1].to_parquet(table, index=False)  # as sound as before, and another file
    assert f"{whole.stem[:8]}{ending} was changed after it was written" in problems(whole)


@pytest.mark.parametrize("ending", THERE)
def test_damage_is_named_where_an_older_record_has_no_checksums_too(
    whole: Path, ending: str
) -> None:
    plain = json.loads(whole.read_text())
    rewrite(whole, plain | {"tables": {}})
    assert problems(whole) == ""
    table = whole.with_suffix(ending)
    table.write_bytes(table.read_bytes()[:-20])
    assert bool(problems(whole)) == ending.endswith(".parquet")


def test_a_table_that_no_record_names_is_not_of_the_result(whole: Path) -> None:
    shutil.copyfile(whole.with_suffix(".valid.parquet"), whole.with_suffix(".enrol.parquet"))
    assert "the record does not name it" in problems(whole)


def test_nobody_has_to_send_more_than_record_and_predictions(whole: Path) -> None:
    for ending in THERE[1:]:
        whole.with_suffix(ending).unlink()
    assert problems(whole) == ""


def test_every_table_of_a_result_is_taken_with_it(whole: Path, tmp_path: Path) -> None:
    (found,) = add(whole.parents[1], tmp_path / "mine", lambda _: None)
    assert found.problems == ()
    taken = {path.name.removeprefix(whole.stem) for path in (tmp_path / "mine").glob("*/*")}
    assert taken == {".json", ".added", *(each for each in THERE if each.endswith(".parquet"))}


def test_a_result_that_is_written_again_leaves_no_older_table(whole: Path) -> None:
    store.save(store.load_result(whole).result, TESTED, whole.parents[1])
    assert sorted(path.name for path in whole.parent.iterdir()) == [
        whole.name,
        whole.with_suffix(".parquet").name,
    ]
