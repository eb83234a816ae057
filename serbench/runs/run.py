"""The page of an experiment: from a recipe to a result, the steps in their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.errors import SerbenchError
from serbench.runs import result as results_of
from serbench.runs.adapting import adapt
from serbench.runs.corpus import prepare_for
from serbench.runs.encoding import encode
from serbench.runs.finetuning import finetune
from serbench.runs.foreseeing import check_places, check_upstreams, tell_of_warmup
from serbench.runs.identity import described
from serbench.runs.job import Job
from serbench.runs.postprocessing import correct, made_of
from serbench.runs.systems import usual_threads
from serbench.runs.trials import alone, forget, run_trials, tidy

if TYPE_CHECKING:
    from serbench.leaderboard.store import Entry
    from serbench.progress import Progress
    from serbench.runs.adapting import Adapted
    from serbench.runs.corpus import Prepared
    from serbench.runs.encoding import Sources
    from serbench.runs.recipe import Recipe
    from serbench.runs.result import Outcome, Overwrite


class TooLargeError(SerbenchError):
    """Nothing is wrong, but trials want all cores, and only one is theirs."""


def run_recipe(
    recipe: Recipe,
    *,
    data: Path | None,
    results: Path,
    progress: Progress,
    overwrite: Overwrite = "only-missing",
    device: str = "cpu",
    threads: int | None = None,
    jobs: int | None = 1,
    only_small: bool = False,
) -> Outcome:
    """Run all of a recipe, or return its result; the other arguments are those of `serbench.run`.

    A stopped run goes on with the next trial, and ends with the same numbers. Of several processes
    with one recipe, one computes and the others wait for its result. What is corrected is a result
    beside that of its run.

    Raises:
        TooLargeError: trials would learn on all cores, and only small ones may learn.
        SerbenchError: anything the user can mend; what was computed is kept.
    """
    anew = overwrite == "always"
    job = Job.of(recipe.trained, device, progress, threads, anew=anew, jobs=jobs)
    job = replace(job, only_small=only_small)
    described(job)  # what no record can hold is refused before any work
    made_of(recipe.postprocess, job.benchmark.task, progress)  # and what cannot be corrected
    if overwrite == "never":
        return results_of.looked_up(job, recipe, results)
    stored = None if job.anew else results_of.find(job, results)
    check_places(job, results)
    if stored is None or not stored.result.complete:
        job.announce()
    with job.blaming():
        outcome = _of_these_data(job, data, results, stored)
    return correct(outcome, recipe.postprocess, results)


def _of_these_data(job: Job, data: Path | None, results: Path, stored: Entry | None) -> Outcome:
    """Return the stored result if it is of the data that are here, or compute it."""
    with job.timed("audit"):
        prepared = prepare_for(job, data)
    job = job.without(prepared.left_out)
    with alone(job):
        found = results_of.current(job, prepared, results, stored)
        found = found or _compute(job, prepared, results)
    tidy(job)
    return found


def prepare_recipe(
    recipe: Recipe,
    *,
    data: Path | None,
    results: Path,
    progress: Progress,
    device: str = "cpu",
    threads: int | None = None,
) -> None:
    """Do all of a run that others may share, and keep it: adapt, fine-tune and encode.

    Raises:
        SerbenchError: anything the user can mend; what was computed is kept.
    """
    job = Job.of(recipe.trained, device, progress, threads)
    described(job)
    made_of(recipe.postprocess, job.benchmark.task, progress)
    check_places(job, results)
    job.announce()
    with job.blaming():
        prepared = prepare_for(job, data)
        _learnt_from(job.without(prepared.left_out), prepared)


def _learnt_from(job: Job, prepared: Prepared) -> tuple[tuple[Adapted, ...], list[Sources]]:
    """Return the upstreams as the run has them, and what each fold learns from."""
    job.vet()
    check_upstreams(job, prepared.table)
    tell_of_warmup(job, prepared.folds)
    with job.timed("adapt"), job.threaded("adapt"):
        adapted = adapt(job, prepared)
    with job.timed("finetune"), job.threaded("finetune"):
        adapted = finetune(job, adapted, prepared)
    with job.timed("encode"), job.threaded("encode"):
        return adapted, encode(job, adapted, prepared)


def _compute(job: Job, prepared: Prepared, results: Path) -> Outcome:
    adapted, sources = _learnt_from(job, prepared)
    usual = usual_threads(job, sources[0])
    if job.only_small and usual is None:
        raise TooLargeError("its trials learn on all cores")
    with job.timed("train"), job.threaded("train", usual):
        trained = run_trials(job, prepared, sources)
    outcome = results_of.save(job, prepared, adapted, sources[0], trained, results)
    forget(job, prepared, sources)
    return outcome
