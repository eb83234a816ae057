"""`serbench speakers`: a result speaker by speaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from serbench.cli.options import Results
from serbench.errors import SerbenchError


class _Shown(TyperGroup):
    """A group whose command is `show` where none is named: `serbench speakers RESULT`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command that is meant."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Shown,
    help="A result speaker by speaker; `serbench speakers RESULT` shows it.",
    no_args_is_help=True,
)

Stored = Annotated[str, typer.Argument(help="How the digest begins, or the record's path.")]


@app.command("show")
def show(result: Stored, results: Results = Path("results")) -> None:
    """Show how well each speaker is served, the worst first, and what was predicted of whom."""
    from serbench.cli.terminal import printer
    from serbench.leaderboard import store
    from serbench.leaderboard.marks import told
    from serbench.leaderboard.render_speakers import render_neighbours, render_speakers
    from serbench.leaderboard.speakers import speaker_tables
    from serbench.runs import derived
    from serbench.runs.neighbours import neighbours

    path = store.look_up(results, result)
    entry = store.load_result(path)
    before, heard = None, []
    if corrected := entry.result.corrected:
        try:
            before = derived.before(entry.result, path)
            if before is None:
                there = f"the run {corrected.digest[:8]} that was corrected is not in '{results}'"
                typer.echo(
                    f"serbench: {there}: nothing of before, and no neighbours are shown", err=True
                )
            else:
                heard = neighbours(entry.result, path.with_name(f"{corrected.digest}.json"))
        except SerbenchError as error:
            what = "neighbours are" if before else "scores before and neighbours are"
            typer.echo(f"serbench: {what} not shown: {error}", err=True)
    console = printer()
    for table in speaker_tables(entry, before):
        console.print(render_speakers(table))
        console.print()
    for number, each in enumerate(heard):
        if number:
            console.print()
        console.print(render_neighbours(*each))
    for said in told(path, entry.result):
        typer.echo(said)


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
