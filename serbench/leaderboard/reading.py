"""Files of strangers: a record and a table of predictions, with bounds before anything is read.

The bounds are far above any real result. What exceeds them, or is not what it says, costs one
sentence that names the file.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from serbench.errors import SerbenchError, hidden, shown
from serbench.leaderboard.identity import relabelled
from serbench.leaderboard.record import FORMAT, Result, sum_of
from serbench.scoring import embedded
from serbench.scoring import predictions as tables

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame
    from pyarrow import ChunkedArray, Schema, Table
    from pyarrow.parquet import FileMetaData

    from serbench.benchmarks.tasks import Task

REDO = "repeat the run with --again, or delete the file"
_UPDATE = "update serbench"

RECORD_BYTES = 16 * 2**20
"""What no record exceeds."""
_TEXT = 10_000  # characters, of a text in a record
_WHOLE = 2**63  # what a table's whole numbers stay below
_ROWS = 5_000_000
_CELLS = 100_000_000
_WIDEST = 20_000  # numbers of a speaker's vector
_CELL_BYTES = 1_000  # of a cell, compressed or not, on average
_NUMBER_BYTES = 8  # of a cell of numbers alone, likewise
_NAME = 4_096  # characters, of a text in a table
_REASON = 500  # characters, of what is said about a file


class BrokenResultError(SerbenchError):
    """A file of the results folder that cannot be trusted: `path`, what is wrong, the remedy."""

    def __init__(self, path: Path, reason: str, remedy: str = REDO) -> None:
        said = reason if len(reason) <= _REASON else f"{reason[:_REASON]}…"
        super().__init__(shown(f"{path}: {said}; {remedy}"))
        self.path = path
        self.reason = reason
        self.remedy = remedy


def read_record(path: Path) -> Result:
    """Read a record.

    Raises:
        BrokenResultError: it is none, is damaged, or was made by a newer serbench.
    """
    _check_file(path, RECORD_BYTES)
    try:
        content = path.read_bytes()
        # refuses what is nested too deeply
        plain = from_json(content, allow_inf_nan=False)
    except OSError as error:
        raise BrokenResultError(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise BrokenResultError(path, f"is not JSON, perhaps cut off ({error})") from error
    _check_format(path, plain)
    if reason := _unfit(plain):
        raise BrokenResultError(path, _said(*reason))
    _check_sum(path, plain)
    try:
        return relabelled(Result.model_validate_json(content))
    except ValidationError as error:
        raise _invalid(path, error) from error


def unfit(result: Result) -> str | None:
    """Return the first reason why a record could not be read again, or None."""
    reason = _unfit(from_json(result.model_dump_json()))
    return None if reason is None else _said(*reason)


def read_predictions(path: Path, task: Task, most: int) -> DataFrame:
    """Read a table of predictions.

    Its columns, rows and sizes are looked at in the file's own description before its data is.

    Args:
        path: the file.
        task: what is predicted.
        most: rows that the record promises.

    Raises:
        BrokenResultError: it is missing, damaged, too large, or has other columns.
    """
    words = [*tables.WHO[:3], *task.words, tables.TEST]
    cells = most * (len(words) + len(task.numbers) + 1)
    if most > _ROWS or cells > _CELLS:
        raise BrokenResultError(path, f"its record promises {most} rows, more than can be true")
    return _read_table(
        path,
        most=most,
        allowed=_CELL_BYTES * (cells + 1_000),
        words=words,
        columns=lambda schema: _wrong_columns(task, schema.remove_metadata()),
    )


@lru_cache(maxsize=64)
def _wrong_columns(task: Task, schema: Schema) -> str | None:
    return tables.wrong_columns(task, _frame(schema.empty_table()))


def read_voices(path: Path, most: int) -> DataFrame:
    """Read a table of speakers' vectors, within the same bounds.

    Args:
        path: the file.
        most: rows that the record allows.

    Raises:
        BrokenResultError: it is missing, damaged or too large.
    """
    return _read_table(
        path,
        most=most,
        # how long vectors are, no record says
        allowed=_NUMBER_BYTES * min(most * _WIDEST, _CELLS),
        words=["speaker", "fold"],
        columns=_too_wide,
    )


def _too_wide(schema: Schema) -> str | None:
    width = len(schema.names)
    return f"the speakers' vectors have {width} columns" if width > _WIDEST else None


def read_embedded(path: Path, most: int) -> DataFrame:
    """Read a table of utterances' embeddings, within the same bounds.

    Args:
        path: the file.
        most: rows that the record allows.

    Raises:
        BrokenResultError: it is missing, damaged or too large.
    """
    cells = most * (len(embedded.WHO) + embedded.COMPONENTS)
    if most > _ROWS or cells > _CELLS:
        raise BrokenResultError(path, f"its record promises {most} rows, more than can be true")
    allowed = _CELL_BYTES * (cells + 1_000)
    return _read_table(
        path, most=most, allowed=allowed, words=["utterance", "fold"], columns=lambda _: None
    )


def _read_table(
    path: Path,
    *,
    most: int,
    allowed: int,
    words: list[str],
    columns: Callable[[Schema], str | None],
) -> DataFrame:
    """Read a Parquet file of so many rows and bytes at most, whose `columns` may be refused."""
    import pyarrow as pa
    from pyarrow import parquet

    if not path.exists():
        raise BrokenResultError(path, "the predictions of this result are missing")
    _check_file(path, allowed)
    try:
        with parquet.ParquetFile(path) as file:
            reason = _too_much(file.metadata, most, allowed) or _doubled(file.schema_arrow)
            reason = reason or columns(file.schema_arrow)
            there = [word for word in words if word in file.schema_arrow.names]
            known = file.metadata
        if reason is None:
            # a text stands there once, however often a column says it
            with parquet.ParquetFile(
                path, metadata=known, read_dictionary=there, page_checksum_verification=True
            ) as file:
                table = file.read()
            reason = _too_long(table)
        if reason is None:
            return _frame(table)
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        raise BrokenResultError(path, f"is not a whole Parquet file ({error})") from error
    raise BrokenResultError(path, reason)


def _check_file(path: Path, most: int) -> None:
    """Refuse what is no regular file, which may never end, or one of more than `most` bytes."""
    try:
        status = path.stat()
    except OSError as error:
        raise BrokenResultError(path, f"cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        raise BrokenResultError(path, "cannot be read (it is no regular file)", "delete it")
    if status.st_size > most:
        size = f"{status.st_size / 2**20:.0f} MiB"
        raise BrokenResultError(path, f"has {size}, more than what it should hold can take")


def _check_format(path: Path, plain: Any) -> None:
    found = plain.get("format") if isinstance(plain, dict) else None
    if type(found) is not int:
        remedy = "keep only results of serbench in this folder"
        raise BrokenResultError(path, "is not a result: it has no format number", remedy)
    if found > FORMAT:
        reason = f"has format {found}, made by a newer serbench; this one reads up to {FORMAT}"
        raise BrokenResultError(path, reason, _UPDATE)
    if found < FORMAT:
        raise BrokenResultError(path, f"has format {found}, which serbench never wrote")


def _check_sum(path: Path, plain: dict[str, Any]) -> None:
    """Refuse a record that says a checksum and has another, also one of a newer serbench."""
    if plain.get("checksum", "") not in ("", sum_of(plain)):
        reason = "was changed after it was written, by hand or by damage: its checksum is not that"
        raise BrokenResultError(path, f"{reason} of what it says")


def _unfit(value: Any) -> tuple[str, str] | None:
    """Return where a value has what no record holds, and what: the first of it, or None.

    A record has thousands of entries, so a path is put together only when there is a reason.
    """
    if isinstance(value, str):
        if character := hidden(value):
            return "", f"has the character {character}, which may command a terminal"
        if len(value) > _TEXT:
            return "", f"has {len(value)} characters"
    elif isinstance(value, dict):
        for key, entry in value.items():
            if found := _unfit(key):
                return " (a name)", found[1]
            if found := _unfit(entry):
                return f".{key}{found[0]}", found[1]
    elif isinstance(value, list):
        for entry in value:
            if found := _unfit(entry):
                return found
    elif value is not None and not abs(value) < _WHOLE:
        return "", "has a number out of range"
    return None


def _said(where: str, what: str) -> str:
    return f"field '{where.strip('.')}': {what}"


def _invalid(path: Path, error: ValidationError) -> BrokenResultError:
    """Return what is wrong with the fields of a record."""
    first, *others = error.errors(include_url=False)
    where = ".".join(str(part) for part in first["loc"])
    more = f", and {len(others)} more" if others else ""
    if any(each["type"] == "extra_forbidden" for each in (first, *others)):
        unknown = next(each for each in (first, *others) if each["type"] == "extra_forbidden")
        where = ".".join(str(part) for part in unknown["loc"])
        reason = f"field '{where}': not known to this serbench, so a newer one made it{more}"
        return BrokenResultError(path, reason, _UPDATE)
    return BrokenResultError(path, f"field '{where}': {_lowered(first['msg'])}{more}")


def _lowered(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}"


def _too_much(metadata: FileMetaData, most: int, allowed: int) -> str | None:
    """Return why a file has more rows or bytes than it can have, by its own description."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if rows > most:
        return f"the file has {rows} rows; its record promises {most} predictions"
    if sum(group.total_byte_size for group in groups) > allowed:
        return "the file unpacks to more than its rows can take"
    return None


