"""All trials of a run, each fold with each seed; what is finished is never computed again.

The state of a run under way is one file of predictions and one of choices a trial, so a stopped run
goes on where it was and ends with the same numbers.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.benchmarks.reading.names import speaker_numbers
from serbench.devices import cores, gpus, threads
from serbench.digests import digest_json
from serbench.durable import sound
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.leaderboard.record import Fit
from serbench.locks import if_free, locked
from serbench.progress import Named, Silent
from serbench.runs import finished
from serbench.runs.adapting import adapt
from serbench.runs.chosen import averaged, fit_of
from serbench.runs.conditioning import voices
from serbench.runs.encoding import encode
from serbench.runs.finished import Tables, Trial
from serbench.runs.identity import computed_from
from serbench.runs.job import Job
from serbench.runs.systems import budget_of, make_system
from serbench.runs.weighting import weights
from serbench.runs.workers import Processes, Task, spread
from serbench.scoring.embedded import embedded_in, empty
from serbench.scoring.predictions import foretell, tabulate
from serbench.scoring.voices import heard_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Fold
    from serbench.progress import Progress, Step
    from serbench.runs.corpus import Prepared
    from serbench.runs.encoding import Sources

# Seconds, most of what a kill costs a head: most are trained in less, and then nothing is written.
# Where an upstream learns, every epoch is kept.
_BETWEEN = 60.0

Key = tuple[int, int]
"""A trial: the number of its fold, and its seed."""


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
    """What all trials chose, what they give, by fold and seed, and how many seconds they took."""

    fits: tuple[Fit, ...]
    tables: Tables
    seconds: float


@dataclass(frozen=True)
class _Trials:
    """The trials of a run, which may be sent to other processes.

    Attributes:
        job: what is run.
        prepared: the corpus and its folds.
        sources: what each fold learns from.
        heard: the voice of each utterance, if the head conditions on it.
        weighed: the weights of the utterances in each fold; None: all equal.
        state: folder of what is finished.
        threads: of torch, that each computes on.
    """

    job: Job
    prepared: Prepared
    sources: Sequence[Sources]
    heard: NDArray[np.float32] | None
    weighed: Sequence[NDArray[np.float32] | None]
    state: Path
    threads: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process gets them; it decodes clips itself, and finds features."""
        job = self.job
        sources = None if job.recipe.training.finetune else self.sources
        where = job.recipe, job.device, self.state, self.threads
        given = self.prepared, sources, self.heard, self.weighed
        return _arrived, (pickle.dumps((where, *given)),)

    def task(self, key: Key) -> Task:
        """Return one of them, which keeps on disk what it gives."""
        fold, several = self.prepared.folds[key[0]], len(self.job.recipe.seeds) > 1
        return Task(fold.name + f", seed {key[1]}" * several, partial(self._run, key))

    def _run(self, key: Key, progress: Progress) -> None:
        from serbench.encoders.tensors import read_tensors

        going, job = finished.going(self.state, *key), replace(self.job, progress=progress)
        sound(going, "training under way in", progress.tell, read_tensors)
        number, seed = key
        named = self.task(key).name
        epochs = job.recipe.training.most_epochs
        with threads(self.threads), job.blaming(), progress.step("train", epochs) as step:
            found = _run_trial(
                job,
                self.prepared.table,
                _Given(self.sources[number], self.heard, self.weighed[number]),
                self.prepared.folds[number],
                seed,
                Named(step, named),
                going,
            )
        finished.save(self.state, number, seed, found)
        shutil.rmtree(going, ignore_errors=True)

    def read(self, key: Key) -> Trial | None:
        """Return a finished one as any later process would read it, and say what it chose."""
        found = finished.find(self.state, *key, self.job.progress.tell)
        if found is not None:
            fold, fit = self.prepared.folds[key[0]], found.fit
            self.job.progress.tell(
                f"{fold.name}, seed {key[1]}: validation {fit.valid_score:.3f} "
                f"at rate {fit.learning_rate:g}, epoch {fit.epoch}"
                + averaged(fit, self.job.recipe.training.average)
            )
        return found


@lru_cache(maxsize=1)
def _arrived(packed: bytes) -> _Trials:
    """Return the trials that another process sent; those of the last run are kept."""
    (recipe, device, state, count), prepared, sources, heard, weighed = pickle.loads(packed)
    job = Job.of(recipe, device, Silent()).without(prepared.left_out)
    if sources is None:
        sources = encode(job, adapt(job, prepared), prepared)
    return _Trials(job, prepared, sources, heard, weighed, state, count)


