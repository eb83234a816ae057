"""`serbench check`: the contract tests on anyone's plugin."""

from __future__ import annotations

from typing import Annotated

import typer

from serbench.cli.options import Set, Weights, assign

app = typer.Typer(help="Check a plugin against its contract.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name, or ./file.py.")]


@app.command("upstream")
def upstream(name: Name, weights: Weights = None, set_: Set = None) -> None:
    """Check an upstream: sizes, frames, padding, gradients, randomness."""
    from serbench import checks, plugins

    options: dict[str, object] = {} if weights is None else {"weights": weights}
    assign(options, set_ or [])
    plugin = plugins.find("upstreams", name)
    _report(name, checks.check_upstream(checks.make_upstream(plugin, options)))


@app.command("downstream")
def downstream(name: Name, set_: Set = None) -> None:
    """Check a downstream: sizes, padding, gradients, what it needs of time."""
    from serbench import checks, plugins

    options: dict[str, object] = {}
    assign(options, set_ or [])
    plugin = plugins.find("downstreams", name)
    _report(name, checks.check_downstream(lambda dim: plugins.make(plugin, dim, options=options)))


def _report(name: str, failures: list[str]) -> None:
    for failure in failures:
        typer.echo(f"{name}: {failure}")
    if failures:
        raise typer.Exit(1)
    typer.echo(f"{name}: keeps the contract")
