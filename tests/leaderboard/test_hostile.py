"""Files of strangers: each costs one sentence that names it, and the others are shown."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tracemalloc
import unicodedata
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from rich.console import Console

from serbench.leaderboard import store
from serbench.leaderboard.export import to_csv, to_markdown
from serbench.leaderboard.record import LeftOut
from serbench.leaderboard.render import render_board
from serbench.leaderboard.table import rank

from .result_samples import AFFECT, classified, rated, record, rewrite, score

GOOD = classified(1.5)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Return the record of a sound result; a hostile one goes beside it."""
    return store.save(record(recipe={"other": True}), classified(0.5), tmp_path)


@pytest.fixture
def hostile(sound: Path) -> Path:
    """Return the record of another result, which a test spoils."""
    return store.save(record(), GOOD, sound.parents[1])


def named(sound: Path, hostile: Path) -> str:
    """Return the only sentence about a folder, of the hostile result; the other one is read."""
    shelf = store.read_all(sound.parents[1])
    assert [entry.result.digest for entry in shelf.entries] == [sound.stem]
    (problem,) = shelf.problems
    assert problem.path.stem == hostile.stem
    assert "\n" not in str(problem)
    assert len(str(problem)) < 1_000
    return problem.reason


def edit(path: Path, **changes: object) -> None:
    rewrite(path, json.loads(path.read_text()) | changes)


def write(path: Path, table: pa.Table, **options: Any) -> None:
    parquet.write_table(table, path.with_suffix(".parquet"), **options)


def as_table(**columns: object) -> pa.Table:
    """Return sound predictions with other columns, as Arrow has them."""
    table = pa.Table.from_pandas(GOOD, preserve_index=False)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_never_ends_is_not_opened(sound: Path, hostile: Path, suffix: str, kind: str):
    place = hostile.with_suffix(suffix)
    place.unlink()
    if kind == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero")
    assert "no regular file" in named(sound, hostile)


NESTED = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (NESTED, "recursion limit exceeded"),
        ('{"format": 1, "recipe": ' + NESTED + "}", "recursion limit exceeded"),
        ('{"format": 1' + "0" * 5_000 + "}", "number out of range"),
        ('{"format": 1' + "0" * 3_000 + "}", "made by a newer serbench"),
        ('{"format": NaN}', "is not JSON"),
        ('{"format": "\\ud800"}', "is not JSON"),
        (" " * (17 * 2**20), "has 17 MiB, more than"),
        ('"' + "x" * 10**6 + '"', "no format number"),
    ],
    ids=["nested", "nested below", "digits", "format", "nan", "surrogate", "large", "text"],
)
def test_json_that_is_made_to_hurt(sound: Path, hostile: Path, content: str, reason: str):
    hostile.write_text(content)
    assert reason in named(sound, hostile)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"created": "9999-12-31T23:59:59-12:00"}, "field 'created': "),
        ({"created": "0001-01-01T00:00:00+12:00"}, "field 'created': "),
        ({"seeds": [10**400]}, "field 'seeds': has a number out of range"),
        ({"seconds": {"train": 10**400}}, "field 'seconds.train': has a number out of range"),
        ({"versions": {"\x1b[2J": "1"}}, r"has the character \x1b, which may command a terminal"),
        ({"protocol": {"name": "a\u202eb"}}, r"field 'protocol.name': has the character \u202e"),
        ({"recipe": {"a": [{"b": "\x9b"}]}}, r"field 'recipe.a.b': has the character \x9b"),
        ({"recipe": {"a": "x" * 20_000}}, "field 'recipe.a': has 20000 characters"),
        ({"benchmark": {"name": "demo.py"}}, "field 'benchmark"),
    ],
)
def test_fields_that_are_made_to_hurt(
    sound: Path, hostile: Path, changes: dict[str, object], reason: str
):
    edit(hostile, **changes)
    assert reason in named(sound, hostile)


def test_numbers_beyond_any_float_are_not_read(sound: Path, hostile: Path):
    text = hostile.read_text().replace('"train": 3.25', '"train": 1e999')
    hostile.write_text(text)
    assert "out of range" in named(sound, hostile)


def test_a_reason_that_quotes_a_terminal_escape_shows_it(sound: Path, hostile: Path):
    replaced = GOOD.assign(prediction="\x1b[31mjoy")
    replaced.to_parquet(hostile.with_suffix(".parquet"))
    named(sound, hostile)
    (problem,) = store.read_all(sound.parents[1]).problems
    assert "\x1b" not in str(problem)
    assert r"'\x1b[31mjoy'" in str(problem)


