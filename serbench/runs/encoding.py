"""What trials learn from: features that are encoded once, or clips for an upstream that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from serbench import plugins
from serbench.devices import has_bf16
from serbench.editions import FEATURES, installed
from serbench.errors import NotAdaptedError, SerbenchError
from serbench.runs.conditioning import head_of
from serbench.runs.plugin_part import plugin_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.runs.adapting import Adapted
    from serbench.runs.corpus import Prepared
    from serbench.runs.job import Job
    from serbench.runs.recipe import Part
    from serbench.training.settings import FineTuning
    from serbench.training.store import StoredFeatures
    from serbench.training.waves import DecodedClips
    from serbench.upstreams import Upstream

# Standard deviation over utterances below which means over time are all the same.
_NO_SPREAD = 1e-5


Sources = tuple["StoredFeatures | DecodedClips", ...]
"""What one fold learns from: a source an upstream."""


def encode(job: Job, adapted: Sequence[Adapted], prepared: Prepared) -> list[Sources]:
    """Return what each fold learns from.

    Args:
        job: what is run.
        adapted: each upstream of the recipe, for all folds or for each of them.
        prepared: the corpus.

    Returns:
        For each fold a source an upstream, the same for all folds if the upstream is: features, or
        waveforms for an upstream that is trained with the head.

    Raises:
        SerbenchError: an upstream cannot encode the corpus, or gives a head no frames to look at.
    """
    by_upstream = []
    for number, each in enumerate(adapted):
        with job.about(number):
            sources = _of_folds(job, number, each.parts, prepared)
            check_frames(job, each.parts[0], sources[0].frames)
            by_upstream.append(sources)
    return list(zip(*by_upstream, strict=True))


def folder_of(source: StoredFeatures | DecodedClips) -> Path | None:
    """Return where features are kept; None for clips, which are decoded anew."""
    from serbench.training.store import StoredFeatures

    return source.blocks.files[0].parent if isinstance(source, StoredFeatures) else None


def _of_folds(
    job: Job, number: int, parts: Sequence[Part], prepared: Prepared
) -> list[StoredFeatures] | list[DecodedClips]:
    several = len(prepared.folds) if len(parts) == 1 else 1
    if job.recipe.training.finetune:
        return _decode(job, parts, prepared.table) * several
    return [_encode(job, number, part, prepared.table) for part in parts] * several


def check_frames(job: Job, part: Part, frames: NDArray[np.int64]) -> None:
    """Refuse a head that looks at how frames follow each other where each utterance has one.

    Raises:
        SerbenchError: it would find nothing.
    """
    if _needs(job) == "frames" and frames.max() <= 1:
        msg = (
            f"upstream '{part.name}' gives one frame an utterance, pooled over time, and head "
            f"'{job.recipe.downstream.name}' needs frames; take one that needs their mean alone, "
            "such as --downstream mean_pool"
        )
        raise SerbenchError(msg)


def _decode(job: Job, parts: Sequence[Part], table: DataFrame) -> list[DecodedClips]:
    """Decode the corpus, once for all folds, for upstreams that are trained."""
    from serbench.training.waves import decode_to_train, enrol_speakers

    tell_of_precision(job, job.recipe.training.tuning)
    first, *others = (make_upstream(part) for part in parts)
    decoded = decode_to_train(table, first, job.progress, job.recipe.training.tuning)
    for other in others:
        enrol_speakers(table, other, job.progress)
    return [decoded, *(replace(decoded, upstream=other) for other in others)]


def tell_of_precision(job: Job, tuning: FineTuning) -> None:
    """Say that an upstream will be trained in single precision although bfloat16 was asked for."""
    if tuning.mixed and not has_bf16(job.device):
        job.progress.tell("warning: this processor has no bfloat16, so mixed has no effect here")


def _encode(job: Job, number: int, part: Part, table: DataFrame) -> StoredFeatures:
    """Encode the corpus, once for all seeds and heads, and for all folds with this upstream."""
    from serbench.training import store
    from serbench.training.waves import check_texts, count_frames

    def able() -> Upstream:
        made = upstream or _frozen(job, part)
        check_texts(table, made)
        check_frames(job, part, count_frames(table, made))
        return made

    identity = made_of(part)
    upstream = None
    if part.options.get("weights") is not None and "weights" not in part.contents:
        # published weights are known by their digest, once they are loaded
        upstream = _frozen(job, part)
        identity["provenance"] = upstream.provenance
    features = store.encode(
        table,
        identity,
        able,
        _needs(job),
        job.progress,
        job.device,
        job.recipe.precision,
        anew=job.anew,
    )
    if features.means is not None and job.recipe.precision != "float16":
        job.progress.tell(
            f"precision {job.recipe.precision} has no effect here: this head needs means over "
            "time, which are in single precision in any case"
        )
    if features.means is not None and features.means.std(dim=1).max() < _NO_SPREAD:
        warning = (
            f"warning: the features that '{part.name}' makes of the utterances all have the same "
            "mean over time, as after normalisation of each utterance (the option normalize of "
            "fbank and mfcc), and this head uses nothing else: it can only guess"
        )
        job.progress.tell(job.addressed(warning, number))
    return features


def made_of(part: Part) -> dict[str, Any]:
    """Return all that decides which features an upstream makes of a clip, but for its weights."""
    return part.identity() | {"edition_of_all": FEATURES, "made_with": installed()}


def make_upstream(part: Part) -> Upstream:
    """Make an upstream that gives the layers that the recipe asks for."""
    from serbench.encoders.layers import choose

    return choose(plugins.make(plugin_of("upstreams", part), options=part.options), part.layers)


def before_adaptation(part: Part, *, read: bool = False) -> Upstream | None:
    """Return an upstream as it is before a run; None if it comes about when the run adapts it.

    Args:
        part: of a recipe.
        read: whether weights are read, too, which are only to be adapted.

    Raises:
        SerbenchError: it cannot be made, or has no such layer, or its weights cannot be read.
    """
    try:
        return make_upstream(part)
    except NotAdaptedError as error:
        if error.depth is not None:
            from serbench.encoders.layers import numbers_of

            numbers_of(part.layers, error.depth)
        if read and error.read is not None:
            error.read()
        return None


def _frozen(job: Job, part: Part) -> Upstream:
    """Make an upstream that is not trained, where a loss of its own is no use."""
    from serbench.upstreams import Upstream

    made = make_upstream(part)
    if type(made).auxiliary_loss is not Upstream.auxiliary_loss:
        job.progress.tell(
            f"warning: with these options upstream '{part.name}' adds a loss of its own while it "
            "is trained, but it stays frozen here, so they have no effect; give "
            "--set training.finetune=true"
        )
    return made


def _needs(job: Job) -> Literal["frames", "mean"]:
    """Return what the head uses of time."""
    return head_of(job).needs
