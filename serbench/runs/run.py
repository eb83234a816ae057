"""The page of an experiment: from a recipe to a result, the steps in their order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serbench.errors import SerbenchError
from serbench.runs import result as results_of
from serbench.runs.adapting import adapt
from serbench.runs.corpus import prepare_for
from serbench.runs.encoding import encode
from serbench.runs.finetuning import finetune
from serbench.runs.job import Job
from serbench.runs.trials import forget, run_trials, usual_threads

if TYPE_CHECKING:
    from serbench.progress import Progress
    from serbench.runs.recipe import Recipe
    from serbench.runs.result import Outcome

Overwrite = Literal["always", "only-missing", "never"]
"""What becomes of an older result: it is computed anew, taken if it is there, or only looked up."""


def run_recipe(
    recipe: Recipe,
    *,
    data: Path | None,
    results: Path,
    progress: Progress,
    overwrite: Overwrite = "only-missing",
    device: str = "cpu",
    threads: int | None = None,
) -> Outcome:
    """Run every fold and seed of a recipe, or return the result that is there.

    A stopped run goes on with the next trial, and ends with the same numbers.

    Args:
        recipe: all that defines the run.
        data: folder of the corpora; None: `SERBENCH_DATA`.
        results: folder of the result files.
        progress: where the work is shown.
        overwrite: what to do with a result that is there.
        device: torch device.
        threads: of torch, for every step; None: one for a small head, all cores for encoders.

    Raises:
        SerbenchError: anything the user can mend; what was computed is kept.
    """
    job = Job.of(recipe, device, progress, threads)
    results_of.benchmark_record(job.benchmark)
    found = None if overwrite == "always" else results_of.find(job, results)
    if found is None and overwrite == "never":
        msg = f"there is no result of this recipe in '{results}', and 'never' computes none"
        raise SerbenchError(msg)
    return found or _compute(job, data, results, anew=overwrite == "always")


def _compute(job: Job, data: Path | None, results: Path, *, anew: bool) -> Outcome:
    job.announce()
    with job.timed("audit"):
        prepared = prepare_for(job, data)
    with job.timed("adapt"), job.threaded("adapt"):
        adapted = adapt(job, prepared)
    with job.timed("finetune"), job.threaded("finetune"):
        adapted = finetune(job, adapted, prepared)
    with job.timed("encode"), job.threaded("encode"):
        sources = encode(job, adapted, prepared)
    with job.timed("train"), job.threaded("train", usual_threads(job, sources[0])):
        trained = run_trials(job, prepared, sources, anew=anew)
    outcome = results_of.save(job, prepared, adapted, sources[0], trained, results)
    forget(job, prepared)
    return outcome
