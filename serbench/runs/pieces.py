"""A run in pieces, for whoever spreads them over processes or machines: what is shared, a trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench.home import home
from serbench.runs.adapting import paths
from serbench.runs.corpus import prepare_for
from serbench.runs.encoding import folder_of
from serbench.runs.foreseeing import check_places
from serbench.runs.identity import described
from serbench.runs.job import Job
from serbench.runs.run import learnt_from, threads_of_trials
from serbench.runs.trials import run_trial

if TYPE_CHECKING:
    from serbench.progress import Progress
    from serbench.runs.recipe import Recipe
    from serbench.runs.run import Learnt
    from serbench.runs.trials import Key


class Shared(NamedTuple):
    """What runs have in common, once it is made.

    folds: how many each of them has.
    folders: of weights and features, in `SERBENCH_HOME`.
    """

    folds: int
    folders: tuple[Path, ...]


def prepare_recipe(
    recipe: Recipe,
    *,
    data: Path | None,
    results: Path,
    progress: Progress,
    device: str = "cpu",
    threads: int | None = None,
) -> Shared:
    """Do all of a run that others may share, and keep it: adapt, fine-tune and encode.

    Raises:
        SerbenchError: anything the user can mend; what was computed is kept.
    """
    job = Job.of(recipe.trained, device, progress, threads)
    described(job)
    check_places(job, results)
    job.announce()
    with job.blaming():
        job.vet("upstreams")  # what a head or a correction breaks is no matter of those who share
        prepared = prepare_for(job, data)
        learnt = learnt_from(job.without(prepared.left_out), prepared)
    return Shared(len(prepared.folds), tuple(dict.fromkeys(_folders(learnt))))


def train_one(
    recipe: Recipe,
    key: Key,
    *,
    data: Path | None,
    progress: Progress,
    device: str = "cpu",
    threads: int | None = None,
    only_small: bool = False,
) -> list[Path]:
    """Do one trial of a run, keep it for the run, and return its files.

    Args:
        recipe: of the run.
        key: the number of its fold, from 0, and its seed.
        data: folder of the corpora; None: `SERBENCH_DATA`.
        progress: where the work is shown.
        device: torch device.
        threads: of torch; None: as many as each step is worth.
        only_small: as that of `run_recipe`.

    Raises:
        TooLargeError: it would learn on all cores, and only small ones may learn.
        SerbenchError: anything the user can mend; what was computed is kept.
    """
    job = replace(Job.of(recipe.trained, device, progress, threads), only_small=only_small)
    with job.blaming():
        prepared = prepare_for(job, data)
        job = job.without(prepared.left_out)
        job.vet()
        sources = learnt_from(job, prepared).sources
        with job.threaded("train", threads_of_trials(job, sources)):
            return run_trial(job, prepared, sources, key)


def _folders(learnt: Learnt) -> Iterator[Path]:
    """Yield the folders in `SERBENCH_HOME` of what a run found or made before its trials."""
    weights = home() / "checkpoints"
    for part in (part for each in (*learnt.before, *learnt.adapted) for part in each.parts):
        for _, path in paths(part.options):
            if path.is_relative_to(weights):
                yield weights / path.relative_to(weights).parts[0]
    for source in (source for sources in learnt.sources for source in sources):
        if (folder := folder_of(source)) is not None:
            yield folder
