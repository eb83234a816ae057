"""What a process does of a sweep: it prepares what runs share, does a trial, or a run."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.home import home

if TYPE_CHECKING:
    from serbench.progress import Progress


SENT = "sent"
"""Folder in `SERBENCH_HOME` of results that go to another machine, one folder a run."""


class Where(NamedTuple):
    """What all runs of a sweep have in common that no recipe has.

    Attributes:
        data: folder of the corpora; None: `SERBENCH_DATA`.
        results: folder of the result files.
        folder: that paths are relative to.
        device: torch device.
        threads: of torch, for every step; None: as many as each is worth.
        mark: name of a file in `SERBENCH_HOME` and in `results`, by which other machines know
            whether theirs are the same; empty: there are no others.
    """

    data: Path | None
    results: Path
    folder: Path
    device: str = "cpu"
    threads: int | None = None
    mark: str = ""


class Cell(NamedTuple):
    """What became of a task.

    Attributes:
        done: not if it trains on all cores and may not.
        folds: of what was prepared, how many it has.
        made: files and folders that others need, by their paths in `SERBENCH_HOME`.
    """

    done: bool = True
    folds: int = 0
    made: tuple[str, ...] = ()


def prepare(raw: Mapping[str, Any], where: Where, progress: Progress) -> Cell:
    """Adapt, fine-tune and encode for a run, and so for all that share it."""
    from serbench.runs import recipe as recipes
    from serbench.runs.pieces import prepare_recipe

    where = _here(where)
    shared = prepare_recipe(
        recipes.resolve(raw),
        data=where.data,
        results=where.results,
        progress=progress,
        device=where.device,
        threads=where.threads,
    )
    return Cell(folds=shared.folds, made=_inside(shared.folders))


def trial(
    raw: Mapping[str, Any], where: Where, key: tuple[int, int], only_small: bool, progress: Progress
) -> Cell:
    """Do a trial of a run: the number of its fold, and its seed."""
    from serbench.runs import recipe as recipes
    from serbench.runs.pieces import train_one
    from serbench.runs.run import TooLargeError

    where = _here(where)
    try:
        files = train_one(
            recipes.resolve(raw),
            key,
            data=where.data,
            progress=progress,
            device=where.device,
            threads=where.threads,
            only_small=only_small,
        )
    except TooLargeError:
        return Cell(done=False)
    return Cell(made=_inside(files))


def run(
    raw: Mapping[str, Any], where: Where, jobs: int, only_small: bool, progress: Progress
) -> Cell:
    """Do a run, unless it trains on all cores and may not."""
    from serbench.runs import recipe as recipes
    from serbench.runs.run import TooLargeError, run_recipe

    where = _here(where)
    try:
        run_recipe(
            recipes.resolve(raw),
            data=where.data,
            results=where.results,
            progress=progress,
            device=where.device,
            threads=where.threads,
            jobs=jobs,
            only_small=only_small,
        )
    except TooLargeError:
        return Cell(done=False)
    return Cell(
        made=_inside([where.results]) if where.results.is_relative_to(home() / SENT) else ()
    )


def _here(where: Where) -> Where:
    """Return where a sweep works on this machine.

    If the results folder is not that of the driver, results go into one from which they are sent.
    """
    if where.folder.is_dir():
        os.chdir(where.folder)
    if where.mark and not (where.results / where.mark).is_file():
        return where._replace(results=home() / SENT / uuid.uuid4().hex)
    return where


def _inside(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return paths in `SERBENCH_HOME`, from there."""
    return tuple(path.relative_to(home()).as_posix() for path in paths)
