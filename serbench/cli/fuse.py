"""`serbench fuse`: finished runs made into one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serbench.cli.options import Results


class Method(StrEnum):
    """What is made of several predictions, as `serbench.leaderboard.identity` knows it."""

    MEAN = "mean"
    STACK = "stack"


def fuse(
    runs: Annotated[
        list[str], typer.Argument(help="How the digests of finished runs begin, or their records.")
    ],
    method: Annotated[
        Method, typer.Option(help="Mean of predictions, or a stack learnt on validation parts.")
    ] = Method.MEAN,
    results: Results = Path("results"),
) -> None:
    """Fuse finished runs on the same folds and add a row to the leaderboard."""
    from serbench.cli.terminal import show
    from serbench.runs import fusing

    show(fusing.fuse(*runs, method=method.value, results=results))
