"""A record or a table that is not as it was written is never ranked without a word."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serbench.digests import digest_rows, rows_of
from serbench.leaderboard import store
from serbench.leaderboard.beside import Beside, load_embedded, load_part, load_voices
from serbench.leaderboard.record import Result
from serbench.leaderboard.table import rank

from .result_samples import AFFECT, classified, rated, record, rewrite, scored


def with_truths(result: Result, parts: dict[str, pd.DataFrame], columns: list[str]) -> Result:
    """Return a record with the hashes of what tables say of each fold."""
    folds = [
        fold.model_copy(
            update={
                "truths": {
                    part: digest_rows(rows_of(*(rows[name] for name in columns)))
                    for part, table in parts.items()
                    for rows in [table[(table["fold"] == fold.name) & (table["seed"] == 0)]]
                }
            }
        )
        for fold in result.split.folds
    ]
    split = result.split.model_copy(update={"folds": tuple(folds)})
    return result.model_copy(update={"split": split})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return the path of a record as a run writes it, with scores and hashes of truths."""
    told = classified(1.5, seeds=(0, 1))
    result = with_truths(record(seeds=(0, 1)), {"test": told}, ["utterance", "speaker", "truth"])
    return store.save(scored(result, told), told, tmp_path)


def refused(path: Path) -> str:
    """Return the one line that names a result, which no board has."""
    shelf = store.read_all(path.parents[1])
    assert shelf.entries == []
    (problem,) = shelf.problems
    assert problem.path.stem == path.stem
    return problem.reason


def test_no_flipped_bit_of_a_record_is_used_silently(saved: Path) -> None:
    whole = saved.read_bytes()
    before = store.load_result(saved).result
    draw = random.Random(0)
    changed = 0
    for _ in range(400):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        saved.write_bytes(flipped)
        try:
            same = json.loads(flipped) == json.loads(whole)
        except ValueError:
            same = False
        if same:
            assert store.load_result(saved).result == before
        else:
            refused(saved)
            changed += 1
    assert changed > 350


TABLES: dict[str, Callable[[Path, Result], pd.DataFrame]] = {
    ".parquet": lambda path, _: store.load_result(path).predictions,
    ".valid.parquet": lambda path, result: load_part(path, result, "valid"),
    ".voices.parquet": load_voices,
    ".embedded.parquet": load_embedded,
}
SEVERAL = {
    "speaker": [f"{number:02}" for number in range(6)],
    "fold": ["1"] * 6,
    "seed": [0] * 6,
    "clips": [9] * 6,
}


@pytest.fixture
def with_tables(tmp_path: Path) -> Path:
    """Return the path of a record with tables beside it."""
    told = classified(1.5)
    valid = told.groupby("fold").head(12)
    result = with_truths(
        record(), {"test": told, "valid": valid}, ["utterance", "speaker", "truth"]
    )
    vectors = {f"v{number}": np.linspace(0, number, 6, dtype=np.float16) for number in range(3)}
    numbers = {f"e{number}": np.linspace(0, 1, len(told), dtype=np.float16) for number in range(32)}
    beside = Beside(
        valid=valid,
        voices=pd.DataFrame(SEVERAL | vectors),
        embedded=told[["utterance", "fold", "seed"]].assign(**numbers),
    )
    return store.save(scored(result, told), told, tmp_path, beside)


@pytest.mark.parametrize("suffix", TABLES)
def test_no_flipped_bit_of_a_table_gives_other_numbers(with_tables: Path, suffix: str) -> None:
    """What is said of columns lies at the end, and decides what is read of the rest."""
    result, file = store.load_result(with_tables).result, with_tables.with_suffix(suffix)
    before, whole = TABLES[suffix](with_tables, result), file.read_bytes()
    draw = random.Random(suffix)
    seen = 0
    for number in range(120):
        place = draw.randrange(len(whole)) if number % 2 else len(whole) - draw.randrange(1, 3000)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        file.write_bytes(flipped)
        try:
            after = TABLES[suffix](with_tables, result)
        except store.BrokenResultError as error:
            assert str(error).startswith(f"{file}: ")
            seen += 1
        else:
            pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert seen > 40


@pytest.mark.parametrize(
    "edit",
    [
        lambda plain: plain.update(complete=False),
        lambda plain: plain.update(known_defects=7),
        lambda plain: plain["benchmark"].update(synthetic=True),
        lambda plain: plain["versions"].update(torch="2.0"),
        lambda plain: plain["training"][0].update(epoch=13),
        lambda plain: plain["provenance"].update(trained_on="other speech"),
        lambda plain: plain.update(warnings=["nothing to see"]),
        lambda plain: plain["scores"].update(rank=0.99),
    ],
)
def test_an_edit_by_hand_is_one_line(saved: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    plain = json.loads(saved.read_text())
    edit(plain)
    saved.write_text(json.dumps(plain, indent=2, sort_keys=True))
    assert "changed after it was written, by hand or by damage" in refused(saved)


def test_order_and_white_space_of_a_record_do_not_count(saved: Path) -> None:
    before = store.load_result(saved).result
    plain = json.loads(saved.read_text())
    saved.write_text(json.dumps(dict(reversed(plain.items()))))
    assert store.load_result(saved).result == before


def test_a_record_without_a_checksum_is_read_and_its_row_says_so(saved: Path) -> None:
    def notes() -> tuple[str, ...]:
        (board,) = rank(store.read_all(saved.parents[1]).entries)
        assert board.rows[0].rank == 1
        return board.notes

    told = "Its record has no checksum, as older ones do not: a change of it would not be noticed."
    assert told not in notes()
    plain = json.loads(saved.read_text())
    del plain["checksum"]
    saved.write_text(json.dumps(plain))
    assert told in notes()


@pytest.mark.parametrize(
    ("column", "value"), [("truth", "sadness"), ("speaker", "99"), ("utterance", "99_99")]
)
def test_a_table_must_be_for_the_truths_that_the_record_names(
    saved: Path, column: str, value: str
) -> None:
    table = saved.with_suffix(".parquet")
    changed = pd.read_parquet(table)
    changed.loc[changed["utterance"] == "01_00", column] = value
    changed.to_parquet(table, index=False)
    plain = json.loads(saved.read_text())
    plain["scores"] = {}
    rewrite(saved, plain)
    assert "truths of fold '2' with seed 0 are not those that the record has" in refused(saved)


def test_a_rating_that_moved_by_a_hair_is_found_in_every_part(tmp_path: Path) -> None:
    told = rated(0.5)
    columns = ["utterance", "speaker", *(n for n in told if n.startswith("truth:"))]
    tables = {"test": told, "valid": told.groupby("fold").head(12)}
    for part in tables:
        result = with_truths(record(AFFECT, scores={"part": part}), tables, columns)
        path = store.save(result, told, tmp_path, Beside(valid=tables["valid"]))
        moved = tables[part].copy()
        moved.iloc[0, moved.columns.get_loc(columns[2])] += 1e-9
        moved.to_parquet(path.with_suffix(".parquet" if part == "test" else ".valid.parquet"))
        with pytest.raises(store.BrokenResultError, match="truths of fold '1'"):
            store.load_result(path) if part == "test" else load_part(path, result, "valid")
