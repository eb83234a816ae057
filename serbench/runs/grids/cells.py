"""What a process does of a sweep: it prepares what runs share, or runs one of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from serbench.progress import Progress


class Where(NamedTuple):
    """What all runs of a sweep have in common that no recipe has.

    Attributes:
        data: folder of the corpora; None: `SERBENCH_DATA`.
        results: folder of the result files.
        folder: that paths are relative to.
        device: torch device.
        threads: of torch, for every step; None: as many as each is worth.
    """

    data: Path | None
    results: Path
    folder: Path
    device: str = "cpu"
    threads: int | None = None


def prepare(raw: Mapping[str, Any], where: Where, progress: Progress) -> None:
    """Adapt, fine-tune and encode for a run, and so for all that share it."""
    from serbench.runs import recipe as recipes
    from serbench.runs.run import prepare_recipe

    os.chdir(where.folder)
    prepare_recipe(
        recipes.resolve(raw),
        data=where.data,
        results=where.results,
        progress=progress,
        device=where.device,
        threads=where.threads,
    )


def run(
    raw: Mapping[str, Any], where: Where, jobs: int, only_small: bool, progress: Progress
) -> bool:
    """Do a run, and return whether it is done: not if it trains on all cores and may not."""
    from serbench.runs import recipe as recipes
    from serbench.runs.run import TooLargeError, run_recipe

    os.chdir(where.folder)
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
        return False
    return True
