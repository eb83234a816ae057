"""`serbench list`: what there is, one line each, without importing what it lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from serbench import plugins
    from serbench.benchmarks import Benchmark

_KINDS = ("upstreams", "downstreams", "benchmarks", "postprocessors", "protocols", "recipes")


def listing(
    kind: Annotated[str, typer.Argument(help=f"What to list: {', '.join(_KINDS)}.")],
    name: Annotated[str | None, typer.Argument(help="Show one of them with its options.")] = None,
) -> None:
    """List upstreams, downstreams, benchmarks, post-processors, protocols or recipes."""
    from rich.table import Table

    from serbench.cli.terminal import printer

    if kind not in _KINDS:
        raise unknown("list", kind, _KINDS)
    if name is not None:
        _show(kind, name)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for entry, text in _entries(kind).items():
        table.add_row(entry, text)
    printer().print(table)


def _entries(kind: str) -> dict[str, str]:
    if kind == "protocols":
        from serbench.benchmarks.splitting import protocols

        return dict(protocols.describe())
    if kind == "recipes":
        from serbench.runs import recipe

        return {path.stem: recipe.summary(path) for path in recipe.shipped()}
    from serbench import plugins

    (known,) = (k for k in plugins.KINDS if k == kind)
    return {name: _line(known, name) for name in plugins.names(known)}


def _line(kind: plugins.Kind, name: str) -> str:
    """Return what is said of a plugin, or why nothing can be: one costs no other its line."""
    from serbench import plugins

    told = "cannot be used"
    try:
        plugin = plugins.find(kind, name)
        told = plugin.summary + _from(plugin)
        if kind == "benchmarks":
            made = plugins.make(plugin, options={})
            told += f"\nlicence: {made.licence}"
    except SerbenchError as error:
        told += f": {error}"
    return told


def _from(plugin: plugins.Plugin) -> str:
    return "" if plugin.origin == "serbench" else f" [{plugin.origin}]"


def _show(kind: str, name: str) -> None:
    if kind == "recipes":
        from serbench.runs import recipe

        path = recipe.path_of(name)
        recipe.read_recipe(path)
        typer.echo(path.read_text(encoding="utf-8"), nl=False)
    elif kind == "protocols":
        from serbench.benchmarks.splitting import protocols

        options = protocols.signature(name).parameters
        typer.echo(protocols.describe()[name])
        _show_options({option.name: option.default for option in options.values()})
    else:
        _show_plugin(kind, name)


def _show_plugin(kind: str, name: str) -> None:
    from serbench import plugins

    (known,) = (k for k in plugins.KINDS if k == kind)
    plugin = plugins.find(known, name)
    typer.echo(plugin.summary)
    _show_options({option.name: option.default for option in plugin.options.values()})
    if kind == "benchmarks":
        _show_corpus(plugins.make(plugin, options={}))
    for size, entry in plugin.sizes.items():
        licence, trained_on = entry["licence"], entry["trained_on"]
        typer.echo(f"  --weights {size}: {entry['id']} ({licence}); {trained_on}")


def _show_corpus(made: Benchmark) -> None:
    """Print what somebody needs who wants to use a corpus, and to cite it."""
    typer.echo(f"protocols: {', '.join(made.protocols)} (the first is the default)")
    if made.known_defects:
        typer.echo(
            f"known defects: {len(made.known_defects)} clips; `serbench data check` lists them"
        )
    typer.echo(f"licence: {made.licence}\nget it: {made.obtain}\ncite: {made.citation}")
    if made.bibtex:
        typer.echo(f"\n{made.bibtex}")


def _show_options(defaults: dict[str, object]) -> None:
    for option, default in defaults.items():
        typer.echo(f"  {option} = {default!r}")
