"""All trials of a run, each fold with each seed; what is finished is never computed again.

The state of a run under way is one file of predictions and one of choices a trial, so a stopped run
goes on where it was and ends with the same numbers.
"""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench import plugins
from serbench.digests import digest_json
from serbench.durable import sound
from serbench.home import home
from serbench.leaderboard.record import Fit
from serbench.locks import if_free, locked
from serbench.progress import Named
from serbench.runs import finished
from serbench.runs.conditioning import head_of, voices
from serbench.runs.finished import Tables, Trial
from serbench.runs.identity import computed_from
from serbench.runs.plugin_part import plugin_of
from serbench.runs.weighting import weights
from serbench.scoring.embedded import embedded_in, empty
from serbench.scoring.predictions import tabulate
from serbench.scoring.voices import heard_in

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


# Parameters of what learns from frames, below which one thread is the better choice. The time of an
# update of 32 clips of 3 s on two threads over that on one, with both cores free and with others at
# work on them: mean_pool and mlp (200 to 280 k) 0.9 to 1.0, 1.4 to 6; ecapa.small (85 to 170 k)
# 0.8, 1.3 to 29; attention (570 k) 0.6, 0.8 to 1.7; ecapa.full (6.6 M) 0.65, 3 to 3.8. On means,
# where an update takes a millisecond, 0.9 to 1.8, 5 to 46.
_SMALL = 500_000


class _Given(NamedTuple):
    """What a fold learns from.

    sources: one an upstream.
    heard: the voice of each utterance, if the head conditions on it.
    weights: of the utterances; None: all equal.
    """

    sources: Sources
    heard: NDArray[np.float32] | None
    weights: NDArray[np.float32] | None


class AllTrained(NamedTuple):
    """What all trials chose, and what they give, by fold and seed."""

    fits: tuple[Fit, ...]
    tables: Tables


def run_trials(job: Job, prepared: Prepared, sources: Sequence[Sources]) -> AllTrained:
    """Train and predict every fold with every seed that is not finished.

    Args:
        job: what is run.
        prepared: the corpus and its folds.
        sources: what each fold learns from.
    """
    if job.anew:
        forget(job, prepared, sources)
    state = _state(job, prepared, sources)
    _tell_of_others(job, state)
    recipe, epochs = job.recipe, job.recipe.training.most_epochs
    done: dict[tuple[int, int], Trial] = {}
    heard, weighed = voices(job, prepared.table), weights(job, prepared)
    with job.progress.step("train", epochs * len(prepared.folds) * len(recipe.seeds)) as step:
        for number, fold in enumerate(prepared.folds):
            for seed in recipe.seeds:
                found = finished.find(state, number, seed, job.progress.tell)
                if found is None:
                    several = f", seed {seed}" if len(recipe.seeds) > 1 else ""
                    named = Named(step, fold.name + several)
                    going = finished.going(state, number, seed)
                    sound(going, "training under way in", job.progress.tell)
                    found = _run_trial(
                        job,
                        prepared.table,
                        _Given(sources[number], heard, weighed[number]),
                        fold,
                        seed,
                        named,
                        going,
                    )
                    finished.save(state, number, seed, found)
                    # as a later process would read it, whose result is to be the same to the byte
                    found = finished.find(state, number, seed, job.progress.tell) or found
                    shutil.rmtree(going, ignore_errors=True)
                else:
                    step.advance(epochs)
                done[number, seed], fit = found, found.fit
                job.progress.tell(
                    f"{fold.name}, seed {seed}: validation {fit.valid_score:.3f} "
                    f"at rate {fit.learning_rate:g}, epoch {fit.epoch}"
                    + _averaged(fit, recipe.training.average)
                )
    return _joined(done)


