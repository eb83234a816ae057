"""A record has the name and the labels that its recipe says, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serbench.leaderboard import store
from serbench.leaderboard.identity import digest_of, labels_of
from serbench.leaderboard.record import LeftOut
from serbench.runs import recipe

from .result_samples import classified, record, rewrite

RAW: dict[str, Any] = {
    "upstream": {"name": "fbank", "mels": 40},
    "downstream": {"name": "ecapa", "size": "full"},
}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Return the path of a result whose record is as a run writes it."""
    made = recipe.resolve(RAW)
    left_out = (LeftOut(utterance="03_07", reason="silent"),)
    result = record(
        recipe=made.plain(),
        digest=made.digest(["03_07"]),
        labels=made.labels,
        left_out=left_out,
    )
    return store.save(result, classified(1.5), tmp_path)


def problem(path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Return why a result is refused once its record is edited."""
    plain = json.loads(path.read_text())
    change(plain)
    rewrite(path, plain)
    with pytest.raises(store.BrokenResultError) as caught:
        store.load_result(path)
    assert [str(found) for found in store.read_all(path.parents[1]).problems] == [str(caught.value)]
    return str(caught.value)


def test_a_record_as_it_is_written_is_read(stored: Path) -> None:
    entry = store.load_result(stored)
    assert digest_of(entry.result.recipe, ["03_07"]) == entry.result.digest == stored.stem
    assert labels_of(entry.result.recipe) == entry.result.labels
    assert entry.result.labels.downstream == "ecapa.full"


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain["recipe"]["training"].update(epochs=1),
        lambda plain: plain["recipe"]["upstreams"][0]["options"].update(mels=80),
        lambda plain: plain["recipe"]["downstream"]["options"].update(size="small"),
        lambda plain: plain["recipe"].update(seeds=[5]),
        lambda plain: plain.update(left_out=[]),
    ],
)
def test_a_recipe_that_was_edited_has_another_digest(
    stored: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    assert "its recipe has the digest" in problem(stored, change)


def test_a_row_cannot_be_called_what_it_is_not(stored: Path) -> None:
    said = problem(stored, lambda plain: plain["labels"].update(upstream="wavlm"))
    assert "its row is called 'wavlm - ecapa.full', but its recipe is 'fbank - ecapa.full'" in said


@pytest.mark.parametrize("value", [None, [], {}, "fbank", 3])
def test_a_recipe_that_is_none_is_one_line(stored: Path, value: object) -> None:
    assert "its recipe is not whole" in problem(
        stored, lambda plain: plain["recipe"].update(downstream=value)
    )
