"""`serbench recipes`: the published systems, and what is our choice in them."""

from __future__ import annotations

import shutil
import textwrap
from typing import Annotated

import typer

app = typer.Typer(help="Published systems as recipes.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Published systems as recipes."""


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name of `list recipes` or a .toml file.")],
) -> None:
    """Show a recipe: what it does, its sources, what is our choice, and what papers report."""
    from serbench.cli.terminal import printer
    from serbench.leaderboard import reports
    from serbench.leaderboard.render import render_reported
    from serbench.runs import recipe

    path = recipe.path_of(name)
    recipe.read_recipe(path)
    width = shutil.get_terminal_size().columns
    typer.echo(_reflowed(path.read_text(encoding="utf-8").rstrip(), width))
    console = printer()
    for each in reports.of_recipe(path.stem):
        console.print()
        console.print(render_reported(each))


def _reflowed(text: str, width: int) -> str:
    """Return a recipe with the comment at its head in lines of a terminal's width."""
    lines = text.splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    head = "\n".join(line[1:].strip() for line in lines[:end])
    told = [textwrap.fill(part, width - 2) for part in head.split("\n\n")]
    comment = textwrap.indent("\n\n".join(told), "# ", lambda _: True)
    return "\n".join([*comment.replace("# \n", "#\n").splitlines(), *lines[end:]])