def _joined(done: Mapping[tuple[int, int], Trial]) -> AllTrained:
    """Return what all trials chose, in their order, and what they give by fold and seed."""
    import pandas as pd

    ordered = [done[key].tables for key in sorted(done)]
    tables = Tables(*(pd.concat(each, ignore_index=True) for each in zip(*ordered, strict=True)))
    return AllTrained(tuple(trial.fit for trial in done.values()), tables)


def forget(job: Job, prepared: Prepared, sources: Sequence[Sources]) -> None:
    """Delete what is kept of the finished trials of a run."""
    shutil.rmtree(_state(job, prepared, sources), ignore_errors=True)


def alone(job: Job) -> AbstractContextManager[None]:
    """Hold the lock of a recipe: another process with it waits, and then finds the result."""
    return locked(_lock(job), job.progress.tell, "runs this recipe")


def tidy(job: Job) -> None:
    """Delete what a kill left of a run whose result was written, unless somebody is at work."""
    left = list((home() / "runs").glob(f"{job.digest[:32]}-*"))
    if not left:
        return
    with if_free(_lock(job)) as free:
        for state in left if free else []:
            shutil.rmtree(state, ignore_errors=True)


def _lock(job: Job) -> Path:
    return home() / "locks" / f"{job.digest[:32]}.lock"


def _state(job: Job, prepared: Prepared, sources: Sequence[Sources]) -> Path:
    """Return the folder of what is finished, named by the recipe and by all that decides numbers.

    So trials of other data, weights or versions never meet in one result.
    """
    key = digest_json(computed_from(job, prepared, sources))
    return home() / "runs" / f"{job.digest[:32]}-{key[:32]}"


def _tell_of_others(job: Job, state: Path) -> None:
    """Say that trials of a stopped run of this recipe are not taken, as they may not be mixed."""
    others = [path for path in state.parent.glob(f"{job.digest[:32]}-*") if path != state]
    if others and not state.exists():
        job.progress.tell(
            "a run of this recipe was stopped that had other data, weights, versions or another "
            "device: all folds are computed anew"
        )


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
    given: _Given,
    fold: Fold,
    seed: int,
    step: Step,
    going: Path,
) -> Trial:
    """Train one fold with one seed, and predict its parts.

    Args:
        job: what is run.
        table: the utterances.
        given: what the fold learns from.
        fold: rows of the table.
        seed: of the training.
        step: progress.
        going: folder for a training of an upstream under way; a head is done soon enough.
    """
    import numpy as np
    import torch

    from serbench.training import trial as trials
    from serbench.training.fit import fit
    from serbench.training.objectives import objective_of
    from serbench.training.waves import DecodedClips

    task = job.benchmark.task
    objective = objective_of(task, job.recipe.training)
    sources = given.sources
    trained = [source.upstream for source in sources if isinstance(source, DecodedClips)]
    trial = trials.Trial(
        sources=sources,
        targets=objective.targets(table),
        speakers=np.unique(table["speaker"], return_inverse=True)[1].astype(np.int64),
        fold=fold,
        objective=objective,
        training=job.recipe.training,
        seed=seed,
        device=torch.device(job.device),
        voices=given.heard,
        weights=given.weights,
        budget=budget_of(job.recipe.training.tuning, trained),
    )
    folder = going if job.recipe.training.finetune else None
    fitted = fit(trial, lambda: _make_system(job, sources), step, folder)
    tables = Tables(
        tested=tabulate(table, fold, seed, task, fitted.scores),
        validated=tabulate(table, fold, seed, task, fitted.validation, "valid"),
        trained=tabulate(table, fold, seed, task, fitted.training, "train"),
        enrolled=tabulate(table, fold, seed, task, fitted.enrolled, "enrol"),
        voices=heard_in(
            table, fold, seed, fitted.embeddings, enrolled=job.recipe.enrol is not None
        ),
        embedded=embedded_in(table, fold, seed, fitted.pooled) if task.classes else empty(),
    )
    return Trial(fit_of(fold.name, seed, fitted), tables)


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
    plugin = plugin_of("downstreams", part)
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
