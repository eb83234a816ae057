"""`serbench sweep`: a grid of runs in one command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from serbench.cli.engines import Engines, checked, engine_of
from serbench.cli.groups import grouped
from serbench.cli.options import Data, Device, Jobs, Results, Set, Threads, jobs_of
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from serbench.runs.grids.grid import Grid
    from serbench.runs.grids.sweep import Report

_FAILED = 1
_SHOWN = 20
_AXES = ("upstream", "downstream", "benchmark", "protocol", "recipe")


class Listed(NamedTuple):
    """The axes of a grid, each a list with commas; they take the place of those of a file."""

    upstream: Annotated[str | None, typer.Option(help="What encodes; each its own run.")] = None
    downstream: Annotated[str | None, typer.Option(help="Heads.")] = None
    benchmark: Annotated[str | None, typer.Option(help="Corpora.")] = None
    protocol: Annotated[str | None, typer.Option(help="Ways to split.")] = None
    recipe: Annotated[str | None, typer.Option(help="Recipes to start from.")] = None
    seeds: Annotated[int | None, typer.Option(min=1, help="Of each run: 0, 1, ... [1].")] = None
    set_: Set = None


@grouped
def sweep(
    *,
    grid: Annotated[Path | None, typer.Argument(help="A grid (docs/grids.md) [none].")] = None,
    listed: Listed,
    data: Data = None,
    results: Results = Path("results"),
    device: Device = "cpu",
    threads: Threads = None,
    jobs: Jobs = "auto",
    engines: Engines,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan alone.")] = False,
) -> None:
    """Do all runs of a grid that have no result yet; interrupted, the same command goes on."""
    from serbench.cli.terminal import Terminal
    from serbench.progress import Keeping
    from serbench.runs.grids import costs
    from serbench.runs.grids.cells import Where
    from serbench.runs.grids.corpora import Corpora, compared
    from serbench.runs.grids.plan import plan
    from serbench.runs.grids.sweep import sweep

    where = Where(_whole(data), results.expanduser().absolute(), Path.cwd(), device, threads)
    count, terminal = jobs_of(jobs), Terminal()
    made = _grid(grid, listed)
    checked(engines, where)
    corpora = Corpora(where.data, audits := Keeping(terminal))
    with _printing_aside():
        planned = plan(made, where.results)
        # incomplete results go back to what is to do, whose corpora are looked at then
        standing = [*compared(planned, where.results, corpora)]
    _echo(*costs.told(planned, where.results), *standing)
    with _printing_aside():
        space = [*costs.checked(planned, corpora)]
    _echo(*space)
    if dry_run:
        return
    with (
        _printing_aside(),
        engine_of(engines, planned, where, count, terminal.tell) as engine,
    ):
        report = sweep(planned, engine, terminal)
    _summary(report, audits.told)
    _board(results)
    if report.failed:
        raise typer.Exit(_FAILED)


def _printing_aside() -> AbstractContextManager[object]:
    """Let what plugins print go to stderr: it is none of what was asked for."""
    return redirect_stdout(sys.stderr)


def _echo(*lines: str) -> None:
    for line in lines:
        typer.echo(line)


def _whole(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()


def _grid(file: Path | None, listed: Listed) -> Grid:
    """Return the grid of a file and of lists on the command line.

    Raises:
        SerbenchError: there is neither, or it is none.
    """
    from serbench.runs.grids import grid

    lists = {key: getattr(listed, key) for key in _AXES}
    axes = {key: _values(key, text) for key, text in lists.items() if text is not None}
    if not (file or axes or listed.set_):
        msg = (
            "there is no grid; give a file (docs/grids.md), or lists such as "
            "--upstream fbank,mfcc --downstream mean_pool,mlp --benchmark demo"
        )
        raise SerbenchError(msg)
    seeds = [] if listed.seeds is None else [f"seeds={[*range(listed.seeds)]}"]
    # as for a run, what --set says comes last
    settings = [*seeds, *(listed.set_ or [])]
    return grid.made(grid.read(file) if file else {}, axes, settings)


def _values(key: str, text: str) -> list[str]:
    """Return the values of a list with commas.

    Raises:
        SerbenchError: one is empty.
    """
    values = [value.strip() for value in text.split(",")]
    if "" in values:
        msg = f"--{key} '{text}' has no name where one should be; see `serbench list {key}s`"
        raise SerbenchError(msg)
    return values


def _summary(report: Report, known: Sequence[str]) -> None:
    """Say what became of the runs, and on stderr what they warned of and why some have no result.

    Args:
        report: of the sweep.
        known: warnings that were told before.
    """
    counts = f"{report.done} done, {len(report.failed)} failed, {report.skipped} skipped"
    skipped = " (finished before)" if report.skipped else ""
    doubled = f"; {report.doubled} are another one once more" if report.doubled else ""
    typer.echo(f"{counts}{skipped}{doubled}")
    warned = [(text, count) for text, count in report.warnings.most_common() if text not in known]
    _first(
        [text + (f" ({count} times)" if count > 1 else "") for text, count in warned],
        "warning: {} more of other words",
    )
    logs = [f"; log: {each.log}" if each.log else "" for each in report.failed]
    _first(
        [f"failed: {e.name}: {e.reason}{log}" for e, log in zip(report.failed, logs, strict=True)],
        "failed: {} more, likewise in the logs",
    )


def _first(lines: Sequence[str], rest: str) -> None:
    """Print the first few lines on stderr, and how many there are more."""
    for line in lines[:_SHOWN]:
        typer.echo(line, err=True)
    if len(lines) > _SHOWN:
        typer.echo(rest.format(len(lines) - _SHOWN), err=True)


def _board(results: Path) -> None:
    """Show the board, if there is anything on it."""
    from serbench.cli.leaderboard import boards_in, draw

    if any(results.glob("*/*.json")):
        draw(boards_in(results, None), (), reported=False)
