"""What is remembered of predictions is what they come to, or is not used."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serbench.benchmarks import UNKNOWN
from serbench.leaderboard import remembered, store, table
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.remembered import standing_of
from serbench.leaderboard.standing import Measured, standing

from .result_samples import AFFECT, classified, rated, record, score


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where scores are remembered."""
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "scores"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return the path of a stored result."""
    predictions = classified(1.5, (0, 1))
    own = score(record(), predictions).to_json()
    return store.save(record(seeds=(0, 1), scores=own), predictions, tmp_path / "results")


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what forbids to score from then on."""

    def forbid() -> None:
        monkeypatch.setattr(remembered, "computed", lambda *_: pytest.fail("scored again"))

    return forbid


def plain(measured: Measured) -> Any:
    return remembered._plain(measured)


def entry(home: Path) -> Path:
    (found,) = home.glob("*/*.json")
    return found


def undefined() -> Any:
    predictions = rated(0.5, (0, 1))
    predictions.loc[3, "prediction:valence"] = math.nan
    return predictions


@pytest.mark.parametrize(
    ("result", "predictions"),
    [
        (record(seeds=(0, 1)), classified(1.5, (0, 1))),
        (record(AFFECT, seeds=(0, 1)), undefined()),
        (record(AFFECT), rated(0.5).assign(speaker=UNKNOWN)),
    ],
    ids=["emotions", "an undefined number", "nobody knows who speaks"],
)
def test_what_is_remembered_is_what_the_predictions_come_to(
    result, predictions, tmp_path, never
) -> None:
    path = store.save(result, predictions, tmp_path / "results")
    direct = standing(*store.load_result(path))
    first = standing_of(path)
    never()
    again = standing_of(path)
    assert again.result == first.result == direct.result
    expected = plain(direct.measured)
    for found in (first, again):
        np.testing.assert_equal(plain(found.measured), expected)
        assert found.measured.scores.folds.equals(direct.measured.scores.folds)
        assert found.measured.scores.speakers.equals(direct.measured.scores.speakers)
    assert again.load().equals(store.load_result(path).predictions)


def test_a_board_of_what_is_remembered_is_the_same(tmp_path, never) -> None:
    root = tmp_path / "results"
    for number in range(3):
        predictions = classified(0.5 + number, draw=number)
        own = score(record(), predictions).to_json()
        recipe = {"upstream": {"name": "fbank"}, "epochs": number}
        store.save(record(recipe=recipe, scores=own), predictions, root)
    expected = table.rank(store.read_all(root).entries)
    table.boards(store.read_all(root, standing_of).entries)
    never()
    found = table.boards(store.read_all(root, standing_of).entries)
    assert [row.rank for row in found[0].rows] == [row.rank for row in expected[0].rows]
    assert [(b.title, b.caption, b.notes) for b in found] == [
        (b.title, b.caption, b.notes) for b in expected
    ]
    for one, other in zip(found[0].rows, expected[0].rows, strict=True):
        assert one.values == other.values
        assert one.intervals == other.intervals


@pytest.mark.parametrize("place", [0.0, 0.02, 0.3, 0.6, 0.999])
def test_an_entry_with_one_other_byte_is_not_used(saved, home, place) -> None:
    expected = plain(standing_of(saved).measured)
    content = bytearray(entry(home).read_bytes())
    content[int(place * len(content))] ^= 1
    entry(home).write_bytes(bytes(content))
    np.testing.assert_equal(plain(standing_of(saved).measured), expected)
    assert entry(home).read_bytes() != bytes(content), "it is written anew"


@pytest.mark.parametrize("size", [0, 10, 65, 500])
def test_an_entry_that_is_cut_off_is_not_used(saved, home, size) -> None:
    expected = plain(standing_of(saved).measured)
    entry(home).write_bytes(entry(home).read_bytes()[:size])
    np.testing.assert_equal(plain(standing_of(saved).measured), expected)


def test_the_entry_of_another_result_is_not_used(saved, home) -> None:
    expected = plain(standing_of(saved).measured)
    own = entry(home)
    own.rename(home / "aside")
    other = store.save(record(), classified(0.1), saved.parents[1])
    standing_of(other)
    shutil.copyfile(entry(home), own)
    np.testing.assert_equal(plain(standing_of(saved).measured), expected)


def test_other_predictions_are_seen_although_nothing_else_changed(saved) -> None:
    before = standing_of(saved)
    better = classified(3.0, (0, 1))
    assert store.save(before.result, better, saved.parents[1]) == saved
    assert standing_of(saved).measured.scores.rank > before.measured.scores.rank


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_a_damaged_result_is_named_although_it_was_sound_before(saved, suffix) -> None:
    standing_of(saved)
    file = saved.with_suffix(suffix)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(BrokenResultError):
        standing_of(saved)


def test_where_nothing_can_be_remembered_scores_are_computed(saved, home) -> None:
    home.parent.mkdir()
    home.write_text("in the way")
    expected = standing(*store.load_result(saved)).measured
    np.testing.assert_equal(plain(standing_of(saved).measured), plain(expected))