def _doubled(schema: Schema) -> str | None:
    """Return which column is there twice, or holds more than one value a row."""
    import pyarrow as pa

    names: Iterable[str] = schema.names
    if doubled := next((name for name in names if schema.names.count(name) > 1), None):
        return f"the predictions have the column '{doubled}' twice"
    for field in schema:
        if pa.types.is_nested(field.type):
            return f"column '{field.name}' of the predictions holds {field.type}, not one value"
    return None


def _too_long(table: Table) -> str | None:
    """Return which column has texts that are no names."""
    import pyarrow as pa
    from pyarrow import compute

    for name in table.column_names:
        if not pa.types.is_dictionary(table[name].type):
            continue
        for chunk in table[name].chunks:
            longest = compute.max(compute.binary_length(chunk.dictionary)).as_py()
            if longest is not None and longest > _NAME:
                return f"column '{name}' of the predictions has a text of {longest} bytes"
    return None


def _frame(table: Table) -> DataFrame:
    """Return a table without what its writer says of pandas; equal texts share their memory."""
    import pandas as pd
    import pyarrow as pa

    coded = [name for name in table.column_names if pa.types.is_dictionary(table[name].type)]
    frame: DataFrame = table.drop_columns(coded).to_pandas(ignore_metadata=True)
    if not frame.columns.size:
        frame = pd.DataFrame(index=range(table.num_rows))
    for name in coded:
        place = table.column_names.index(name)
        frame.insert(place, name, pd.Series(_texts(table[name]), dtype=object))
    return frame


def _texts(column: ChunkedArray) -> NDArray[np.object_]:
    """Return texts that are written as numbers of a dictionary; None where there is none."""
    import numpy as np

    parts = [
        np.array([*chunk.dictionary.to_pylist(), None], object)[
            chunk.indices.fill_null(len(chunk.dictionary)).to_numpy()
        ]
        for chunk in column.chunks
    ]
    return np.concatenate(parts) if parts else np.array([], object)
