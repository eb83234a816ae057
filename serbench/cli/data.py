"""`serbench data check`: everything that is wrong with a corpus, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serbench.cli.options import Data, Set, TrainOn, assign, corpora
from serbench.errors import shown

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
    set_: Set = None,
) -> None:
    """Read a corpus and its folds and report all problems; exit 1 if a run would refuse it."""
    from serbench.cli.terminal import Terminal
    from serbench.runs.corpus import check_corpus

    raw: dict[str, object] = {"benchmark": corpora(benchmark, train_on)}
    if protocol is not None:
        raw["protocol"] = protocol
    assign(raw, set_ or [])
    findings = check_corpus(raw, data=data, progress=Terminal(), checksums=checksums)
    for finding in findings:
        where = f"{finding.utterance}: " if finding.utterance else ""
        typer.echo(shown(f"{finding.severity}: {where}{finding.message}"))
    errors = sum(f.severity == "error" for f in findings)
    known = sum(f.severity == "known" for f in findings)
    warnings = len(findings) - errors - known
    typer.echo(f"{benchmark}: {errors} errors, {warnings} warnings, {known} known defects")
    if errors:
        raise typer.Exit(1)
