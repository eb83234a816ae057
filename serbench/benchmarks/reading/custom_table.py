"""Reading the CSV file of anyone's own corpus; `custom` documents its format."""

from __future__ import annotations

import csv
import os
import re
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from pandas import DataFrame, Series

from serbench import bounds
from serbench.benchmarks import UNLABELLED, Task
from serbench.benchmarks.reading.layout import CHANNEL, COLUMNS, as_table
from serbench.benchmarks.reading.names import as_texts
from serbench.errors import SerbenchError, unknown

# Words for what serbench calls otherwise, in small letters; what is not here stays as it is.
_GENDERS = {"f": "female", "m": "male"} | {name: name for name in ("female", "male")}
_SPLITS = {"development": "valid", "dev": "valid", "validation": "valid", "val": "valid"}
_SPLITS |= {part: part for part in ("train", "valid", "test", UNLABELLED)}
_SHOWN = 10


@dataclass(frozen=True)
class Layout:
    """Where a table lies and what its columns mean.

    Attributes:
        table: the CSV file.
        audio: the absolute folder that its paths are relative to.
        names: serbench's name of a column to the table's, where they differ.
        task: whose targets the table has.
        values: of a column by serbench's name, the table's words to those that are meant.
        channel: the channel that is heard, from 1, or the column that says it; None: their mean.
    """

    table: Path
    audio: Path
    names: Mapping[str, str]
    task: Task
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    channel: int | str | None = None

    @property
    def meaningful(self) -> tuple[str, ...]:
        """The columns that mean something, by serbench's names."""
        return (*COLUMNS, *self.task.columns)


def columns(layout: Layout) -> set[str]:
    """Return which of serbench's columns the table has, by serbench's names.

    Raises:
        SerbenchError: the file cannot be read, or lacks a column that it needs.
    """
    header = next(rows_of(layout.table), (1, []))[1]
    _check_header(layout, header)
    return {c for c in layout.meaningful if layout.names.get(c, c) in header}


def read_table(layout: Layout) -> DataFrame:
    """Return the table of utterances, with `row`: the row of the file, the header being 1.

    Raises:
        SerbenchError: the file cannot be read, lacks a column, or has cells that make no sense:
            how many, and the first ten with their rows.
    """
    texts = _texts(layout)
    there = {c: layout.names.get(c, c) for c in layout.meaningful}
    there = {c: name for c, name in there.items() if name in texts}
    meant = {c: texts[name] for c, name in there.items()}
    taken = {*there.values(), *layout.meaningful}
    others = {str(c): texts[c] for c in texts if c not in taken}
    for column, words in layout.values.items():
        meant[column] = meant[column].map(lambda cell, words=words: words.get(cell, cell))
    problems: list[str] = []
    others |= _channels(layout, texts, problems)
    for column in ("start", "end", *layout.task.quantities):
        if column in meant:
            meant[column] = _numbers(there[column], meant[column], problems)
    if "gender" in meant:
        said = [cell and _GENDERS.get(cell.lower(), cell) for cell in meant["gender"]]
        meant["gender"] = Series(said, texts.index, dtype=object)
    if "split" in meant:
        meant["split"] = _splits(there["split"], meant["split"], problems)
    meant.setdefault("utterance", _ids(meant))
    for column in ("path", "utterance"):
        empty = meant[column].isna()
        problems += [f"row {row}: no {column}" for row in meant[column].index[empty]]
    if problems:
        raise _refusal(layout.table, problems)
    meant["path"] = meant["path"].map(lambda path: os.path.join(layout.audio, path))  # noqa: PTH118
    rows = as_table({**meant, **others, "row": texts.index.to_numpy()}).reset_index(drop=True)
    return as_texts(rows)


def _ids(meant: Mapping[str, Series]) -> Series:
    """Return the paths, with the seconds of a segment where a file has several."""
    paths = meant["path"]
    if "start" not in meant or "end" not in meant:
        return paths
    several = paths.duplicated(keep=False) & paths.notna()
    told = [f"{a:.12g}-{b:.12g}" for a, b in zip(meant["start"], meant["end"], strict=True)]
    return paths.mask(several, paths + ":" + Series(told, paths.index).str.replace("nan", ""))


def _channels(layout: Layout, texts: DataFrame, problems: list[str]) -> dict[str, Series]:
    """Return the column that says which channel is heard, if the description says anything."""
    if layout.channel is None:
        return {}
    if isinstance(layout.channel, int):
        return {CHANNEL: Series(float(layout.channel), texts.index)}
    return {CHANNEL: _numbers(layout.channel, texts[layout.channel], problems)}


