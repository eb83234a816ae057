"""Tables of a corpus and its folds for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from serbench.cli.terminal import printer

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Progress
    from serbench.runs.looking import Looked

_ROWS = 20


def show_folds(found: Looked) -> None:
    """Print the parts of each fold, and how their make-up differs from that of the corpus."""
    import pandas as pd

    from serbench.benchmarks.auditing.sharing import imbalance

    rows = pd.DataFrame(imbalance(found.table, found.folds, found.benchmark.task))
    parts = [*rows][: [*rows].index("speakers")]
    named = {column: f"{column} off, %" for column in rows if column not in parts}
    named["speakers"] = "speakers of each"
    show_table(f"{found.protocol.name}: utterances of each part", rows.rename(columns=named))


def show_shared(found: Looked, progress: Progress) -> None:
    """Print how much of each part is in another, in per cent of its utterances.

    Args:
        found: the corpus and its folds.
        progress: where the work is shown.
    """
    from serbench.benchmarks.auditing.sharing import WHAT, shared

    table = Table(title="of a part, % with the same in another", **_plain())
    pairs = ("test in train", "test in valid", "valid in train")
    for column in ("same", *pairs):
        table.add_column(column, justify="left" if column == "same" else "right")
    cells: dict[str, dict[str, float]] = {}
    for each in shared(found.table, found.folds, progress):
        cells.setdefault(each.what, {})[f"{each.part} in {each.other}"] = each.share
    for what, shares in cells.items():
        table.add_row(WHAT[what], *(f"{100 * shares[pair]:.1f}" for pair in pairs))
    _print(table)


def show_table(title: str, rows: DataFrame) -> None:
    """Print a table with a title, its first rows if it is long."""
    table = Table(title=title, **_plain())
    for number, column in enumerate(rows.columns):
        table.add_column(str(column), justify="right" if number else "left")
    for row in rows.head(_ROWS).itertuples(index=False):
        table.add_row(*map(_cell, row))
    if len(rows) > _ROWS:
        table.caption = f"and {len(rows) - _ROWS} more"
    _print(table)


def _plain() -> dict[str, Any]:
    return {"box": None, "title_justify": "left", "title_style": "bold", "padding": (0, 2, 0, 0)}


def _print(table: Table) -> None:
    console = printer()
    console.print()
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
