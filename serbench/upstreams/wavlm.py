"""WavLM: masked prediction of noisy and mixed speech (Chen et al., IEEE JSTSP 2022)."""

from __future__ import annotations

from serbench.encoders.transformers import check_type
from serbench.encoders.waveform import WaveformEncoder
from serbench.encoders.weights import find

# the authors' repository (microsoft/unilm) says MIT, the model cards UniSpeech's CC BY-SA 3.0
WEIGHTS = {
    "base": {
        "id": "microsoft/wavlm-base",
        "licence": "CC-BY-SA-3.0 (model card), MIT (authors' repository)",
        "trained_on": "LibriSpeech (960 h)",
    },
    "base-plus": {
        "id": "microsoft/wavlm-base-plus",
        "licence": "CC-BY-SA-3.0 (model card), MIT (authors' repository)",
        "trained_on": "Libri-Light, GigaSpeech, VoxPopuli (94,000 h)",
    },
    "large": {
        "id": "microsoft/wavlm-large",
        "licence": "CC-BY-SA-3.0 (model card), MIT (authors' repository)",
        "trained_on": "Libri-Light, GigaSpeech, VoxPopuli (94,000 h)",
    },
}


def make(*, weights: str = "base", revision: str | None = None) -> WaveformEncoder:
    """Return WavLM: layers 13 x 768 (`base`, `base-plus`), 25 x 1024 (`large`), 50 Hz.

    Args:
        weights: a published size (see `WEIGHTS`), a hub id, or a folder.
        revision: branch, tag or commit on the hub; None for the newest.
    """
    found = find(weights, revision, WEIGHTS)
    check_type(found, "wavlm", {"wavlm"})
    return WaveformEncoder(found)
