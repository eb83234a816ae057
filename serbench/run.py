"""The loop: folds x seeds to one result; the one place where all parts meet."""

from __future__ import annotations

import copy
import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from serbench import adaptation, cells, plugins
from serbench import recipe as recipes
from serbench.benchmarks import Classification, Regression
from serbench.benchmarks.scores import score
from serbench.devices import usable
from serbench.home import home
from serbench.leaderboard import record, store
from serbench.leaderboard.record import Fit, LeftOut, Result
from serbench.preparation import Prepared, prepare
from serbench.progress import Named

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark, Fold, Protocol, Task
    from serbench.benchmarks.scores import Scores
    from serbench.downstreams import Downstream
    from serbench.features import Stored
    from serbench.progress import Progress, Step
    from serbench.recipe import Part, Recipe
    from serbench.upstreams import Upstream
    from serbench.waves import Waves

# Standard deviation over utterances below which means over time are all the same.
_NO_SPREAD = 1e-5

_VERSIONS = ("serbench", "torch", "torchaudio", "transformers", "speechbrain", "numpy")


@dataclass(frozen=True)
class Outcome:
    """What a run gives: the record, its scores, and where it lies."""

    result: Result
    scores: Scores
    path: Path


@dataclass(frozen=True)
class Job:
    """What all steps of a run need to know."""

    recipe: Recipe
    digest: str
    benchmark: Benchmark
    protocol: Protocol
    device: str
    progress: Progress


def run_recipe(
    recipe: Recipe,
    *,
    data: Path | None,
    results: Path,
    progress: Progress,
    again: bool = False,
    device: str = "cpu",
) -> Outcome:
    """Run every fold and seed of a recipe, or return the result that is there.

    A stopped run goes on with the next fold and seed, and ends with the same numbers.

    Args:
        recipe: all that defines the run.
        data: folder of the corpora; None: `SERBENCH_DATA`.
        results: folder of the result files.
        progress: where the work is shown.
        again: compute even if the result is there.
        device: torch device.

    Raises:
        SerbenchError: anything the user can mend; what was computed is kept.
    """
    benchmark = recipes.make_benchmark(recipe.benchmark)
    digest = recipe.digest()
    entry = None if again else store.find(results, benchmark.name, digest)
    if entry is not None:
        progress.tell("this recipe has been run; --again computes it anew")
        path = store.place(results, benchmark.name, digest)
        return Outcome(entry.result, score(benchmark.task, entry.predictions), path)
    protocol = recipes.make_protocol(benchmark, recipe.protocol)
    job = Job(recipe, digest, benchmark, protocol, device, progress)
    return _compute(job, data, results, again=again)


def _compute(job: Job, data: Path | None, results: Path, *, again: bool) -> Outcome:
    seconds: dict[str, float] = {}
    usable(job.device)
    _announce(job)
    with _timed(seconds, "audit"):
        prepared = prepare(
            job.benchmark,
            job.protocol,
            data=data,
            leave_out_broken=job.recipe.leave_out_broken,
            progress=job.progress,
        )
    with _timed(seconds, "adapt"):
        adapted = adaptation.adapt(
            job.recipe.upstream,
            job.benchmark,
            prepared,
            progress=job.progress,
            device=job.device,
        )
    if adapted.base is None:
        del seconds["adapt"]
    with _timed(seconds, "encode"):
        sources = _sources(job, adapted.parts, prepared)
    split = prepared.split
    state = home() / "runs" / f"{job.digest[:32]}-{split.hash}-{split.recordings}"
    if again:
        shutil.rmtree(state, ignore_errors=True)
    with _timed(seconds, "train"):
        fits = _train(job, prepared, sources, state)
    predictions = cells.collect(state)
    scores = score(job.benchmark.task, predictions)
    result = _result(
        job,
        prepared,
        provenance=dict(sources[0].provenance if adapted.base is None else adapted.base),
        adaptation=adapted.record,
        training=tuple(fits),
        seconds={name: round(value, 1) for name, value in seconds.items()},
        scores=scores.to_json(),
    )
    path = store.save(result, predictions, results)
    shutil.rmtree(state, ignore_errors=True)
    return Outcome(result, scores, path)


