"""All trials of a run, each fold with each seed; what is finished is never computed again.

The state of a run under way is one file of predictions and one of choices a trial, so a stopped run
goes on where it was and ends with the same numbers.
"""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench import plugins
from serbench.home import home
from serbench.leaderboard.record import Fit
from serbench.progress import Named
from serbench.runs.conditioning import head_of, voices
from serbench.scoring.predictions import tabulate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Fold
    from serbench.progress import Step
    from serbench.runs.corpus import Prepared
    from serbench.runs.encoding import Sources
    from serbench.runs.job import Job
    from serbench.training.fit import Trained
    from serbench.training.settings import FineTuning
    from serbench.training.system import System
    from serbench.upstreams import Upstream


# Predictions of a finished trial for the two parts of its fold.
_TEST, _VALID = ".parquet", ".valid.parquet"

# Parameters of what learns from frames, below which one thread is the better choice. The time of an
# update of 32 clips of 3 s on two threads over that on one, with both cores free and with others at
# work on them: mean_pool and mlp (200 to 280 k) 0.9 to 1.0, 1.4 to 6; ecapa.small (85 to 170 k)
# 0.8, 1.3 to 29; attention (570 k) 0.6, 0.8 to 1.7; ecapa.full (6.6 M) 0.65, 3 to 3.8. On means,
# where an update takes a millisecond, 0.9 to 1.8, 5 to 46.
_SMALL = 500_000


class AllTrained(NamedTuple):
    """What all trials chose, and their predictions by fold and seed for two parts of each fold."""

    fits: tuple[Fit, ...]
    predictions: DataFrame
    validation: DataFrame


def run_trials(
    job: Job, prepared: Prepared, sources: Sequence[Sources], *, anew: bool
) -> AllTrained:
    """Train and predict every fold with every seed that is not finished.

    Args:
        job: what is run.
        prepared: the corpus and its folds.
        sources: what each fold learns from.
        anew: forget what was finished before.
    """
    if anew:
        forget(job, prepared)
    state = _state(job, prepared)
    recipe, epochs, fits = job.recipe, job.recipe.training.most_epochs, []
    heard = voices(job, prepared.table)
    with job.progress.step("train", epochs * len(prepared.folds) * len(recipe.seeds)) as step:
        for number, fold in enumerate(prepared.folds):
            for seed in recipe.seeds:
                fit = find(state, number, seed)
                if fit is None:
                    several = f", seed {seed}" if len(recipe.seeds) > 1 else ""
                    named = Named(step, fold.name + several)
                    going = _path(state, number, seed).with_suffix("")
                    fit, *predictions = _run_trial(
                        job, prepared.table, sources[number], heard, fold, seed, named, going
                    )
                    save(state, number, seed, fit, *predictions)
                    shutil.rmtree(going, ignore_errors=True)
                else:
                    step.advance(epochs)
                fits.append(fit)
                job.progress.tell(
                    f"{fold.name}, seed {seed}: validation {fit.valid_score:.3f} "
                    f"at rate {fit.learning_rate:g}, epoch {fit.epoch}"
                    + _averaged(fit, recipe.training.average)
                )
    return AllTrained(tuple(fits), collect(state, _TEST), collect(state, _VALID))


def forget(job: Job, prepared: Prepared) -> None:
    """Delete what is kept of the finished trials of a run."""
    shutil.rmtree(_state(job, prepared), ignore_errors=True)


def _state(job: Job, prepared: Prepared) -> Path:
    """Return the folder of what is finished, named by the recipe, the folds and the audio."""
    split = prepared.split
    return home() / "runs" / f"{job.digest[:32]}-{split.hash}-{split.recordings}"


def usual_threads(job: Job, sources: Sources) -> int | None:
    """Return on how many threads trials learn unless told: 1 if little learns; None: on all cores.

    Args:
        job: what is run.
        sources: what a fold learns from.
    """
    import torch

    from serbench.devices import forked

    if job.recipe.training.finetune:
        return None
    with forked(torch.device("cpu")):
        on_means = head_of(job).needs == "mean"
        size = sum(parameter.numel() for parameter in _make_system(job, sources).parameters())
    return 1 if on_means or size < _SMALL else None


def _averaged(fit: Fit, asked: int) -> str:
    """Return how many epochs were averaged, and whether there were as many as asked for."""
    count = len(fit.averaged)
    fewer = f" ({asked} were asked for; there are no more)" if count < asked else ""
    return f", mean of {count} epochs{fewer}" if count else ""


