"""`serbench recipes`: the published systems, and what is our choice in them."""

from __future__ import annotations

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
    from serbench.leaderboard import reports
    from serbench.runs import recipe

    path = recipe.path_of(name)
    recipe.read_recipe(path)
    typer.echo(path.read_text(encoding="utf-8").rstrip())
    for (source, table), row in reports.of_recipe(path.stem):
        pairs = zip(table.metrics, row.values, strict=True)
        numbers = ", ".join(f"{metric} {value}" for metric, value in pairs)
        typer.echo(f"\nreported by {source.short}, {table.name}, {row.system}: {numbers}")
        typer.echo(f"  on {table.corpus}; {table.protocol}")
