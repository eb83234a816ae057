"""Boards for other programs: Markdown for a page, CSV and JSON for numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from serbench.leaderboard import reports
from serbench.leaderboard.columns import COLUMNS, texts
from serbench.leaderboard.described import cell, setting, system
from serbench.leaderboard.figures import main_ends, with_spread
from serbench.leaderboard.table import Board, Row

if TYPE_CHECKING:
    from serbench.scoring.intervals import Interval

_THERE = ("intervals", "seeds")  # columns by name that Markdown has anyway
# How a formula begins, in full width, too; a minus alone is none.
_FORMULA = re.compile("[=+@\t\r\uff1d\uff0b\uff20]|[-\uff0d].")


def to_markdown(
    boards: Sequence[Board], names: Sequence[str] = (), *, reported: bool = False
) -> str:
    """Return the boards as GitHub tables, each under a heading and with its sentences below.

    Args:
        boards: to write.
        names: of further columns (`columns.COLUMNS`).
        reported: below each board, what papers report on its corpus.
    """
    sections = (
        [*_section(board, names), *(_reports(board) if reported else [])] for board in boards
    )
    return "\n".join("\n".join(section) for section in sections)


def _section(board: Board, names: Sequence[str]) -> Iterator[str]:
    names = [name for name in names if name not in _THERE]
    differ = any(row.differs for row in board.rows)
    header = ["#", "upstream", "weights", "downstream"] + ["differs in"] * differ
    header += [f"{column.dimension or ''} {column.title}".strip() for column in board.columns]
    header += ["95 %", *(COLUMNS[name].title for name in names), "seeds", "digest"]
    header += ["note"] * bool(board.notes)
    yield from (f"### {escaped(board.title)}", "", line(header), line(["---"] * len(header)))
    for row, further in zip(board.rows, texts(board, names), strict=True):
        labels = row.result.labels
        cells = [row.place, labels.upstream, labels.weights, labels.downstream]
        cells += [row.differs] * differ
        cells += [with_spread(row.values[column.key]) for column in board.columns]
        cells += [main_ends(board, row), *further]
        cells += [str(row.seeds), row.result.digest[:8]]
        cells += [", ".join(str(note) for note in row.notes)] * bool(board.notes)
        yield line([escaped(cell) for cell in cells])
    yield ""
    yield from (f"{escaped(sentence)}\n" for sentence in board.caption)
    yield from (f"{i}. {escaped(note)}" for i, note in enumerate(board.notes, start=1))
    yield from [""] * bool(board.notes)


def _reports(board: Board) -> Iterator[str]:
    """Yield what papers report, apart from what is computed here."""
    for source, table in reports.tables(benchmark=board.benchmark.name):
        yield f"#### Reported, not computed here: {escaped(f'{source.short}, {table.name}')}"
        yield from ("", line(["system", *map(escaped, table.metrics)]))
        yield line(["---"] * (1 + len(table.metrics)))
        for row in table.rows:
            yield line([escaped(row.system), *row.texts])
        yield from ("", escaped(f"{table.corpus}; {table.protocol}. {source.citation}"), "")


def line(cells: Sequence[str]) -> str:
    """Return a row of a GitHub table."""
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Return a text as Markdown that shows it as it stands: no cell, link, HTML or formula."""
    text = re.sub(r"[\\`|*~$&<>\[\]]|:(?=//)|(?<=www)\.", r"\\\g<0>", text, flags=re.IGNORECASE)
    return " ".join(text.split())


def to_csv(boards: Sequence[Board], names: Sequence[str] = ()) -> str:
    """Return one line a row of each board: names, the full digest, numbers with all their digits.

    The columns are those of all boards; a metric that a board does not have is empty there, and
    an undefined one is "nan".
    """
    rows = [row for board in boards for row in _rows(board, names)]
    text = io.StringIO()
    every = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, every, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(_cell(value)) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else cell(value)


def to_json(boards: Sequence[Board], names: Sequence[str] = (), *, reported: bool = False) -> str:
    """Return the boards as JSON: a list of tables, their rows as in `to_csv`, NaN as null.

    Args:
        boards: to write.
        names: of further columns.
        reported: with each board, what papers report on its corpus.
    """
    plain = [
        {
            "title": board.title,
            "ranks": board.columns[0].key,
            "caption": board.caption,
            "rows": [*_rows(board, names)],
        }
        | ({"reported": [*_plain_reports(board)]} if reported else {})
        for board in boards
    ]
    return json.dumps(without_nan(plain), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain_reports(board: Board) -> Iterator[dict[str, Any]]:
    for source, table in reports.tables(benchmark=board.benchmark.name):
        yield {"source": source.citation, **table.model_dump(mode="json")}


def without_nan(value: Any) -> Any:
    """Return plain values that JSON has: null for NaN, wherever it stands."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _rows(board: Board, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a board as flat columns."""
    columns = [COLUMNS[name].values(board) for name in names]
    for number, row in enumerate(board.rows):
        further = {name: values[number] for name, values in zip(names, columns, strict=True)}
        yield _flat(board, row) | further


def harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet computes: a text that would be a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _flat(board: Board, row: Row) -> dict[str, Any]:
    result = row.result
    return {
        "board": board.title,
        **setting(result),
        "folds": len(result.split.folds),
        "rank": row.rank,
        **system(result),
        "differs": row.differs,
        "seeds": row.seeds,
        "complete": result.complete,
        "digest": result.digest,
        "created": result.created.isoformat(),
        "notes": " ".join(board.notes[note - 1] for note in row.notes),
    } | {
        name: value
        for column in board.columns
        for name, value in (
            (column.key, row.values[column.key].mean),
            (f"{column.key}:std_over_{column.over}", row.values[column.key].std),
            (f"{column.key}:std_over_seeds", row.values[column.key].seeds),
            *_ends(column.key, row.intervals.get(column.key)),
        )
    }


def _ends(key: str, interval: Interval | None) -> Iterator[tuple[str, float | int | None]]:
    """Yield the interval of a figure: its ends, and how many speakers it rests on."""
    for end in ("low", "high", "speakers"):
        yield f"{key}:{end}", getattr(interval, end, None)
