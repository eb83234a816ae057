"""HuBERT: masked prediction of clustered speech (Hsu et al., IEEE/ACM TASLP 2021)."""

from __future__ import annotations

from typing import Literal

from serbench.encoders.transformers import check_type
from serbench.encoders.waveform import WaveformEncoder
from serbench.encoders.weights import CARD, SPEAKERS, Weights, find
from serbench.errors import SerbenchError

WEIGHTS = {
    "nano": {
        "id": "serbench/hubert-nano",
        "packaged": "hubert_nano",
        "licence": "Apache-2.0",
        "trained_on": "LibriSpeech, speechocean762 (7 h)",
    },
    "base": {
        "id": "facebook/hubert-base-ls960",
        "licence": "Apache-2.0",
        "trained_on": "LibriSpeech (960 h)",
    },
    "large": {
        "id": "facebook/hubert-large-ll60k",
        "licence": "Apache-2.0",
        "trained_on": "Libri-Light (60,000 h)",
    },
    "xlarge": {
        "id": "facebook/hubert-xlarge-ll60k",
        "licence": "Apache-2.0",
        "trained_on": "Libri-Light (60,000 h)",
    },
}


def make(
    *, weights: Literal["nano"] | str = "nano", revision: str | None = None
) -> WaveformEncoder:
    """Return HuBERT: layers 13 x 768 (`base`), 25 x 1024 (`large`), 49 x 1280 (`xlarge`), 50 Hz.

    Args:
        weights: a published size, a hub id, or a folder. "nano" (5 x 256) comes with the package:
            trained on 7 hours of speech, it shows how things work and is no match for the others.
        revision: branch, tag or commit on the hub; None for the newest.
    """
    found = find_weights(weights, revision, "hubert")
    refuse_personal(found, "hubert")
    return WaveformEncoder(found)


def find_weights(weights: str, revision: str | None, upstream: str) -> Weights:
    """Return HuBERT's weights, adapted or not, for one of the upstreams that take them.

    Args:
        weights: a published size, a hub id, or a folder.
        revision: branch, tag or commit on the hub; None for the newest.
        upstream: for whom, to say so in an error.

    Raises:
        SerbenchError: they are not there, or of another model; or they were adapted, and nothing
            beside them says to what.
    """
    found = find(weights, revision, WEIGHTS)
    check_type(found, upstream, {"hubert"})
    if (found.folder / SPEAKERS).is_file() and not (found.folder / CARD).is_file():
        msg = (
            f"weights '{found.name}' have speaker embeddings, but no {CARD}, which says whose "
            "audio they heard; copy the whole folder of the adaptation"
        )
        raise SerbenchError(msg)
    return found


def refuse_personal(found: Weights, upstream: str) -> None:
    """Refuse PAPT's weights for an upstream that knows no speakers."""
    if (found.folder / SPEAKERS).is_file():
        raise SerbenchError(
            f"weights '{found.name}' have speaker embeddings, which upstream '{upstream}' would "
            "leave out; take upstream 'papt_hubert'"
        )
