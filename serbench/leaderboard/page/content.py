"""Boards as plain JSON values, as the script of the page reads them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from serbench.digests import digest_json
from serbench.leaderboard import reports
from serbench.leaderboard.page import flags
from serbench.leaderboard.table import Board, Row, Spread

_DIGITS = 6


def plain(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """Return the boards without the details of their rows."""
    names = [*map(_anchor, boards)]
    several = Counter(names)  # of one setting, where results do not agree on what is true
    return [
        # boards of one setting that do not agree on what is true
        _board(f"{name}-{digest_json(board.title)[:4]}" if several[name] > 1 else name, board)
        for name, board in zip(names, boards, strict=True)
    ]


def _anchor(board: Board) -> str:
    """Return what the address of a board ends with, the same whatever other boards there are."""
    plain = [each.model_dump(mode="json") for each in (board.benchmark, board.protocol)]
    same = [*plain, board.split, board.rows[0].result.transductive]
    name = re.sub(r"[^a-z0-9]+", "-", board.benchmark.name.lower()).strip("-")
    return f"{name}-{digest_json(same)[:8]}"


def _board(anchor: str, board: Board) -> dict[str, Any]:
    corpus, task, *split = board.title.split(" · ")
    known = [row.intervals.get(board.columns[0].key) for row in board.rows]
    speakers = [interval.speakers for interval in known if interval is not None]
    return {
        "id": anchor,
        "corpus": corpus,
        "task": task,
        "split": " · ".join(split),
        "title": board.title,
        "folds": len(board.rows[0].result.split.folds),
        "speakers": max(speakers, default=0),
        "classes": board.benchmark.task.classes,
        "ends": board.benchmark.task.ends,
        "columns": [
            {"key": c.key, "title": c.title, "dimension": c.dimension or "", "over": c.over}
            for c in board.columns
        ],
        "flags": flags.of_board(board),
        "caption": board.caption,
        "notes": board.notes,
        "rows": [_row(board, row) for row in board.rows],
        "reported": [*_reported(board)],
    }


def _row(board: Board, row: Row) -> list[Any]:
    """Return a row in the order in which the script takes it apart."""
    labels = row.result.labels
    ends = [row.intervals.get(column.key) for column in board.columns]
    return [
        row.rank,
        labels.upstream,
        labels.weights,
        labels.downstream,
        row.differs,
        row.seeds,
        row.result.digest,
        row.notes,
        [_spread(row.values[column.key]) for column in board.columns],
        [each and (rounded(each.low), rounded(each.high), each.speakers) for each in ends],
        flags.of_row(row),
    ]


def _spread(value: Spread) -> list[float | None]:
    return [rounded(each) for each in (value.mean, value.std, value.seeds)]


def rounded(value: float | None, digits: int = _DIGITS) -> float | None:
    """Return a number with as many digits as the page needs; None for NaN."""
    return None if value is None or math.isnan(value) else round(value, digits)


def _reported(board: Board) -> Iterator[dict[str, Any]]:
    """Yield what papers report on the corpus."""
    for source, table in reports.tables(benchmark=board.benchmark.name):
        yield {
            "source": source.short,
            "name": table.name,
            "about": f"{table.corpus}; {table.protocol}.",
            "citation": source.citation,
            "metrics": table.metrics,
            "rows": [[row.system, *row.texts] for row in table.rows],
        }
