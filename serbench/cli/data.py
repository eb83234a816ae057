"""`serbench data`: what is in corpora, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from serbench.cli.options import Data, Set, TrainOn, Weights, assign, corpora

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
) -> None:
    """Read a corpus and its folds and report all problems; exit 1 if a run would refuse it."""
    from serbench.benchmarks.auditing.summary import summary
    from serbench.cli.findings import counted, laid_out, told
    from serbench.cli.terminal import Terminal
    from serbench.runs.looking import look_at

    raw = _asked(corpora(benchmark, train_on), protocol, set_)
    found = look_at(raw, data=data, progress=Terminal(), checksums=checksums)
    for line in laid_out(summary(found.table, found.benchmark.task)):
        typer.echo(line)
    for line in laid_out(told(found.findings, each=each)):
        typer.echo(f"\n{line}")
    typer.echo()
    typer.echo(counted(benchmark, found.findings))
    if found.refused:
        raise typer.Exit(1)


def _asked(benchmark: Any, protocol: str | None, set_: list[str] | None) -> dict[str, object]:
    """Return what of a recipe the command line says."""
    raw: dict[str, object] = {"benchmark": benchmark}
    if protocol is not None:
        raw["protocol"] = protocol
    assign(raw, set_ or [])
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
) -> None:
    """Show what the parts of each fold share, how they differ, and which encoders know the corpus.

    This is what every run looks at before it begins; exit 1 if a run would refuse the folds.
    """
    from serbench.cli.findings import counted, laid_out, told
    from serbench.cli.tables import show_folds, show_shared
    from serbench.cli.terminal import Terminal
    from serbench.runs.contamination import contaminated
    from serbench.runs.looking import look_at

    found = look_at(
        _asked(corpora(benchmark, train_on), protocol, set_), data=data, progress=Terminal()
    )
    name = found.benchmark.name
    if found.folds:
        show_folds(found)
        show_shared(found)
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
) -> None:
    """Show what a corpus holds: durations, labels, speakers, demographics, agreement."""
    from serbench.benchmarks.auditing.describing import tables
    from serbench.benchmarks.auditing.summary import summary
    from serbench.cli.findings import laid_out
    from serbench.cli.tables import show_table
    from serbench.cli.terminal import Terminal
    from serbench.runs.looking import look_at

    found = look_at(_asked(benchmark, None, set_), data=data, progress=Terminal(), split=False)
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
) -> None:
    """Make a table and benchmark.toml of a corpus that another library keeps."""
    from serbench.benchmarks.reading.importing import import_corpus

    called = dict(one.partition("=")[::2] for one in column or [])
    description = import_corpus(source, target, called=called, name=name or target.resolve().name)
    typer.echo(f"{description}: look at it, then `serbench data check {description}`")
