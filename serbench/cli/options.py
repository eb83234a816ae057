"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from serbench.errors import SerbenchError
from serbench.remotes import results_folder
from serbench.runs.settings import assign


def _results(given: str) -> Path:
    return results_folder(given, lambda text: typer.echo(text, err=True))


Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that holds the corpora, one folder each [SERBENCH_DATA]."),
]
Device = Annotated[str, typer.Option(help="Torch device: cpu, cuda, cuda:1, ...")]
Jobs = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        help="Processes that trials go over; auto: as many as make it faster.",
    ),
]
Results = Annotated[
    Path,
    typer.Option(
        "--results",
        parser=_results,
        metavar="PATH|URL",
        help="Folder of the result files, or a URL of one: s3://, gs://, file://.",
    ),
]
LeaveOutBroken = Annotated[
    bool, typer.Option("--leave-out-broken", help="Go on without unusable recordings.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any recipe value, such as training.epochs=5."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Of torch [all cores for encoders, 1 for a small head]."),
]
_MOST_JOBS = 1024
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Weights of the upstream: a size, an id or a folder; of several, with commas.",
    ),
]


TrainOn = Annotated[
    str | None,
    typer.Option(help="Learn from this corpus instead, or from several with commas."),
]


def corpora(benchmark: str | None, train_on: str | None) -> str | dict[str, Any] | None:
    """Return what a benchmark, or several with commas, and `--train-on` mean in a recipe.

    Raises:
        SerbenchError: nobody says what is tested, or a name is empty.
    """
    if benchmark is None:
        if train_on is None:
            return None
        msg = f"--train-on {train_on} needs --benchmark: what is tested"
        raise SerbenchError(msg)
    test = _names("--benchmark", benchmark)
    if train_on is None:
        return benchmark if len(test) == 1 else {"name": "across", "test": test}
    return {"name": "across", "test": test, "train": _names("--train-on", train_on)}


def _names(option: str, text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if "" in names:
        msg = f"{option} '{text}' has no name where one should be; see `serbench list benchmarks`"
        raise SerbenchError(msg)
    return names


def jobs_of(text: str) -> int | None:
    """Return how many processes `--jobs` asks for; None: as many as make it faster.

    Raises:
        SerbenchError: it is no number from 1, nor auto.
    """
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_JOBS:
        msg = f"--jobs '{text}' is no number of processes; give 1 to {_MOST_JOBS}, or auto"
        raise SerbenchError(msg)
    return int(text)


__all__ = [
    "Data",
    "Device",
    "Jobs",
    "Results",
    "Set",
    "Threads",
    "TrainOn",
    "Weights",
    "assign",
    "corpora",
    "jobs_of",
]
