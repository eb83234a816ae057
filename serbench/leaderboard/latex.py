"""Boards for a paper: LaTeX with booktabs, the best group bold."""

from __future__ import annotations

import re
from collections.abc import Sequence

from serbench.leaderboard.columns import COLUMNS, texts
from serbench.leaderboard.figures import main_ends, with_spread
from serbench.leaderboard.table import Board, Row

_SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "×": r"$\times$",  # noqa: RUF001
    "…": r"\dots{}",
    "–": r"\textendash{}",  # noqa: RUF001
}


def to_latex(boards: Sequence[Board], names: Sequence[str] = ()) -> str:
    """Return a table for each board, and what must be said beside it as its caption.

    Args:
        boards: to write; the document needs the package booktabs.
        names: of further columns.
    """
    return "\n".join(_table(board, names) for board in boards)


def escaped(text: str) -> str:
    """Return a text as LaTeX that shows it as it stands."""
    whole = "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
    # after the end of a row or a rule, these would begin an argument of it
    whole = re.sub(r"^[\[*]", r"{\g<0>}", whole)
    # two hyphens would make a dash, two such marks a quotation
    return re.sub(r"(?<!\\)([-'])(?=\1)", r"\1{}", whole)


def _table(board: Board, names: Sequence[str]) -> str:
    names = [name for name in names if name != "intervals"]  # which stand there anyway
    differ = any(row.differs for row in board.rows)
    header = ["\\#", "upstream", "weights", "downstream", *["differs in"] * differ]
    header += [escaped(f"{c.title} {c.dimension or ''}".strip()) for c in board.columns]
    header += ["95\\,\\%", *(escaped(COLUMNS[name].title) for name in names), "digest"]
    rows = zip(board.rows, texts(board, names), strict=True)
    cells = [
        [escaped(cell) for cell in [*_cells(board, row, differ), *more, row.result.digest[:8]]]
        for row, more in rows
    ]
    words = 3 + differ
    bold = [
        [row.rank == 1 and place == 1 + words for place in range(len(header))] for row in board.rows
    ]
    columns = "r" + "l" * words + "r" * (len(header) - words - 1)
    caption = escaped(" ".join([f"{board.title}.", *board.caption, *_noted(board)]))
    return booktabs(header, cells, bold, columns, caption)


def booktabs(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    bold: Sequence[Sequence[bool]],
    columns: str,
    caption: str,
) -> str:
    """Return a table with the rules of booktabs.

    Args:
        header: LaTeX of each column.
        cells: LaTeX of each row.
        bold: whether each cell is.
        columns: "lr" for one at the left and one at the right.
        caption: LaTeX.
    """
    from pandas import DataFrame

    marks = DataFrame(bold).map(lambda own: "font-weight: bold" if own else "")
    # which pandas takes for format strings
    heads = [head.replace("{", "{{").replace("}", "}}") for head in header]
    style = DataFrame(cells).style.hide(axis="index").relabel_index(heads, axis="columns")
    text: str = style.apply(lambda _: marks, axis=None).to_latex(
        hrules=True,
        convert_css=True,
        position_float="centering",
        column_format=columns,
        caption=caption,
    )
    return text


def _cells(board: Board, row: Row, differ: bool) -> list[str]:
    labels = row.result.labels
    values = [with_spread(row.values[column.key]) for column in board.columns]
    interval = main_ends(board, row)
    names = [labels.upstream, labels.weights, labels.downstream, *[row.differs] * differ]
    return [row.place, *names, *values, interval]


def _noted(board: Board) -> list[str]:
    """Return the notes, each with the digests of its rows."""
    about = [
        [r.result.digest[:8] for r in board.rows if number in r.notes]
        for number in range(1, 1 + len(board.notes))
    ]
    pairs = zip(about, board.notes, strict=True)
    return [f"{', '.join(digests)}: {note}" for digests, note in pairs]
