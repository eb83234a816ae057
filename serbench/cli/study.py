"""`serbench study`: questions over runs, each answered by a table, a picture and a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serbench.cli.options import Results

if TYPE_CHECKING:
    from serbench.studies.bench import Bench
    from serbench.studies.report import Report

app = typer.Typer(help="Questions over several runs.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="Folder for the table, the picture and the JSON.")]
Run = Annotated[str, typer.Argument(help="How the run's digest begins, or the record's path.")]
_OUT = Path("studies")


@app.command("calibrate")
def calibrate(run: Run, results: Results = Path("results"), out: Out = _OUT) -> None:
    """A finished run under every post-processor, option and control: O-CCC against A-CCC, or UA."""
    from serbench.studies.calibrate import calibrate

    _show(calibrate(_bench(results), run), out)


def _bench(
    results: Path, data: Path | None = None, device: str = "cpu", threads: int | None = None
) -> Bench:
    from serbench.cli.terminal import Terminal
    from serbench.studies.bench import Bench

    return Bench(results.expanduser(), Terminal(), data, device, threads)


def _show(report: Report, out: Path) -> None:
    """Write a study and print what it comes to, and where it lies."""
    from rich.console import Console

    from serbench.cli.render_study import render_study
    from serbench.studies.report import write

    files = write(report, out.expanduser())
    console = Console(highlight=False, markup=False)
    console.print(render_study(report))
    for path in files:
        console.print(str(path), soft_wrap=True)
