"""`serbench rerun`: a result repeated from its record, and what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serbench.cli.options import Data, Device, Results, Set, Threads, assign
from serbench.cli.show import Stored
from serbench.errors import SerbenchError

Into = Annotated[Path, typer.Option("--into", help="Folder of the repeated result.")]


def rerun(
    result: Stored,
    results: Results = Path("results"),
    into: Into = Path("reruns"),
    data: Data = None,
    device: Device = "cpu",
    threads: Threads = None,
    set_: Set = None,
    again: Annotated[
        bool, typer.Option("--again", help="Use nothing that is stored, nor an earlier rerun.")
    ] = False,
) -> None:
    """Repeat a result from its record, in another folder, and say what differs.

    Files that the recipe names are looked for in the working folder, or where --set says.
    """
    from serbench.cli.terminal import Terminal
    from serbench.leaderboard import store
    from serbench.runs import rerunning
    from serbench.runs.run import run_recipe

    path = store.look_up(results, result)
    before = store.load_result(path)
    if into.absolute() == path.absolute().parents[1]:
        raise SerbenchError(f"--into '{into}' holds the result itself; give another folder")
    raw = rerunning.raw_of(before.result)
    assign(raw, set_ or [])
    outcome = run_recipe(
        rerunning.resolve(before.result, raw),
        data=data,
        results=into,
        overwrite="always" if again else "only-missing",
        device=device,
        threads=threads,
        progress=Terminal(),
    )
    for line in rerunning.compared(before, store.load_result(outcome.path)):
        typer.echo(line)
    typer.echo(f"first: {path}\nagain: {outcome.path}")
