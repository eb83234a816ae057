"""`serbench check`: the contract tests on anyone's plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serbench.cli.options import Data, Weights, assign

if TYPE_CHECKING:
    from serbench import plugins

app = typer.Typer(help="Check a plugin against its contract.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name, or ./file.py.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An option of its own, such as size=full."),
]


@app.command("upstream")
def upstream(name: Name, weights: Weights = None, set_: Options = None) -> None:
    """Check an upstream: sizes, frames, padding, gradients, randomness."""
    options: dict[str, object] = {} if weights is None else {"weights": weights}
    assign(options, set_ or [])
    _check("upstreams", name, options)


@app.command("downstream")
def downstream(name: Name, set_: Options = None) -> None:
    """Check a downstream: sizes, padding, gradients, what it needs of time."""
    options: dict[str, object] = {}
    assign(options, set_ or [])
    _check("downstreams", name, options)


@app.command("benchmark")
def benchmark(
    name: Annotated[str, typer.Argument(help="Its name, ./file.py or ./file.toml.")],
    data: Data = None,
    set_: Options = None,
) -> None:
    """Check a benchmark: what it declares, its protocols, table and folds.

    Table and folds need the corpus. No audio is opened: that is `serbench data check`.
    """
    options: dict[str, object] = {}
    assign(options, set_ or [])
    _check("benchmarks", name, options, data)


@app.command("postprocessor")
def postprocessor(name: Name, set_: Options = None) -> None:
    """Check a post-processor: sizes, finite numbers, order, repetition."""
    options: dict[str, object] = {}
    assign(options, set_ or [])
    _check("postprocessors", name, options)


def _check(
    kind: plugins.Kind, name: str, options: dict[str, object], data: Path | None = None
) -> None:
    from serbench import checks
    from serbench.cli.terminal import Terminal

    failures = checks.check_plugin(kind, name, options, data=data, progress=Terminal())
    for failure in failures:
        typer.echo(f"{name}: {failure}")
    if failures:
        raise typer.Exit(1)
    left = checks.unchecked(kind, name, options, data)
    if left:
        typer.echo(f"{name}: what was checked keeps the contract; not checked: {left}")
    else:
        typer.echo(f"{name}: keeps the contract")
