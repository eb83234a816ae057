"""wav2vec 2.0: contrastive prediction of masked speech (Baevski et al., NeurIPS 2020)."""

from __future__ import annotations

from serbench.encoders.transformers import check_type
from serbench.encoders.waveform import WaveformEncoder
from serbench.encoders.weights import find

WEIGHTS = {
    "base": {
        "id": "facebook/wav2vec2-base",
        "licence": "Apache-2.0",
        "trained_on": "LibriSpeech (960 h)",
    },
    "large": {
        "id": "facebook/wav2vec2-large-lv60",
        "licence": "Apache-2.0",
        "trained_on": "Libri-Light (60,000 h)",
    },
    "large-ls960": {
        "id": "facebook/wav2vec2-large",
        "licence": "Apache-2.0",
        "trained_on": "LibriSpeech (960 h)",
    },
    "robust": {
        "id": "facebook/wav2vec2-large-robust",
        "licence": "Apache-2.0",
        "trained_on": "Libri-Light, Common Voice, Switchboard, Fisher",
    },
    "xlsr-53": {
        "id": "facebook/wav2vec2-large-xlsr-53",
        "licence": "Apache-2.0",
        "trained_on": "MLS, Common Voice, BABEL (56,000 h, 53 languages)",
    },
    "xls-r-300m": {
        "id": "facebook/wav2vec2-xls-r-300m",
        "licence": "Apache-2.0",
        "trained_on": "VoxPopuli, MLS, Common Voice, VoxLingua107, BABEL (436,000 h)",
    },
    "xls-r-1b": {
        "id": "facebook/wav2vec2-xls-r-1b",
        "licence": "Apache-2.0",
        "trained_on": "VoxPopuli, MLS, Common Voice, VoxLingua107, BABEL (436,000 h)",
    },
}


def make(*, weights: str = "base", revision: str | None = None) -> WaveformEncoder:
    """Return wav2vec 2.0: 13 layers of 768 for `base`, 25 of 1024 for the Large ones, 50 Hz.

    Args:
        weights: a published size (see `WEIGHTS`; `large` is SUPERB's), a hub id, or a folder.
        revision: branch, tag or commit on the hub; None for the newest.
    """
    found = find(weights, revision, WEIGHTS)
    check_type(found, "wav2vec2", {"wav2vec2"})
    return WaveformEncoder(found)
