"""`serbench reported`: numbers of papers, with their sources."""

from __future__ import annotations

from typing import Annotated

import typer


def reported(
    source: Annotated[str | None, typer.Argument(help="One of them [all].")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Only tables on the corpus of this benchmark.")
    ] = None,
) -> None:
    """Show what papers report: not computed here, and not comparable unless a table says so."""
    from serbench.cli.terminal import printer
    from serbench.errors import SerbenchError
    from serbench.leaderboard import reports
    from serbench.leaderboard.render import render_reported

    shown = reports.tables(source, benchmark)
    if not shown:
        msg = f"nothing is reported on '{benchmark}'; there are {', '.join(reports.names())}"
        raise SerbenchError(msg)
    console = printer()
    for number, each in enumerate(shown):
        if number:
            console.print()
        console.print(render_reported(each))
