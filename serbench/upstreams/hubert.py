"""HuBERT: masked prediction of clustered speech (Hsu et al., IEEE/ACM TASLP 2021)."""

from __future__ import annotations

from typing import Literal

from serbench.errors import SerbenchError
from serbench.upstreams._transformers import check_type
from serbench.upstreams._waveform import WaveformEncoder
from serbench.upstreams._weights import SPEAKERS, Weights, find

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
    found = find(weights, revision, WEIGHTS)
    check_type(found, "hubert", {"hubert"})
    refuse_personal(found, "hubert")
    return WaveformEncoder(found)


def refuse_personal(found: Weights, upstream: str) -> None:
    """Refuse PAPT's weights for an upstream that knows no speakers."""
    if (found.folder / SPEAKERS).is_file():
        raise SerbenchError(
            f"weights '{found.name}' have speaker embeddings, which upstream '{upstream}' would "
            "leave out; take upstream 'papt_hubert'"
        )