def run_trials(job: Job, prepared: Prepared, sources: Sequence[Sources]) -> AllTrained:
    """Train and predict every fold with every seed that is not finished.

    Args:
        job: what is run, and over how many processes.
        prepared: the corpus and its folds.
        sources: what each fold learns from.

    Raises:
        SerbenchError: a trial cannot be trained; those that are finished are kept.
    """
    if job.anew:
        forget(job, prepared, sources)
    trials = _trials(job, prepared, sources)
    _tell_of_others(job, trials.state)
    epochs, seeds = job.recipe.training.most_epochs, job.recipe.seeds
    keys = [(number, seed) for number in range(len(prepared.folds)) for seed in seeds]
    with job.progress.step("train", epochs * len(keys)) as step:
        found = {key: trials.read(key) for key in keys}
        missing = [key for key in keys if found[key] is None]
        step.advance(epochs * (len(keys) - len(missing)))
        tasks = {trials.task(key): key for key in missing}
        for task in spread([*tasks], _processes(job, trials.threads), step, job.progress):
            found[tasks[task]] = trials.read(tasks[task])
    return _joined(found)


def run_trial(job: Job, prepared: Prepared, sources: Sequence[Sources], key: Key) -> list[Path]:
    """Train and predict one fold with one seed, unless it is finished, and return its files.

    The other arguments are those of `run_trials`.
    """
    trials = _trials(job, prepared, sources)
    if trials.read(key) is None:
        trials.task(key).work(job.progress)
    return finished.files(trials.state, *key)


def _trials(job: Job, prepared: Prepared, sources: Sequence[Sources]) -> _Trials:
    heard, weighed = voices(job, prepared.table), weights(job, prepared)
    state = _state(job, prepared, sources)
    return _Trials(job, prepared, sources, heard, weighed, state, job.threads["train"])


def _processes(job: Job, count: int) -> Processes:
    """Return over how many processes trials go that compute on so many threads each."""
    named = gpus(job.device)
    usual = len(named) if named else cores() // count if job.device == "cpu" else 1
    return Processes(job.jobs or max(1, usual), named, if_faster=job.jobs is None)


def _joined(done: Mapping[Key, Trial | None]) -> AllTrained:
    """Return what all trials chose, in their order, and what they give by fold and seed."""
    import pandas as pd

    trials = [trial for trial in done.values() if trial is not None]
    if len(trials) < len(done):
        msg = "a finished trial is gone again; somebody cleared SERBENCH_HOME: run it once more"
        raise SerbenchError(msg)
    ordered = [trial.tables for trial in trials]
    tables = Tables(*(pd.concat(each, ignore_index=True) for each in zip(*ordered, strict=True)))
    seconds = sum(trial.seconds for trial in trials)
    return AllTrained(tuple(trial.fit for trial in trials), tables, seconds)


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
            "a run of this recipe was stopped that had other data, weights or versions, another "
            "device or other threads: all folds are computed anew"
        )


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
        going: folder for a training under way.
    """
    import torch

    from serbench.training import trial as trials
    from serbench.training.course import Keeping
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
        speakers=speaker_numbers(table["speaker"]),
        fold=fold,
        objective=objective,
        training=job.recipe.training,
        seed=seed,
        device=torch.device(job.device),
        voices=given.heard,
        weights=given.weights,
        budget=budget_of(job.recipe.training.tuning, trained),
    )
    keeping = Keeping.of(going, 0.0 if job.recipe.training.finetune else _BETWEEN)
    fitted = fit(trial, lambda: make_system(job, sources), step, keeping)
    tables = Tables(
        tested=tabulate(table, fold, seed, task, fitted.scores),
        validated=tabulate(table, fold, seed, task, fitted.validation, "valid"),
        trained=tabulate(table, fold, seed, task, fitted.training, "train"),
        enrolled=tabulate(table, fold, seed, task, fitted.enrolled, "enrol"),
        voices=heard_in(
            table, fold, seed, fitted.embeddings, enrolled=job.recipe.enrol is not None
        ),
        unlabelled=foretell(table, fold, seed, task, fitted.unlabelled),
        embedded=embedded_in(table, fold, seed, fitted.pooled) if task.classes else empty(),
    )
    return Trial(fit_of(fold.name, seed, fitted), tables, keeping.seconds)
