"""`serbench postprocess`: a finished run's predictions, corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from serbench.cli.options import Results, assign


def postprocess(
    result: Annotated[str, typer.Argument(help="How the digest begins, or the record's path.")],
    steps: Annotated[
        list[str], typer.Argument(help="Post-processors in their order: names or ./file.py.")
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="An option, such as k=5; of several steps, 2.k=5."
        ),
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Correct what a finished run predicts and add a row to the leaderboard; nothing is trained."""
    from serbench.cli.terminal import show
    from serbench.runs import postprocessing

    raw: dict[str, Any] = {"postprocess": [{"name": step} for step in steps]}
    assign(raw, [f"postprocess.{setting}" for setting in set_ or []])
    show(postprocessing.postprocess(result, raw["postprocess"], results))