def _run_trial(
    job: Job,
    table: DataFrame,
    sources: Sources,
    heard: NDArray[np.float32] | None,
    fold: Fold,
    seed: int,
    step: Step,
    going: Path,
) -> tuple[Fit, DataFrame, DataFrame]:
    """Train one fold with one seed; return its choices and what it predicts for test, validation.

    Args:
        job: what is run.
        table: the utterances.
        sources: what the fold learns from.
        heard: the voice of each utterance, if the head conditions on it.
        fold: rows of the table.
        seed: of the training.
        step: progress.
        going: folder for a training of an upstream under way; a head is done soon enough.
    """
    import numpy as np
    import torch

    from serbench.training.fit import fit
    from serbench.training.objectives import objective_of
    from serbench.training.trial import Trial
    from serbench.training.waves import DecodedClips

    task = job.benchmark.task
    objective = objective_of(task, job.recipe.training)
    trained = [source.upstream for source in sources if isinstance(source, DecodedClips)]
    trial = Trial(
        sources=sources,
        targets=objective.targets(table),
        speakers=np.unique(table["speaker"], return_inverse=True)[1].astype(np.int64),
        fold=fold,
        objective=objective,
        training=job.recipe.training,
        seed=seed,
        device=torch.device(job.device),
        voices=heard,
        budget=budget_of(job.recipe.training.tuning, trained),
    )
    folder = going if job.recipe.training.finetune else None
    fitted = fit(trial, lambda: _make_system(job, sources), step, folder)
    tested = tabulate(table, fold, seed, task, fitted.scores)
    validated = tabulate(table, fold, seed, task, fitted.validation, "valid")
    return fit_of(fold.name, seed, fitted), tested, validated


def fit_of(fold: str, seed: int, trained: Trained) -> Fit:
    """Return what a training chose, for the record."""
    return Fit(
        fold=fold,
        seed=seed,
        learning_rate=trained.learning_rate,
        epoch=trained.epoch,
        valid_score=trained.valid_score,
        skipped=sum(epoch.skipped for epoch in trained.history),
        averaged=trained.averaged,
    )


def budget_of(tuning: FineTuning, upstreams: Sequence[Upstream]) -> float:
    """Return the samples that go through upstreams at once, where these are trained.

    Args:
        tuning: says how many seconds.
        upstreams: those that are trained; what reads text has no samples, and so no bound.
    """
    rates = [upstream.sample_rate for upstream in upstreams if upstream.reads == "waves"]
    return tuning.budget(max(rates)) if rates else math.inf


def _make_system(job: Job, sources: Sources) -> System:
    """Make a new system for what a fold learns from; its weights come from torch's generator."""
    from serbench.training.streams import Stream
    from serbench.training.system import System
    from serbench.training.waves import DecodedClips

    part = job.recipe.downstream
    plugin = plugins.find("downstreams", part.name)
    widths = [source.dim for source in sources]
    if job.recipe.fusion == "early":
        widths = [sum(widths)]
    heads = [plugins.make(plugin, width, options=part.options) for width in widths]
    streams = [
        Stream(
            source.depth,
            source.dim,
            pace=float(source.frames.mean()),
            upstream=copy.deepcopy(source.upstream) if isinstance(source, DecodedClips) else None,
            tuning=job.recipe.training.tuning,
        )
        for source in sources
    ]
    return System(streams, heads, len(job.benchmark.task.outputs))


def find(state: Path, fold: int, seed: int) -> Fit | None:
    """Return what training chose in a finished trial, or None."""
    path = _path(state, fold, seed)
    # earlier versions kept no predictions for the validation part
    whole = path.exists() and path.with_suffix(_VALID).exists()
    return Fit.model_validate_json(path.read_text()) if whole else None


def save(
    state: Path, fold: int, seed: int, fit: Fit, tested: DataFrame, validated: DataFrame
) -> None:
    """Keep a finished trial; its choices are written last and mark it as finished."""
    state.mkdir(parents=True, exist_ok=True)
    path = _path(state, fold, seed)
    tested.to_parquet(path.with_suffix(_TEST), index=False)
    validated.to_parquet(path.with_suffix(_VALID), index=False)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(fit.model_dump_json())
    temporary.replace(path)


def collect(state: Path, suffix: str) -> DataFrame:
    """Return the predictions of all finished trials for one part, by fold and seed."""
    import pandas as pd

    finished = sorted(state.glob("*.json"))
    return pd.concat([pd.read_parquet(path.with_suffix(suffix)) for path in finished])


def _path(state: Path, fold: int, seed: int) -> Path:
    return state / f"{fold:04d}-{seed:010d}.json"
