"""Data2vec-audio, hubert, sew(-d), unispeech(-sat), wav2vec2(-bert, -conformer), wavlm, whisper.

By hub id or folder, out of transformers (Wolf et al., EMNLP 2020).
"""

from __future__ import annotations

from collections.abc import Callable

from serbench.encoders.conformer import TYPE, SpeechBert
from serbench.encoders.transformers import check_type
from serbench.encoders.waveform import MASKED, SQUEEZED, UNMASKED, SqueezedEncoder, WaveformEncoder
from serbench.encoders.weights import Weights, find
from serbench.errors import SerbenchError
from serbench.upstreams import Upstream, hubert, wav2vec2, wavlm, whisper

TAKEN: dict[str, Callable[[Weights], Upstream]] = {
    **dict.fromkeys([*MASKED, *UNMASKED], WaveformEncoder),
    **dict.fromkeys(SQUEEZED, SqueezedEncoder),
    TYPE: SpeechBert,
    "whisper": whisper.Whisper,
}


def make(*, weights: str | None = None, revision: str | None = None) -> Upstream:
    """Return the encoder in `weights`, by the `model_type` of its config.json.

    Taken are data2vec-audio, hubert, sew, sew-d, unispeech, unispeech-sat, wav2vec2,
    wav2vec2-bert (w2v-BERT 2.0), wav2vec2-conformer, wavlm and whisper (as upstream `whisper` does
    by default). Of the rest of transformers, nothing: encoders of patches (AST, CLAP), codecs, and
    those that are a part of a translator or of a language model.

    Args:
        weights: a hub id (owner/name) or a folder; must be given.
        revision: branch, tag or commit on the hub; None for the newest.
    """
    if weights is None:
        msg = "upstream 'huggingface' needs `--weights OWNER/NAME` (a hub id) or `--weights FOLDER`"
        raise SerbenchError(msg)
    families = (wav2vec2.WEIGHTS, hubert.WEIGHTS, wavlm.WEIGHTS, whisper.WEIGHTS)
    published = {entry["id"]: entry for sizes in families for entry in sizes.values()}
    found = find(weights, revision, published)
    kind = check_type(found, "huggingface", TAKEN)
    hubert.refuse_personal(found, "huggingface")
    return TAKEN[kind](found)
