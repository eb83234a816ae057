"""Matrices for other programs: Markdown, CSV, LaTeX and JSON, and a diagram over corpora."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from serbench.errors import SerbenchError
from serbench.leaderboard.critical import to_svg
from serbench.leaderboard.export import escaped, harmless, line, without_nan
from serbench.leaderboard.latex import booktabs
from serbench.leaderboard.latex import escaped as latex
from serbench.leaderboard.matrix import Matrix, critical, on_all
from serbench.leaderboard.table import Row


def to_markdown(made: Sequence[Matrix]) -> str:
    """Return matrices as GitHub tables."""
    sections = []
    for each in made:
        head = [line(["", *map(escaped, each.columns)]), line(["---"] * (1 + len(each.columns)))]
        rows = [
            line([escaped(name), *(each.text(name, column) for column in each.columns)])
            for name in each.rows
        ]
        said = [f"{escaped(sentence)}\n" for sentence in each.sentences]
        sections += [f"### {escaped(each.title)}", "", *head, *rows, "", *said]
    return "\n".join(sections) + "\n"


def to_csv(made: Sequence[Matrix]) -> str:
    """Return one line a place of a matrix: its names, and what `_plain` says of it."""
    text = io.StringIO()
    keys = ["matrix", "row", "column", "value", "rank", "digest", "sent"]
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    for each in made:
        for (name, column), row in each.cells.items():
            told = {"matrix": each.title, "row": name, "column": column, **_plain(row)}
            writer.writerow({key: harmless(value) for key, value in told.items()})
    return text.getvalue()


def to_json(made: Sequence[Matrix]) -> str:
    """Return matrices as JSON, NaN as null."""
    plain = [
        {
            "title": each.title,
            "rows": each.rows,
            "columns": each.columns,
            "cells": [
                {"row": name, "column": column, **_plain(row)}
                for (name, column), row in each.cells.items()
            ],
            "sentences": each.sentences,
        }
        for each in made
    ]
    return json.dumps(without_nan(plain), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_latex(made: Sequence[Matrix]) -> str:
    """Return a table of booktabs for each matrix, what shares the first rank of its board bold."""
    return "\n".join(_latex(each) for each in made)


def to_diagram(made: Sequence[Matrix]) -> str:
    """Return the critical-difference diagram of systems by corpora as SVG.

    Raises:
        SerbenchError: there are too few corpora, or systems that are on all of them.
    """
    (each,) = made
    systems = on_all(each)
    if len(systems) < 2:
        raise SerbenchError(each.sentences[-1])
    return to_svg(systems, critical(each, systems), len(each.columns))


def _latex(made: Matrix) -> str:
    cells = [
        [latex(name), *(latex(made.text(name, column)) for column in made.columns)]
        for name in made.rows
    ]
    bold = [[False, *(made.first(name, column) for column in made.columns)] for name in made.rows]
    header = ["", *map(latex, made.columns)]
    caption = latex(" ".join([f"{made.title}.", *made.sentences]))
    return booktabs(header, cells, bold, "l" + "r" * len(made.columns), caption)


def _plain(row: Row) -> dict[str, Any]:
    """Return what a place holds, and whether that was sent in or made of what was."""
    value = next(iter(row.values.values())).mean
    return {"value": value, "rank": row.rank, "digest": row.result.digest, "sent": row.sent}