def _result(job: Job, prepared: Prepared, **found: Any) -> Result:
    """Return the record of a run: what it was asked, and what it found."""
    return Result(
        digest=job.digest,
        recipe=job.recipe.model_dump(mode="json"),
        labels=_labels(job.recipe),
        benchmark=_benchmark_record(job.benchmark),
        protocol=_protocol_record(job),
        split=prepared.split,
        seeds=job.recipe.seeds,
        left_out=tuple(LeftOut(utterance=u, reason=r) for u, r in prepared.left_out.items()),
        known_defects=prepared.known_defects,
        versions={name: version(name) for name in _VERSIONS}
        | {"python": platform.python_version()},
        created=datetime.now(UTC),
        complete=True,
        **found,
    )


def _announce(job: Job) -> None:
    labels = _labels(job.recipe)
    what = f"{labels.upstream} {labels.weights} + {labels.downstream}".replace(" - ", " ")
    job.progress.tell(f"{what} on {job.benchmark.name}, {job.protocol.name}")
    if job.benchmark.synthetic:
        job.progress.tell(
            f"{job.benchmark.name} is SYNTHETIC: it shows how serbench works and says nothing "
            "about real speech"
        )
    if job.protocol.shares:
        shared = ", ".join(sorted(job.protocol.shares))
        job.progress.tell(f"{job.protocol.name} lets train and test share: {shared}")


def _sources(job: Job, parts: Sequence[Part], prepared: Prepared) -> list[Stored] | list[Waves]:
    """Return what each fold is trained on, from an upstream for all folds or from one for each.

    It is features, or waveforms for an upstream that learns as well.
    """
    several = len(prepared.folds) if len(parts) == 1 else 1
    if job.recipe.training.finetune:
        return _decode(job, parts, prepared.table) * several
    return [_encode(job, part, prepared.table) for part in parts] * several


def _decode(job: Job, parts: Sequence[Part], table: DataFrame) -> list[Waves]:
    """Decode the corpus, once for all folds, for upstreams that are trained."""
    from serbench.waves import decode_to_train, introduce

    plugin = plugins.find("upstreams", parts[0].name)
    first, *others = (plugins.make(plugin, options=part.options) for part in parts)
    decoded = decode_to_train(table, first, job.progress)
    for other in others:
        introduce(table, other, job.progress)
    return [decoded, *(replace(decoded, upstream=other) for other in others)]


def _encode(job: Job, part: Part, table: DataFrame) -> Stored:
    """Encode the corpus, once for all seeds and heads, and for all folds with this upstream."""
    from serbench import features

    # features of one release are not taken for those of another
    identity = part.identity() | {"serbench": version("serbench")}
    upstream = None
    if part.options.get("weights") is not None and "weights" not in part.contents:
        # published weights are known by their digest, once they are loaded
        upstream = _frozen(job, part)
        identity["provenance"] = upstream.provenance
    stored = features.encode(
        table,
        identity,
        lambda: upstream or _frozen(job, part),
        _needs(job),
        job.progress,
        job.device,
    )
    if stored.means is not None and stored.means.std(dim=1).max() < _NO_SPREAD:
        job.progress.tell(
            "warning: the features of all utterances have the same mean over time, as after "
            "normalisation of each utterance (fbank: --set upstream.normalize=false), and this "
            "head uses nothing else: it can only guess"
        )
    return stored


def _frozen(job: Job, part: Part) -> Upstream:
    """Make an upstream that is not trained, where a loss of its own is no use."""
    from serbench.upstreams import Upstream

    made: Upstream = plugins.make(plugins.find("upstreams", part.name), options=part.options)
    if type(made).auxiliary_loss is not Upstream.auxiliary_loss:
        job.progress.tell(
            f"warning: with these options upstream '{part.name}' adds a loss of its own while it "
            "is trained, but it stays frozen here, so they have no effect; give "
            "--set training.finetune=true"
        )
    return made


def _needs(job: Job) -> Literal["frames", "mean"]:
    """Return what the head uses of time, which does not depend on the width of its input."""
    plugin = plugins.find("downstreams", job.recipe.downstream.name)
    head: Downstream = plugins.make(plugin, 1, options=job.recipe.downstream.options)
    return head.needs


def _train(
    job: Job, prepared: Prepared, sources: Sequence[Stored | Waves], state: Path
) -> list[Fit]:
    """Train and predict every fold and seed that is not finished; return what was chosen."""
    recipe = job.recipe
    epochs = recipe.training.most_epochs
    fits = []
    with job.progress.step("train", epochs * len(prepared.folds) * len(recipe.seeds)) as step:
        for number, fold in enumerate(prepared.folds):
            for seed in recipe.seeds:
                fit = cells.find(state, number, seed)
                if fit is None:
                    several = f", seed {seed}" if len(recipe.seeds) > 1 else ""
                    named = Named(step, fold.name + several)
                    fit, predictions = _train_cell(
                        job, prepared.table, sources[number], fold, seed, named
                    )
                    cells.save(state, number, seed, fit, predictions)
                else:
                    step.advance(epochs)
                fits.append(fit)
                job.progress.tell(
                    f"{fold.name}, seed {seed}: validation {fit.valid_score:.3f} "
                    f"at rate {fit.learning_rate:g}, epoch {fit.epoch}"
                )
    return fits


