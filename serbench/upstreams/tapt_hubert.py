"""HuBERT after task-adaptive pre-training on the corpus itself (Tran et al., Interspeech 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from serbench.encoders.pretraining import offers
from serbench.encoders.waveform import WaveformEncoder
from serbench.progress import Progress
from serbench.upstreams import Unlabelled
from serbench.upstreams.hubert import find_weights, refuse_personal

SIZES_OF = "hubert"
ADAPTED_BY = (
    "weights",
    "revision",
    "epochs",
    "peak",
    "batch_seconds",
    "gradient",
    "layer_drop",
    "crop_seconds",
    "seed",
)
# Adaptation changes the last layer most, and what is learnt of speakers enters there.
LAYERS = "last"


def make(
    *,
    weights: Literal["nano"] | str = "nano",
    revision: str | None = None,
    adapt_on: Literal["all", "train"] = "all",
    epochs: int = 10,
    peak: float | None = None,
    batch_seconds: float | None = None,
    gradient: float | None = None,
    layer_drop: float | None = None,
    crop_seconds: float | None = None,
    seed: int = 0,
) -> WaveformEncoder:
    """Return HuBERT with the layers and frames of upstream `hubert`, at its sizes.

    A run adapts the weights before it encodes: masked prediction goes on, on the audio of its
    benchmark without the labels. What is None goes by the size of the weights, as in upstream
    `papt_hubert`, whose docstring says what that comes to, and is named in the card beside what
    was made.

    Args:
        weights: a published size of HuBERT, a hub id or a folder to start from; or a folder of
            `serbench pretrain tapt`, which is taken as it is.
        revision: branch, tag or commit on the hub; None for the newest.
        adapt_on: which utterances of the benchmark: all, those of the test part included, as in
            the paper (transductive), or the training part of each fold.
        epochs: over the audio; 10 in the paper.
        peak: learning rate after 5 % of the updates; it falls linearly to 0. None: 5e-4 for "nano"
            and what is as narrow, 1e-5 for Base and wider, as in the paper.
        batch_seconds: of audio an update. None: 24 for "nano", 87.5 for the others.
        gradient: factor on the gradient that reaches the convolutions, 0 to 1. None: 0.1 for Base,
            1 for the others, as HuBERT was trained.
        layer_drop: chance that a layer is skipped in an update. None: 0.05 for Base, 0 for the
            others, as HuBERT was trained.
        crop_seconds: longest part of a recording that is heard at once. None: 8 for "nano", 15.625
            (250,000 samples) for the others, as HuBERT was trained.
        seed: of the adaptation.

    Raises:
        SerbenchError: the weights are not there or not adapted, or an option is out of range.
    """
    offers.how(locals())  # what is out of range is told before a run adapts another upstream
    found = find_weights(weights, revision, "tapt_hubert")
    refuse_personal(found, "tapt_hubert")
    if not offers.is_task_adapted(found):
        raise offers.not_adapted("tapt_hubert", found)
    return WaveformEncoder(found)


def adapt(
    options: Mapping[str, Any],
    offered: Unlabelled,
    place: Path,
    *,
    progress: Progress,
    device: str,
) -> dict[str, Any]:
    """Adapt the weights to audio unless they are; return what then changes for `make`."""
    how = offers.how(options)
    found = find_weights(options["weights"], options["revision"], "tapt_hubert")
    refuse_personal(found, "tapt_hubert")
    if offers.is_task_adapted(found):
        offers.tell_of_no_effect(found, progress)
        return {}
    return offers.accept(found, how, offered, place, progress=progress, device=device)
