"""`serbench show`: a stored result as its run ended, without its corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serbench.cli.options import Results

Stored = Annotated[str, typer.Argument(help="The beginning of a digest, or a .json file.")]


def show(result: Stored, results: Results = Path("results")) -> None:
    """Show a stored result fold by fold; its corpus is not looked at."""
    from serbench.cli import terminal
    from serbench.leaderboard import store
    from serbench.leaderboard.marks import said_of
    from serbench.runs.result import UNSEEN, Outcome
    from serbench.scoring.scores import score

    path = store.look_up(results, result)
    entry = store.load_result(path)
    scores = score(entry.result.benchmark.task, entry.predictions)
    terminal.show(Outcome(entry.result, scores, path))
    if said := said_of(path):
        typer.echo(said)
    typer.echo(f"serbench: {UNSEEN}", err=True)