def test_file_names_with_terminal_escapes_are_shown_as_escapes(sound: Path):
    (sound.parent / "\x1b[2J\n.json").write_text("{}")
    (problem,) = store.read_all(sound.parents[1]).problems
    assert r"\x1b[2J\n.json" in str(problem)
    assert "\x1b" not in str(problem)


def test_a_small_table_of_many_rows_is_not_read(sound: Path, hostile: Path):
    rows = 4_000_000
    columns = {
        name: pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(rows, np.int32)), pa.array([str(GOOD[name].iloc[0])])
        )
        for name in ("utterance", "speaker", "fold", "truth", "prediction")
    }
    numbers = {name: np.zeros(rows) for name in GOOD.filter(like="score:")}
    write(hostile, pa.table(columns | numbers | {"seed": np.zeros(rows, np.int64)}))
    del columns, numbers
    size = hostile.with_suffix(".parquet").stat().st_size
    assert size < 300_000
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    reason = named(sound, hostile)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reason == "the file has 4000000 rows; its record promises 120 predictions"
    assert peak < 20 * 2**20
    assert pa.total_allocated_bytes() - before < 2**20


def test_a_record_that_promises_as_much_is_not_believed(sound: Path, hostile: Path):
    plain = json.loads(hostile.read_text())
    plain["split"]["folds"][0]["test"] = 10**9
    edit(hostile, split=plain["split"])
    assert "promises 1000000096 rows, more than can be true" in named(sound, hostile)


def test_a_small_table_that_unpacks_to_much_is_not_read(sound: Path, hostile: Path):
    texts = pa.array(["x" * 100_000] * len(GOOD))
    write(hostile, as_table(utterance=texts), compression="zstd", use_dictionary=False)
    assert "unpacks to more than its rows can take" in named(sound, hostile)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("truth", pa.array([["anger"]] * 120), "'truth' .* holds list"),
        ("fold", pa.array([{"a": 1}] * 120), "'fold' .* holds struct"),
        ("utterance", pa.array([b"\xff"] * 120), "'utterance' .* must hold text"),
        ("speaker", pa.array(GOOD["speaker"].str.cat(["x" * 10_000] * 120)), "text of 100"),
        ("seed", pa.array([True] * 120), "'seed' .* must hold numbers"),
        ("score:anger", pa.array([np.inf] * 120), "'score:anger' .* has inf, out of range"),
        ("score:anger", pa.array([1e300] * 120), "'score:anger' .* has 1e\\+300, out of range"),
        ("utterance", pa.array(GOOD["utterance"] + "\x1b[2J"), r"the character \\x1b in"),
        ("speaker", pa.array(GOOD["speaker"] + "\u2066"), r"the character \\u2066 in"),
    ],
)
def test_columns_that_are_made_to_hurt(
    sound: Path, hostile: Path, column: str, values: pa.Array, reason: str
):
    write(hostile, as_table(**{column: values}))
    assert re.search(reason, named(sound, hostile))


def test_a_column_that_is_there_twice(sound: Path, hostile: Path):
    table = as_table()
    write(hostile, table.append_column("truth", table["prediction"]))
    assert "have the column 'truth' twice" in named(sound, hostile)


def test_truths_off_the_scale_or_not_the_same_in_every_row(tmp_path: Path):
    predictions = rated(0.5, (0, 1))
    path = store.save(record(AFFECT, seeds=(0, 1)), predictions, tmp_path)
    for column, value, reason in (
        ("truth:valence", 9.0, "'truth:valence' of the predictions has 9.0, out of range"),
        ("truth:valence", 2.5, "utterance '00_03' has two values of 'truth:valence'"),
        ("speaker", "x", "utterance '00_03' has two values of 'speaker'"),
    ):
        other = predictions.copy()
        other.loc[3, column] = value
        other.to_parquet(path.with_suffix(".parquet"), index=False)
        (problem,) = store.read_all(tmp_path).problems
        assert reason in problem.reason


def test_what_nobody_foresaw_costs_one_line_too(
    sound: Path, hostile: Path, monkeypatch: pytest.MonkeyPatch
):
    real = store.read_record

    def failing(path: Path) -> object:
        if path == hostile:
            raise ZeroDivisionError("by a stranger")
        return real(path)

    monkeypatch.setattr(store, "read_record", failing)
    assert named(sound, hostile) == "cannot be read (ZeroDivisionError: by a stranger)"


