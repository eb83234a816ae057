"""What would stop a run after hours of adaptation or fine-tuning, found before these begin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.durable import writable
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.locks import honest
from serbench.runs.encoding import before_adaptation, check_frames
from serbench.runs.finetuning import learns, tunable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pandas import DataFrame

    from serbench.benchmarks import Fold
    from serbench.runs.job import Job
    from serbench.runs.recipe import Part


def check_places(job: Job, results: Path) -> None:
    """Refuse to begin where nothing can be kept; say where two processes must not begin.

    Args:
        job: what is run.
        results: folder of the result files.

    Raises:
        SerbenchError: the results folder or the home cannot be written to.
    """
    for folder in (home(), results / job.benchmark.name):
        writable(folder)
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
    read = {}
    for number, part in enumerate(parts):
        with job.about(number):
            read[part.name] = _read(job, part, table)
    _check_learns(job, parts)
    if job.recipe.fusion == "early" and len({*read.values()}) > 1:
        named = ", ".join(f"{name} reads {what}" for name, what in read.items())
        msg = (
            f"{named}: tokens of a text have no place in time, so that they cannot be laid beside "
            "frames of speech; give --fusion late"
        )
        raise SerbenchError(msg)


def tell_of_warmup(job: Job, folds: Sequence[Fold]) -> None:
    """Say that a training would end before its learning rates have risen.

    Args:
        job: what is run.
        folds: of it.
    """
    fewest = min(len(fold.train) for fold in folds)
    for key, training in (("training", job.recipe.training), ("finetune", job.recipe.finetune)):
        if training is None:
            continue
        updates = math.ceil(fewest / training.batch) * training.epochs
        if training.warmup >= updates:
            job.progress.tell(
                f"warning: {key}.warmup is {training.warmup} updates, but a fold has {updates} at "
                "most: its learning rates never come to what was asked"
            )


def _check_learns(job: Job, parts: Sequence[Part]) -> None:
    """Refuse a fine-tuning of several upstreams of which none has anything to train."""
    if job.recipe.finetune is None:
        return
    for part in parts:
        if plugins.find("upstreams", part.name).adapted_by or learns(job, part):
            return
    named = " nor ".join(part.name for part in parts)
    msg = f"neither {named} has parameters, so there is nothing to fine-tune; leave finetune out"
    raise SerbenchError(msg)


def _read(job: Job, part: Part, table: DataFrame) -> str:
    """Return what an upstream reads, once it was found able to do its part."""
    from serbench.training.streams import learning
    from serbench.training.waves import check_texts, check_trainable, count_frames

    upstream = before_adaptation(part)
    if upstream is None:
        return "speech"  # which is adapted to
    check_texts(table, upstream)
    check_frames(job, part, count_frames(table, upstream))
    if job.recipe.finetune is not None and learns(job, part):
        learning(tunable(part), job.recipe.finetune.training.tuning)
    if job.recipe.training.finetune:
        check_trainable(upstream)
        learning(upstream, job.recipe.training.tuning)
    return {"waves": "speech", "text": "text"}[upstream.reads]
