"""A study in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serbench.leaderboard.figures import number

if TYPE_CHECKING:
    from serbench.studies.report import Cell, Report


def render_study(report: Report) -> RenderableType:
    """Return the summary of a study, if there is anything to sum up, and its caption."""
    caption = Text(report.caption, style="dim")
    if not report.summary:
        return caption
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name, cell in report.summary[0].items():
        texts = isinstance(cell, str)
        table.add_column(
            name, justify="left" if texts else "right", overflow="fold", no_wrap=not texts
        )
    for row in report.summary:
        table.add_row(*(Text(_written(cell)) for cell in row.values()))
    return Group(table, Text(), caption)


def _written(cell: Cell) -> str:
    if isinstance(cell, tuple):
        return f"{number(cell.value)} [{number(cell.low)}, {number(cell.high)}]"
    if cell is None:
        return "-"
    return number(cell) if isinstance(cell, float) else str(cell)
