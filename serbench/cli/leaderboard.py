"""`serbench leaderboard`: what is in the results folder, ranked."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serbench.cli.options import Results


class Format(StrEnum):
    """How a leaderboard is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    CSV = "csv"


def leaderboard(
    results: Results = Path("results"),
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TERMINAL,
) -> None:
    """Rank the results, per benchmark and protocol, scores recomputed from the predictions."""
