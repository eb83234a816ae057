"""`serbench data`: what is in corpora, and what is wrong with them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from serbench.cli.options import Data, LeaveOutBroken, Set, TrainOn, Weights, assign, corpora
from serbench.errors import SerbenchError

app = typer.Typer(help="Look at corpora.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look at corpora."""


@app.command("check")
def check(
    benchmark: Annotated[str, typer.Argument(help="A name of `list benchmarks` or a .toml file.")],
    data: Data = None,
    train_on: TrainOn = None,
    protocol: Annotated[str | None, typer.Option(help="Check the folds of this one.")] = None,
    checksums: Annotated[
        Path | None,
        typer.Option(help="A list of sha256sum or b2sum [SHA256SUMS and the like in the corpus]."),
    ] = None,
    each: Annotated[bool, typer.Option("--all", help="List every finding.")] = False,
    set_: Set = None,
    leave_out_broken: LeaveOutBroken = False,
) -> None:
    """Read a corpus and its folds and report all problems; exit 1 if a run would refuse it."""
    from serbench.benchmarks.auditing.summary import summary
    from serbench.cli.findings import counted, laid_out, told
    from serbench.cli.terminal import Terminal
    from serbench.runs.looking import look_at

    raw = _asked(corpora(benchmark, train_on), protocol, set_)
    found = look_at(
        raw,
        data=data,
        progress=Terminal(),
        checksums=checksums,
        leave_out_broken=leave_out_broken,
    )
    for line in laid_out(summary(found.table, found.benchmark.task)):
        typer.echo(line)
    for line in laid_out(told(found.findings, each=each)):
        typer.echo(f"\n{line}")
    if any(finding.cause for finding in found.findings):
        named = [name.strip() for name in f"{benchmark},{train_on or ''}".split(",")]
        for own in (name for name in named if name.endswith(".toml")):
            typer.echo(f"\n`serbench data mend {shlex.quote(own)}` writes the paths so")
    typer.echo()
    typer.echo(counted(benchmark, found.findings))
    if found.refused:
        raise typer.Exit(1)


@app.command("mend")
def mend(
    benchmark: Annotated[Path, typer.Argument(help="The .toml file of your corpus.")],
) -> None:
    """Write the paths of your table as the files are called; the table before is kept beside it.

    For paths of another system, other capital letters and other Unicode forms.
    """
    from serbench.benchmarks.reading.mending import mend

    found = mend(benchmark)
    was = f"; as it was: '{found.kept}'" if found.kept else ""
    typer.echo(f"{found.table}: {found.changed} paths are written anew{was}")
    if found.missing:
        typer.echo(f"{found.missing} files are not there by any name", err=True)
        raise typer.Exit(1)


def _asked(benchmark: Any, protocol: str | None, set_: list[str] | None) -> dict[str, object]:
    """Return what of a recipe the command line says."""
    raw: dict[str, object] = {"benchmark": benchmark}
    if protocol is not None:
        raw["protocol"] = protocol
    assign(raw, set_ or [])
    if others := sorted(raw.keys() - {"benchmark", "protocol"}):
        msg = (
            f"--set {others[0]}: a corpus alone has settings of benchmark and protocol, such as "
            "benchmark.labels=voice"
        )
        raise SerbenchError(msg)
    return raw


@app.command("audit")
def audit(
    benchmark: Annotated[str, typer.Argument(help="A name of `list benchmarks` or a .toml file.")],
    data: Data = None,
    train_on: TrainOn = None,
    protocol: Annotated[str | None, typer.Option(help="Audit the folds of this one.")] = None,
    upstream: Annotated[
        str | None, typer.Option(help="Look whether this one was trained on the corpus.")
    ] = None,
    weights: Weights = None,
    set_: Set = None,
    leave_out_broken: LeaveOutBroken = False,
) -> None:
    """Show what the parts of each fold share, how they differ, and which encoders know the corpus.

    This is what every run looks at before it begins; exit 1 if a run would refuse the folds.
    """
    from serbench.cli.findings import counted, laid_out, told
    from serbench.cli.tables import show_folds, show_shared
    from serbench.cli.terminal import Terminal
    from serbench.runs.contamination import contaminated
    from serbench.runs.looking import look_at

    terminal = Terminal()
    asked = _asked(corpora(benchmark, train_on), protocol, set_)
    found = look_at(asked, data=data, progress=terminal, leave_out_broken=leave_out_broken)
    name = found.benchmark.name
    if found.folds:
        show_folds(found)
        show_shared(found, terminal)
    known = contaminated(found.benchmark, upstream, weights)
    for line in laid_out([*told(found.findings, each=False), *known]):
        typer.echo(f"\n{line}")
    typer.echo()
    typer.echo(counted(f"{name}, {found.protocol.name}", found.findings))
    if found.refused:
        raise typer.Exit(1)


