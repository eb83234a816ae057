"""`serbench speakers`: a result speaker by speaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serbench.cli.options import Results


def speakers(
    result: Annotated[str, typer.Argument(help="How the digest begins, or the record's path.")],
    vectors: Annotated[
        Path | None, typer.Option(help="Write the speakers' vectors to this .csv or .parquet.")
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Show how well each speaker is served, worst first; or export the speakers' vectors."""
    from rich.console import Console

    from serbench.leaderboard import speakers as people
    from serbench.leaderboard import store
    from serbench.leaderboard.render_speakers import render_speakers

    path = store.look_up(results, result)
    entry = store.load_result(path)
    if vectors is not None:
        store.export_voices(path, entry.result, vectors)
        typer.echo(f"vectors of the speakers: {vectors}", err=True)
        return
    console = Console(highlight=False, markup=False)
    for table in people.speaker_tables(entry, store.before(results, entry.result)):
        console.print(render_speakers(table))
        console.print()
