"""`serbench speakers`: a result speaker by speaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serbench.cli.options import Results

app = typer.Typer(help="A result speaker by speaker.", no_args_is_help=True)

Stored = Annotated[str, typer.Argument(help="How the digest begins, or the record's path.")]


@app.command("show")
def show(result: Stored, results: Results = Path("results")) -> None:
    """Show how well each speaker is served, the worst first, and what was predicted of whom."""
    from rich.console import Console

    from serbench.leaderboard import store
    from serbench.leaderboard.render_speakers import render_speakers
    from serbench.leaderboard.speakers import speaker_tables

    entry = store.load_result(store.look_up(results, result))
    corrected = entry.result.corrected
    benchmark = entry.result.benchmark.name
    before = None if corrected is None else store.find(results, benchmark, corrected.digest)
    console = Console(highlight=False, markup=False)
    for table in speaker_tables(entry, before):
        console.print(render_speakers(table))
        console.print()


@app.command("vectors")
def vectors(
    result: Stored,
    out: Annotated[Path, typer.Option(help="A .csv file.")] = Path("vectors.csv"),
    results: Results = Path("results"),
) -> None:
    """Write the vector of each speaker, fold and seed: what post-processors take voices by."""
    from serbench.leaderboard import beside, store

    path = store.look_up(results, result)
    voices = beside.load_voices(path, store.load_result(path).result)
    voices.to_csv(out, index=False)
    typer.echo(f"{len(voices)} vectors of {voices['speaker'].nunique()} speakers: {out}")
