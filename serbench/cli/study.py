"""`serbench study`: questions over runs, each answered by a table, a picture and a JSON file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serbench.cli.groups import grouped
from serbench.cli.options import Data, Device, Results, Set, Threads, assign
from serbench.cli.run import Asked, raw_of
from serbench.durable import makeable
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from serbench.studies.bench import Bench
    from serbench.studies.report import Report

app = typer.Typer(help="Questions over several runs.", no_args_is_help=True)


class Points(StrEnum):
    """What study `embed` maps, as `serbench.studies.embed` knows it."""

    UTTERANCES = "utterances"
    SPEAKERS = "speakers"


def _out(given: str) -> Path:
    """Return the folder that `--out` means, once it is known that it can be written to."""
    folder = Path(given).expanduser()
    makeable(folder)
    return folder


Out = Annotated[
    Path,
    typer.Option(
        parser=_out, metavar="PATH", help="Folder for the table, the picture and the JSON."
    ),
]
Run = Annotated[str, typer.Argument(help="How the run's digest begins, or the record's path.")]
_OUT = Path("studies")


@app.command("calibrate")
def calibrate(run: Run, results: Results = Path("results"), out: Out = _OUT) -> None:
    """A finished run under every post-processor and control."""
    from serbench.studies.calibrate import calibrate

    _show(calibrate(_bench(results), run), out)


@app.command("embed")
def embed(
    run: Run,
    of: Annotated[Points, typer.Option(help="What a point is.")] = Points.UTTERANCES,
    data: Data = None,
    results: Results = Path("results"),
    out: Out = _OUT,
    set_: Set = None,
) -> None:
    """PCA and t-SNE of a run's features, by emotion, speaker, gender.

    Files that its recipe names are looked for in the working folder, or where --set says.
    """
    from serbench.studies.embed import embed

    bench = _bench(results, data)
    _show(embed(bench, run, of.value, _recipe(bench, run, set_)), out)


@app.command("gap")
@grouped
def gap(
    *,
    asked: Asked,
    speakers: Annotated[
        str | None, typer.Option(help="Numbers of training speakers, with commas [doubled].")
    ] = None,
    data: Data = None,
    results: Results = Path("results"),
    device: Device = "cpu",
    threads: Threads = None,
    out: Out = _OUT,
) -> None:
    """Training with and without the tested speakers, at equal amounts."""
    from serbench.studies.gap import gap

    counts = [] if speakers is None else _numbers("--speakers", speakers)
    _show(gap(_bench(results, data, device, threads), raw_of(asked), counts), out)


@app.command("position")
@grouped
def position(
    *,
    asked: Asked,
    data: Data = None,
    results: Results = Path("results"),
    device: Device = "cpu",
    threads: Threads = None,
    out: Out = _OUT,
) -> None:
    """Where the speaker embedding of PAPT enters the encoder."""
    from serbench.studies.position import position

    _show(position(_bench(results, data, device, threads), raw_of(asked)), out)


@app.command("shift")
def shift(
    run: Run,
    data: Data = None,
    results: Results = Path("results"),
    out: Out = _OUT,
    set_: Set = None,
) -> None:
    """How far each speaker is from training, against his score.

    Files that its recipe names are looked for in the working folder, or where --set says.
    """
    from serbench.studies.shift import shift

    bench = _bench(results, data)
    _show(shift(bench, run, _recipe(bench, run, set_)), out)


def _recipe(bench: Bench, run: str, settings: list[str] | None) -> dict[str, Any]:
    """Return the recipe of a finished run, with files where the user says that they are."""
    from serbench.runs import rerunning

    raw = rerunning.raw_of(bench.stored(run).entry.result)
    assign(raw, settings or [])
    return raw


def _numbers(flag: str, text: str) -> list[int]:
    """Return the numbers that commas separate.

    Raises:
        SerbenchError: something else stands there.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SerbenchError(
            f"{flag} {text} is no list of numbers from 1; write for instance 4,8,16"
        )
    return [int(part) for part in parts]


def _bench(
    results: Path, data: Path | None = None, device: str = "cpu", threads: int | None = None
) -> Bench:
    from serbench.cli.terminal import Terminal
    from serbench.studies.bench import Bench

    return Bench(results.expanduser(), Terminal(), data, device, threads)


def _show(report: Report, out: Path) -> None:
    """Write a study and print what it comes to, and where it lies."""
    from serbench.cli.render_study import render_study
    from serbench.cli.terminal import printer
    from serbench.studies.report import write

    files = write(report, out)
    console = printer()
    console.print(render_study(report))
    for path in files:
        console.print(str(path), soft_wrap=True)
