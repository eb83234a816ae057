"""What TAPT and PAPT make of the audio that a run offers (Tran et al., Interspeech 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from serbench.benchmarks import UNKNOWN
from serbench.encoders.pretraining.adaptation import adapt
from serbench.encoders.pretraining.adaptation_options import AdaptationOptions
from serbench.encoders.pretraining.assignment import Assignment
from serbench.encoders.pretraining.hubert import open_encoder
from serbench.encoders.pretraining.work import finished
from serbench.encoders.speakers import SpeakerModule
from serbench.encoders.weights import SPEAKERS, Weights
from serbench.errors import NotAdaptedError, SerbenchError
from serbench.progress import Progress
from serbench.upstreams import Unlabelled

_GIVEN = ("epochs", "peak", "batch_seconds", "gradient", "layer_drop", "crop_seconds", "seed")


def is_personal(weights: Weights) -> bool:
    """Whether weights are PAPT's: a table of speakers lies beside them."""
    return (weights.folder / SPEAKERS).is_file()


def is_task_adapted(weights: Weights) -> bool:
    """Whether weights are TAPT's, by their card."""
    return weights.provenance.get("method", "").startswith("TAPT")


def not_adapted(upstream: str, weights: Weights) -> NotAdaptedError:
    """Return the error for weights that an upstream cannot encode with as they are."""
    method = upstream.partition("_")[0]
    layers = weights.settings().get("num_hidden_layers")
    return NotAdaptedError(
        f"upstream '{upstream}': weights '{weights.name}' are not adapted to a corpus; `serbench "
        f"run` does that by itself before it encodes, `serbench pretrain {method}` for any audio",
        layers + 1 if isinstance(layers, int) else None,
        read=partial(open_encoder, weights),
    )


def how(options: Mapping[str, Any]) -> AdaptationOptions:
    """Return how an upstream's options want weights adapted.

    Raises:
        SerbenchError: a value is out of range.
    """
    given = {key: options[key] for key in _GIVEN}
    return AdaptationOptions(position=options.get("position"), **given)


def tell_of_no_effect(weights: Weights, progress: Progress) -> None:
    """Say that weights which are adapted are not adapted again."""
    method = weights.provenance.get("method", "no card says how")
    progress.tell(
        f"weights '{weights.name}' are adapted already ({method}); "
        f"adapt_on, {', '.join(_GIVEN)} have no effect on them"
    )


def accept(
    found: Weights,
    options: AdaptationOptions,
    offered: Unlabelled,
    place: Path,
    *,
    progress: Progress,
    device: str,
) -> dict[str, Any]:
    """Adapt weights to audio, unless that was done before; return the options that change.

    Args:
        found: to start from. What is made of them lies in a folder of their digest: a branch of
            the hub or a release of this package can come to mean other weights.
        options: how.
        offered: the audio.
        place: holds that folder.
        progress: where the work is shown.
        device: torch device.
    """
    if options.position is not None:
        offered = _with_speakers(offered, progress)
    folder = place / found.provenance["digest"][:16]
    words = f"adapts {found.name}"
    given = Assignment.of(offered, folder, words, progress=progress, device=device)
    if finished(folder):
        progress.tell(f"adapted weights found in {folder}")
    else:
        adapt(given, options, weights=found)
    return {"weights": str(folder), "revision": None}


def _with_speakers(offered: Unlabelled, progress: Progress) -> Unlabelled:
    """Return what known speakers say: of nobody there is no embedding to be learnt."""
    known = [each for each in offered.recordings if each.speaker != UNKNOWN]
    nobody = len(offered.recordings) - len(known)
    if not known:
        msg = "all speakers are unknown, so that none can be adapted to; take upstream tapt_hubert"
        raise SerbenchError(msg)
    if nobody:
        progress.tell(
            f"{nobody} of {len(offered.recordings)} utterances have an unknown speaker: the "
            "adaptation to speakers leaves them out, and each is encoded as of an unseen one"
        )
    return replace(offered, recordings=known)


def warn_of_namesakes(found: Weights, offered: Unlabelled, progress: Progress) -> None:
    """Say if speakers are called like some whom weights know, but from other corpora."""
    known = set(SpeakerModule.load(found.folder / SPEAKERS).names)
    shared = sorted(known & {recording.speaker for recording in offered.recordings})
    corpora = found.provenance.get("trained_on", "")
    if shared and offered.corpus not in corpora:
        progress.tell(
            f"warning: weights '{found.name}', of {corpora or 'unknown audio'}, know {len(shared)} "
            f"speakers by a name that {offered.corpus} has, too, such as {shared[0]}; if these are "
            "other people, they get the embedding of somebody else"
        )