@app.command("describe")
def describe(
    benchmark: Annotated[str, typer.Argument(help="A name of `list benchmarks` or a .toml file.")],
    data: Data = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder to draw into: durations, labels, speakers, ...")
    ] = None,
    set_: Set = None,
    leave_out_broken: LeaveOutBroken = False,
) -> None:
    """Show what a corpus holds: durations, labels, speakers, demographics, agreement."""
    from serbench.benchmarks.auditing.describing import tables
    from serbench.benchmarks.auditing.summary import summary
    from serbench.cli.findings import laid_out
    from serbench.cli.tables import show_table
    from serbench.cli.terminal import Terminal
    from serbench.runs.looking import look_at

    asked = _asked(benchmark, None, set_)
    found = look_at(
        asked, data=data, progress=Terminal(), split=False, leave_out_broken=leave_out_broken
    )
    for line in laid_out(summary(found.table, found.benchmark.task)):
        typer.echo(line)
    for title, table in tables(found.table, found.benchmark.task).items():
        show_table(title, table)
    if plots is not None:
        from serbench.runs.drawing import draw

        for path in draw(found.table, found.benchmark, plots):
            typer.echo(f"plot: {path}")


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder of Hugging Face datasets, a lhotse manifest or a folder of them, or a "
            "database in audformat."
        ),
    ],
    target: Annotated[Path, typer.Argument(help="A new folder for the table.")],
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="What they call a column, as in speaker=spk."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the benchmark [the new folder's].")] = None,
    dimensions: Annotated[
        str | None,
        typer.Option(metavar="COLUMN,...", help="Predict these numbers, with --scale."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="LOW,HIGH", help="The ends of their scale, as in 1,7.")
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=COLUMN", help="Predict shares: of each label, or its votes."),
    ] = None,
) -> None:
    """Make a table and benchmark.toml of a corpus that another library keeps.

    What is predicted is the label in the column emotion, unless --dimensions or --share say else.
    """
    from serbench.benchmarks.reading.importing import Target, import_corpus
    from serbench.cli.terminal import Terminal

    ends = _scale(dimensions, scale)
    names = tuple(dimensions.split(",")) if dimensions else ()
    predicted = Target(names, ends, _pairs("--share", share))
    description = import_corpus(
        source,
        target,
        called=_pairs("--column", column),
        name=name or target.resolve().name,
        predicted=predicted,
        progress=Terminal(),
    )
    shown = shlex.quote(str(description))
    typer.echo(f"{description}: look at it, then `serbench data check {shown}`")


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """Return what stands before each `=` to what stands after it."""
    found = [one.partition("=") for one in given or []]
    if wrong := ["".join(each) for each in found if not (each[0] and each[2])]:
        raise SerbenchError(f"{option} {wrong[0]}: write it with a sign, as in ours=theirs")
    return {ours: theirs for ours, _, theirs in found}


def _scale(dimensions: str | None, scale: str | None) -> tuple[float, float] | None:
    if (dimensions is None) != (scale is None):
        raise SerbenchError("--dimensions and --scale belong together, as in --scale 1,7")
    if scale is None:
        return None
    try:
        low, high = map(float, scale.split(","))
    except ValueError as error:
        raise SerbenchError(f"--scale {scale}: give two numbers, as in 1,7") from error
    return low, high


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="Of a database of audb, such as emodb.")],
    version: Annotated[str | None, typer.Option(help="[there already, or the newest]")] = None,
    data: Data = None,
    to: Annotated[Path | None, typer.Option(help="A folder for it [NAME in --data].")] = None,
) -> None:
    """Get a database of audb; one that was stopped goes on (pip install 'serbench[audb]')."""
    from serbench import plugins
    from serbench.benchmarks.reading import fetching
    from serbench.cli.terminal import Terminal
    from serbench.home import data_root

    root = data_root(data)
    folder = to or (root and root / name)
    if folder is None:
        raise SerbenchError("say where to: --to FOLDER, --data DIR or SERBENCH_DATA")
    terminal = Terminal()
    bars = terminal.console.is_terminal
    found = fetching.fetch(name, folder, version=version, progress=terminal, bars=bars)
    typer.echo(f"{found.name} {found.version} is in '{folder}'")
    if to is None and name in plugins.names("benchmarks"):
        typer.echo(f"`serbench data check {name}` reads it")
    else:
        typer.echo(f"`serbench data import {shlex.quote(str(folder))} NEW_FOLDER` reads it")