def _texts(layout: Layout) -> DataFrame:
    """Return all cells as texts, None where empty; the index is the row of the file."""
    rows = rows_of(layout.table)
    header = next(rows, (1, []))[1]
    _check_header(layout, header)
    filled = [(number, cells) for number, cells in rows if any(cells)]
    uneven = [
        f"row {number} has {len(cells)} cells, the header has {len(header)}"
        for number, cells in filled
        if len(cells) != len(header)
    ]
    if uneven:
        raise _refusal(layout.table, uneven)
    if not filled:
        msg = f"table '{layout.table}' has a header and no rows; add one row an utterance"
        raise SerbenchError(msg)
    numbers, cells = zip(*filled, strict=True)
    texts = DataFrame(list(cells), columns=header, index=list(numbers), dtype=object)
    return texts.where(texts != "", None)


def separator_of(text: str) -> str:
    """Return what the header of a table has most of outside quotes: comma, semicolon or tab."""
    return max(",;\t", key=re.sub('"[^"]*"', "", text.partition("\n")[0]).count)


def rows_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each row, the header first, blanks around cells removed.

    Raises:
        SerbenchError: the file cannot be read, or is no such table.
    """
    cells_read = 0
    try:
        bounds.regular(path, bounds.TABLE)
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = separator_of(file.readline())
            file.seek(0)
            reader = csv.reader(file, delimiter=separator, strict=True)
            line = columns = 0
            for number, cells in enumerate(reader, 1):
                columns = columns or len(cells)
                _check_lines(path, number, line + 1, cells, columns - 1)
                line = reader.line_num
                cells_read += max(len(cells), 1)
                bounds.bound(f"table '{path}'", cells_read, bounds.CELLS)
                yield number, [cell.strip() for cell in cells]
    except OSError as error:
        msg = f"table '{path}': {error.strerror}; name the CSV file under 'table'"
        raise SerbenchError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"table '{path}' is not UTF-8 ({error.reason}); save it as CSV in UTF-8"
        raise SerbenchError(msg) from error
    except csv.Error as error:
        raise SerbenchError(f"table '{path}' is not valid CSV: {error}; save it anew") from error


def _check_lines(path: Path, row: int, line: int, cells: list[str], separators: int) -> None:
    """Refuse a cell over several lines in which rows are: a quotation mark is not closed before.

    A cell of several lines that are no rows is left to the audit.
    """
    for cell in cells:
        inner = cell.split("\n")
        if len(inner) > 1 and any(
            part.count(separator) >= separators for part in inner for separator in ",;\t"
        ):
            raise SerbenchError(
                f"table '{path}': row {row} has a cell of {len(inner)} lines, from line {line} on, "
                f"with other rows in it: a quotation mark opens before {reprlib.repr(inner[0])} "
                "and closes in another row; take both marks out, or double them"
            )


def _check_header(layout: Layout, header: list[str]) -> None:
    bounds.bound(f"table '{layout.table}'", len(header), bounds.COLUMNS)
    needed = dict.fromkeys(("path", "speaker", *layout.task.columns, *layout.names))
    names = {column: layout.names.get(column, column) for column in needed | {**layout.values}}
    if isinstance(layout.channel, str):
        names["channel"] = layout.channel
    if not header:
        msg = (
            f"table '{layout.table}' is empty, or its first row is; that row names the columns, "
            f"such as {', '.join(names.values())}, and each other one is an utterance"
        )
        raise SerbenchError(msg)
    if not {*names.values()} & {*header}:
        # it may be any file, whose content is nobody's business
        msg = (
            f"table '{layout.table}' has none of the columns {', '.join(names.values())}; name the "
            "right file under 'table', or what its columns are called under [columns]"
        )
        raise SerbenchError(msg)
    doubled = sorted(name for name, count in Counter(header).items() if count > 1)
    if doubled:
        msg = f"table '{layout.table}' has the column '{doubled[0]}' twice; rename one of them"
        raise SerbenchError(msg)
    for column, name in names.items():
        if name not in header:
            remedy = f"if '{column}' has another name in the table, say so under [columns]"
            raise SerbenchError(
                f"table '{layout.table}': {unknown('column', name, header, remedy)}"
            )


def _numbers(name: str, cells: Series, problems: list[str]) -> Series:
    values = pd.to_numeric(cells, errors="coerce").astype(float)
    for row in cells.index[values.isna() & cells.notna()]:
        problems.append(f"row {row}: '{name}' is '{cells[row]}', not a number such as 1.25")
    return values


def _splits(name: str, cells: Series, problems: list[str]) -> Series:
    values = cells.map(lambda cell: cell and _SPLITS.get(cell.lower()))
    for word, rows in cells[values.isna() & cells.notna()].groupby(cells, sort=False):
        what = unknown(f"part '{name}'", str(word), ("train", "valid", "test", UNLABELLED))
        problems.append(
            f"{len(rows)} rows from row {rows.index[0]} on: {what}; empty if it is in none, or say "
            f'what it means in benchmark.toml, under [values.split]: "{word}" = "test"'
        )
    return values.astype(object).where(values.notna(), None)


def _refusal(path: Path, problems: list[str]) -> SerbenchError:
    lines = [f"table '{path}' has {len(problems)} wrong rows or cells:"]
    lines += [f"- {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"- and {len(problems) - _SHOWN} more")
    return SerbenchError("\n".join(lines))