def test_a_field_of_the_future_is_said_to_be_newer_and_not_to_be_deleted(
    sound: Path, hostile: Path
):
    edit(hostile, a_field_of_the_future=1)
    assert "field 'a_field_of_the_future'" in named(sound, hostile)
    (problem,) = store.read_all(sound.parents[1]).problems
    assert "a newer one made it" in problem.reason
    assert problem.remedy == "update serbench"
    assert "delete" not in str(problem)


TREE = record(
    seeds=(0, 1),
    left_out=(LeftOut(utterance="x", reason="silent"),),
    provenance={"id": "a/b"},
    recipe={"upstreams": [{"name": "fbank", "options": {"mels": 80}}], "training": {"epochs": 3}},
)
TREE = TREE.model_copy(update={"scores": score(TREE, classified(1.0, (0, 1))).to_json()})
PLAIN = json.loads(TREE.model_dump_json(exclude={"checksum"}))

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**20), max_value=10**20)
    | st.floats(allow_nan=False, allow_infinity=False)  # which have no checksum
    | st.text(max_size=8)
    | st.sampled_from(["demo", "0" * 64, "2026-03-01T12:30:05Z", "9999-12-31T23:59:59-12:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


def places(plain: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of everything in a record."""
    parts = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for key, value in parts:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(plain: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy of a record with another value in one place."""
    copy = json.loads(json.dumps(plain))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


def seen(text: str) -> bool:
    """Return whether nothing in a text commands a terminal."""
    return not any(
        unicodedata.category(each) in {"Cc", "Cf", "Cs"} for each in text.replace("\n", "")
    )


def read_and_show(path: Path) -> store.Entry | None:
    """Return what is read, shown in every format; None if one sentence refuses it."""
    try:
        entry = store.load_result(path)
    except store.BrokenResultError as error:
        assert seen(str(error))
        assert "\n" not in str(error)
        return None
    boards = rank([entry])
    console = Console(width=80, file=StringIO(), color_system=None)
    for board in boards:
        console.print(render_board(board))
    for text in (to_markdown(boards), to_csv(boards), console.file.getvalue()):
        assert seen(text)
    return entry


@settings(max_examples=60, deadline=10_000)
@given(st.sampled_from([*places(PLAIN)]), anything)
@example(("scores",), {})
@example(("created",), "9999-12-31T23:59:59-12:00")
@example(("recipe",), {"benchmark": 3, "upstreams": "x", "downstream": []})
def test_a_record_is_read_as_it_stands_or_refused(path: tuple[str | int, ...], value: Any):
    plain = changed(PLAIN, path, value)
    with tempfile.TemporaryDirectory() as folder:
        place = store.save(TREE, classified(1.0, (0, 1)), Path(folder))
        rewrite(place, plain)
        entry = read_and_show(place)
        if entry is not None and path[0] != "created":
            assert json.loads(entry.result.model_dump_json(exclude={"checksum"})) == plain


cells = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.datetimes()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-9, max_value=9)
    | st.lists(st.integers(0, 5), max_size=2)
)


@settings(max_examples=60, deadline=10_000)
@given(st.data())
def test_a_table_is_read_as_it_stands_or_refused(data: st.DataObject):
    name = data.draw(st.sampled_from([*GOOD.columns]))
    rows = data.draw(st.dictionaries(st.integers(0, 119), cells, min_size=1, max_size=3))
    values = [rows.get(row, value) for row, value in enumerate(GOOD[name])]
    if data.draw(st.booleans()):
        values = [rows[min(rows)]] * len(GOOD)
    try:
        column = pa.array(values)
    except (pa.ArrowException, ValueError, OverflowError):
        return
    with tempfile.TemporaryDirectory() as folder:
        place = store.save(record(), GOOD, Path(folder))
        write(place, as_table(**{name: column}))
        entry = read_and_show(place)
        if entry is not None:
            for written, read in zip(values, entry.predictions[name], strict=True):
                assert written == read or (written is None or written != written) == (read != read)


@settings(max_examples=60, deadline=10_000)
@given(st.data())
def test_a_damaged_table_is_read_or_refused(data: st.DataObject):
    with tempfile.TemporaryDirectory() as folder:
        place = store.save(record(), GOOD, Path(folder))
        table = place.with_suffix(".parquet")
        content = bytearray(table.read_bytes())
        where = data.draw(st.integers(0, len(content) - 1))
        content[where] = data.draw(st.integers(0, 255))
        table.write_bytes(content)
        read_and_show(place)
