"""What would stop a run after hours of adaptation or fine-tuning, found before these begin."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from serbench import plugins
from serbench.durable import makeable, writable
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.leaderboard.store import check_replaceable, place
from serbench.locks import honest
from serbench.runs.conditioning import head_of
from serbench.runs.encoding import before_adaptation, check_frames
from serbench.runs.finetuning import learns, tunable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pandas import DataFrame

    from serbench.benchmarks import Fold
    from serbench.runs.job import Job
    from serbench.runs.recipe import Part
    from serbench.training.settings import Training


def check_places(job: Job, results: Path) -> None:
    """Refuse to begin where nothing can be kept; say where two processes must not begin.

    Args:
        job: what is run.
        results: folder of the result files.

    Raises:
        SerbenchError: the results folder or the home cannot be written to, or a folder is in the
            place of a file of the result.
    """
    for folder in (home(), results / job.benchmark.name):
        writable(folder)
    for name in ("audit", "checkpoints", "features", "locks", "runs"):  # some are needed late
        makeable(home() / name)
    check_replaceable(place(results, job.benchmark.name, job.digest))
    if not honest(home()):
        job.progress.tell(
            f"warning: the file system of '{home()}' gives one lock to two at once; run one "
            "process at a time with this SERBENCH_HOME, or set it to a folder of this machine"
        )


def check_upstreams(job: Job, parts: Sequence[Part], table: DataFrame) -> None:
    """Refuse upstreams that cannot do what the recipe asks of them.

    One upstream alone that is neither adapted nor fine-tuned is the next thing to be made anyway,
    unless its features are there, and says the same then.

    Args:
        job: what is run.
        parts: its upstreams, as they are by now.
        table: the utterances.

    Raises:
        SerbenchError: weights or a layer that are not there, no transcripts, text and speech fused
            early, one frame for a head that needs several, nothing to train, or not in the way that
            is asked for.
    """
    adapts = any(plugins.find("upstreams", part.name).adapted_by for part in parts)
    if len(parts) == 1 and job.recipe.finetune is None and not adapts:
        return
    found = []
    for number, part in enumerate(parts):
        with job.about(number):
            found.append(_look_at(job, part, table))
    if not any(each.learns for each in found):
        named = " nor ".join(part.name for part in parts)
        msg = f"neither {named} has parameters, so there is nothing to fine-tune"
        raise SerbenchError(f"{msg}; leave finetune out")
    if job.recipe.fusion == "early" and len({each.reads for each in found}) > 1:
        pairs = zip(parts, found, strict=True)
        named = ", ".join(f"{part.name} reads {each.reads}" for part, each in pairs)
        msg = (
            f"{named}: tokens of a text have no place in time, so that they cannot be laid beside "
            "frames of speech; give --fusion late"
        )
        raise SerbenchError(msg)


def check_settings(job: Job) -> None:
    """Refuse a head that cannot be made, and settings of training that do not fit the task.

    Args:
        job: what is run.

    Raises:
        SerbenchError: an option of the head is out of range, or weights of dimensions are of
            another number, or a batch is too small for a CCC.
    """
    from serbench.training.objectives import objective_of

    head_of(job)
    for key, training in _trainings(job):
        with _under(key):
            objective_of(job.benchmark.task, training)


def tell_of_warmup(job: Job, folds: Sequence[Fold]) -> None:
    """Say that a training would end before its learning rates have risen.

    Args:
        job: what is run.
        folds: of it.
    """
    fewest = min(len(fold.train) for fold in folds)
    for key, training in _trainings(job):
        updates = math.ceil(fewest / training.batch) * training.epochs
        if training.warmup >= updates:
            job.progress.tell(
                f"warning: {key}.warmup is {training.warmup} updates, but a fold has {updates} at "
                "most: its learning rates never come to what was asked"
            )


def _trainings(job: Job) -> Iterator[tuple[str, Training]]:
    """Yield each training of a run with its key in the recipe."""
    yield "training", job.recipe.training
    if job.recipe.finetune is not None:
        yield "finetune", job.recipe.finetune.training


@contextmanager
def _under(key: str) -> Iterator[None]:
    """Let what is wrong with settings say where in the recipe they stand."""
    try:
        yield
    except SerbenchError as error:
        raise SerbenchError(f"{key}: {error}") from error


class _Found(NamedTuple):
    """What an upstream reads, speech or text, and whether it learns what `[finetune]` asks for."""

    reads: str
    learns: bool


def _look_at(job: Job, part: Part, table: DataFrame) -> _Found:
    """Return what there is to know of an upstream, once it was found able to do its part."""
    from serbench.training.streams import learning
    from serbench.training.waves import check_cut, check_texts, check_trainable, count_frames

    several = len(job.recipe.upstreams) > 1  # one alone is read as soon as this is over
    upstream = before_adaptation(part, read=several)
    if upstream is None:
        return _Found("speech", learns=True)  # which is adapted to
    check_texts(table, upstream)
    check_frames(job, part, count_frames(table, upstream))
    stage = job.recipe.finetune
    able = stage is None or learns(job, upstream)
    if stage is not None and able:
        learning(tunable(part), stage.training.tuning)
        with _under("finetune"):
            check_cut(upstream, stage.training.tuning)
    if job.recipe.training.finetune:
        check_trainable(upstream)
        learning(upstream, job.recipe.training.tuning)
        with _under("training.finetune"):
            check_cut(upstream, job.recipe.training.tuning)
    return _Found({"waves": "speech", "text": "text"}[upstream.reads], able)