def _train_cell(
    job: Job, table: DataFrame, source: Stored | Waves, fold: Fold, seed: int, step: Step
) -> tuple[Fit, DataFrame]:
    import torch

    from serbench import training
    from serbench.system import System
    from serbench.waves import Waves

    task, part = job.benchmark.task, job.recipe.downstream
    plugin = plugins.find("downstreams", part.name)
    outputs = len(task.labels if isinstance(task, Classification) else task.dimensions)

    def make_system() -> System:
        head = plugins.make(plugin, source.dim, options=part.options)
        upstream = copy.deepcopy(source.upstream) if isinstance(source, Waves) else None
        return System(head, source.depth, outputs, upstream)

    fitted = training.fit(
        make_system,
        source,
        training.targets_of(table, task),
        np.unique(table["speaker"], return_inverse=True)[1].astype(np.int64),
        fold,
        task,
        job.recipe.training,
        seed=seed,
        device=torch.device(job.device),
        step=step,
    )
    fit = Fit(
        fold=fold.name,
        seed=seed,
        learning_rate=fitted.learning_rate,
        epoch=fitted.epoch,
        valid_score=fitted.valid_score,
    )
    return fit, _predictions(table, fold, seed, task, fitted.scores)


def _predictions(
    table: DataFrame, fold: Fold, seed: int, task: Task, scores: NDArray[np.float64]
) -> DataFrame:
    """Return the predictions of a test part, one row an utterance, as `metrics.score` reads them.

    Args:
        table: the utterances.
        fold: whose test part it is.
        seed: of the training.
        task: what is predicted.
        scores: (n, C) in the order of `fold.test`.
    """
    rows = table.iloc[fold.test].reset_index(drop=True)
    frame = rows[["utterance", "speaker"]].assign(fold=fold.name, seed=seed)
    if isinstance(task, Classification):
        frame["truth"] = rows[task.column]
        frame["prediction"] = [task.labels[i] for i in scores.argmax(1)]
        names = [f"score:{label}" for label in task.labels]
    else:
        names = [f"prediction:{dimension}" for dimension in task.dimensions]
        frame[[f"truth:{d}" for d in task.dimensions]] = rows[list(task.dimensions)].astype(float)
    frame[names] = scores
    return frame


def score_record(task: Mapping[str, Any], predictions: DataFrame) -> Scores:
    """Score predictions for a task as a result record holds it: what the leaderboard needs."""
    made: Task
    if task["kind"] == "classification":
        made = Classification(tuple(task["labels"]), task["column"])
    else:
        made = Regression(tuple(task["dimensions"]), task["low"], task["high"])
    return score(made, predictions)


def _labels(recipe: Recipe) -> record.Labels:
    """Return how the row of a recipe is called."""
    upstream, weights = recipe.upstream, recipe.upstream.options.get("weights") or "-"
    # a folder of somebody's own is not taken for a published size of the same name
    place = "./" if "weights" in upstream.contents else ""
    size = recipe.downstream.options.get("size")
    head = Path(recipe.downstream.name).stem
    return record.Labels(
        upstream=Path(upstream.name).stem,
        weights=f"{place}{Path(weights).absolute().name}",
        downstream=head if size is None else f"{head}.{size}",
    )


def _benchmark_record(benchmark: Benchmark) -> record.Benchmark:
    task = benchmark.task
    plain: record.Classification | record.Regression
    if isinstance(task, Classification):
        plain = record.Classification(labels=task.labels, column=task.column)
    else:
        plain = record.Regression(dimensions=task.dimensions, low=task.low, high=task.high)
    return record.Benchmark(
        name=benchmark.name, version=benchmark.version, synthetic=benchmark.synthetic, task=plain
    )


def _protocol_record(job: Job) -> record.Protocol:
    options = job.recipe.protocol.model_dump(mode="json")["options"]
    shares = tuple(sorted(job.protocol.shares))
    return record.Protocol(name=job.protocol.name, options=options, shares=shares)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[name] = time.monotonic() - start
