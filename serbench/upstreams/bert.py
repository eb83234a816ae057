"""BERT, or another encoder of transcripts (Devlin et al., NAACL 2019)."""

from __future__ import annotations

from typing import Literal

from serbench.encoders.text import MASKED, TextEncoder
from serbench.encoders.transformers import check_type
from serbench.encoders.weights import find
from serbench.errors import SerbenchError

WEIGHTS = {
    "base": {
        "id": "google-bert/bert-base-uncased",
        "licence": "Apache-2.0",
        "trained_on": "BooksCorpus, English Wikipedia (3.3 billion words)",
    },
    "large": {
        "id": "google-bert/bert-large-uncased",
        "licence": "Apache-2.0",
        "trained_on": "BooksCorpus, English Wikipedia (3.3 billion words)",
    },
}

_RANDOM = "tiny-random"


def make(
    *, weights: Literal["tiny-random"] | str = "base", revision: str | None = None
) -> TextEncoder:
    """Return BERT on the corpus's transcripts: layers 13 x 768 (`base`), a frame a token.

    Args:
        weights: a published size, a hub id, or a folder, of one of the model types albert, bert,
            camembert, deberta, deberta-v2, distilbert, electra, ernie, modernbert, mpnet, roberta,
            xlm-roberta. "tiny-random" is made on the spot, the same each time: 3 x 64 random
            numbers for each byte, which have learnt nothing. It shows that all works without
            weights, and is named so in every table.
        revision: branch, tag or commit on the hub; None for the newest.

    Raises:
        SerbenchError: there are no such weights, or they are of another type.
    """
    if weights == _RANDOM:
        if revision is not None:
            msg = f"weights '{weights}' have no revision '{revision}'; leave it out"
            raise SerbenchError(msg)
        return TextEncoder.random()
    # the random one, too, where those that exist are named
    found = find(weights, revision, WEIGHTS | {_RANDOM: {"id": _RANDOM}}, text=True)
    check_type(found, "bert", MASKED)
    return TextEncoder.read(found)
