"""HuBERT with speaker embeddings, adapted to the corpus: PAPT (Tran et al., Interspeech 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from serbench.encoders.personal import PersonalEncoder
from serbench.encoders.pretraining import offers
from serbench.errors import SerbenchError
from serbench.progress import Progress
from serbench.upstreams import Unlabelled
from serbench.upstreams.hubert import find_weights

SIZES_OF = "hubert"
ADAPTED_BY = (
    "weights",
    "revision",
    "position",
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
    position: Literal["last", "first", "prefix", "none"] = "last",
    unseen: Literal["nearest", "mean", "none"] = "nearest",
    adapt_on: Literal["all", "train"] = "all",
    epochs: int = 10,
    peak: float | None = None,
    batch_seconds: float | None = None,
    gradient: float | None = None,
    layer_drop: float | None = None,
    crop_seconds: float | None = None,
    seed: int = 0,
) -> PersonalEncoder:
    """Return HuBERT with the layers and frames of upstream `hubert`, and who speaks in them.

    A run adapts the weights before it encodes: masked prediction goes on, on the audio of its
    benchmark without the labels, with a learnt embedding of each speaker. What is None goes by the
    size of the weights (`serbench.encoders.pretraining.adaptation_options.BY_SIZE`) and is named
    in the card beside what was made: for Base and wider the paper's, but for the size of a batch,
    which is not published; for "nano" what adapts visibly on little audio. On `demo`
    (`serbench run --upstream papt_hubert --downstream ecapa`) its loss falls by 0.73 +- 0.10 nats a
    masked frame (3 seeds; 3.68 to 2.95 with the first); at the paper's rate, in batches of 87.5 s,
    by 0.06 (one seed) in 0.85 times as much time.

    Args:
        weights: a published size of HuBERT, a hub id or a folder to start from; or a folder of
            `serbench pretrain papt`, taken as it is; its speakers are known by their names.
        revision: branch, tag or commit on the hub; None for the newest.
        position: where the embedding goes: added to the Transformer's output (the paper's choice),
            added to its input, one more input frame, or nowhere.
        unseen: what a speaker who is not in the adaptation gets: the embedding of the most similar
            one who is, by a minute of his unlabelled utterances, the mean of all, or none.
        adapt_on: all utterances of the benchmark, the test part included, as in the paper
            (transductive), or the training part of each fold.
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
    found = find_weights(weights, revision, "papt_hubert")
    if not offers.is_personal(found):
        raise offers.not_adapted("papt_hubert", found)
    encoder = PersonalEncoder(found, unseen)
    _check(weights, encoder.speakers.position, position)
    return encoder


def _check(weights: str, adapted: str, position: str) -> None:
    if adapted != position:
        raise SerbenchError(
            f"weights '{weights}' were adapted with position '{adapted}', not '{position}'; give "
            f"--set upstream.position={adapted}"
        )


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
    found = find_weights(options["weights"], options["revision"], "papt_hubert")
    if offers.is_personal(found):
        offers.tell_of_no_effect(found, progress)
        offers.warn_of_namesakes(found, offered, progress)
        return {}
    return offers.accept(found, how, offered, place, progress=progress, device=device)
