"""`serbench leaderboard`: what is in the results folder, ranked."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serbench.cli.options import Results

if TYPE_CHECKING:
    from serbench.leaderboard.table import Board


class Format(StrEnum):
    """How a leaderboard is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    CSV = "csv"


def leaderboard(
    results: Results = Path("results"),
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
    reported: Annotated[
        bool, typer.Option("--reported", help="Below each board, what papers report on its corpus.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TERMINAL,
) -> None:
    """Rank the results, per benchmark and protocol; scores are recomputed from the predictions."""
    from serbench.leaderboard import export, store, table
    from serbench.runs.recommended import recommended

    shelf = store.read_all(results)
    for problem in shelf.problems:
        typer.echo(f"serbench: left out: {problem}", err=True)
    boards = table.rank(store.on_benchmark(shelf, results, benchmark), recommended)
    if output is Format.TERMINAL:
        _draw(boards, reported=reported)
    else:
        write = export.to_markdown if output is Format.MARKDOWN else export.to_csv
        typer.echo(write(boards), nl=False)


def _draw(boards: list[Board], *, reported: bool) -> None:
    from rich.console import Console

    from serbench.leaderboard.render import render_board, render_reported
    from serbench.leaderboard.reports import tables

    console = Console(highlight=False, markup=False)
    if reported and not any(tables(benchmark=board.benchmark.name) for board in boards):
        typer.echo("serbench: no paper is known here that reports on these corpora", err=True)
    for number, board in enumerate(boards):
        if number:
            console.print()
        console.print(render_board(board))
        for each in tables(benchmark=board.benchmark.name) if reported else []:
            console.print()
            console.print(render_reported(each))
