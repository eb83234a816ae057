"""The page of an experiment: from a recipe to a result, the steps in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench.errors import SerbenchError
from serbench.remotes import check_urls
from serbench.runs import result as results_of
from serbench.runs.adapting import adapt
from serbench.runs.corpus import prepare_for
from serbench.runs.encoding import encode
from serbench.runs.finetuning import finetune
from serbench.runs.foreseeing import check_places, check_settings, check_upstreams, tell_of_warmup
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
        check_urls(results)
        job.announce()
    with job.blaming():
        outcome = _of_these_data(job, data, results, stored)
    return correct(outcome, recipe.postprocess, results, anew=anew)


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


class Learnt(NamedTuple):
    """What trials learn from.

    before: the upstreams as they were adapted.
    adapted: as the run has them, fine-tuned, too.
    sources: of each fold, one an upstream.
    """

    before: Sequence[Adapted]
    adapted: Sequence[Adapted]
    sources: list[Sources]


def learnt_from(job: Job, prepared: Prepared) -> Learnt:
    """Adapt, fine-tune and encode, or find what was made before."""
    check_settings(job)
    check_upstreams(job, job.recipe.upstreams, prepared.table)
    tell_of_warmup(job, prepared.folds)
    with job.timed("adapt"), job.threaded("adapt"):
        before = adapt(job, prepared)
    if len(before) > 1 and not all(each.idle for each in before):
        check_upstreams(job, [each.parts[0] for each in before], prepared.table)
    with job.timed("finetune"), job.threaded("finetune"):
        adapted = finetune(job, before, prepared)
    with job.timed("encode"), job.threaded("encode"):
        return Learnt(before, adapted, encode(job, adapted, prepared))


def threads_of_trials(job: Job, sources: Sequence[Sources]) -> int | None:
    """Return on how many threads trials learn unless told; None: on all cores.

    Raises:
        TooLargeError: on all cores, and only small ones may learn.
    """
    usual = usual_threads(job, sources[0])
    if job.only_small and usual is None:
        raise TooLargeError("its trials learn on all cores")
    return usual


def _compute(job: Job, prepared: Prepared, results: Path) -> Outcome:
    job.vet()
    _, adapted, sources = learnt_from(job, prepared)
    with job.threaded("train", threads_of_trials(job, sources)):
        trained = run_trials(job, prepared, sources)
    job.seconds["train"] = trained.seconds
    outcome = results_of.save(job, prepared, adapted, sources[0], trained, results)
    forget(job, prepared, sources)
    return outcome
