"""Mean over time plus a vector of the speaker's, then dense layers (Sha et al., course report)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from serbench.downstreams._pooling import masked_mean
from serbench.downstreams.mlp import WIDTHS, Mlp

TRAINING = {"learning_rates": (1e-4, 1e-3), "batch": 32, "epochs": 100, "patience": 20}
CONDITIONED_BY = "speaker"  # the option that says on what: a board can see it without the code

_SMALL = 0.05  # of a fresh embedding, as in Keras
# Standard deviation, in shares of the mean's size where that is above 1, up to which a coefficient
# is the same for all speakers but for rounding.
_SAME = 1e-6


class Identities(nn.Module):
    """A learnt vector for each speaker trained on, and zero for everybody else.

    Nobody who is trained on is in the reserved row, so nothing could be learnt for it. At zero it
    leaves the head without conditioning. To take all vectors from their mean, so that zero is the
    average speaker, made no difference on CREMA-D, EmoDB and demo beyond the spread over folds.
    """

    def __init__(self, speakers: int, width: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(speakers + 1, width, padding_idx=0)
        self.project = nn.Linear(width, dim, bias=False)
        with torch.no_grad():
            self.table.weight[1:].uniform_(-_SMALL, _SMALL)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (B, D) vectors for (B,) rows; row 0 is zero."""
        vectors: Tensor = self.project(self.table(rows))
        return vectors


class Voices(nn.Module):
    """A learnt projection of the mean MFCC of a speaker, whether trained on or not.

    A coefficient in which those trained on do not differ is zero for everybody: nothing was learnt
    of what it means. So are all of them where one speaker is trained on, or none is known.
    """

    table: Tensor

    def __init__(self, speakers: int, voices: Tensor, dim: int) -> None:
        super().__init__()
        table = _standardised(voices, voices[1 : speakers + 1])
        table[0] = 0.0
        # of the fold, not learnt
        self.register_buffer("table", table, persistent=False)
        self.project = nn.Linear(table.shape[1], dim, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (B, D) vectors for (B,) rows; row 0 is zero."""
        vectors: Tensor = self.project(self.table[rows])
        return vectors


def _standardised(voices: Tensor, heard: Tensor) -> Tensor:
    """Return (R, V) voices in deviations of (S, V) those trained on, zero where these are equal."""
    if len(heard) < 2:
        return torch.zeros_like(voices)
    mean, deviation = heard.mean(0), heard.std(0, correction=0)
    same = deviation <= _SAME * mean.abs().clamp(min=1)
    return ((voices - mean) / deviation).masked_fill(same, 0.0)


class SpeakerMlp(Mlp):
    """`mlp` on the sum of the mean over time and a vector of the speaker's."""

    def __init__(
        self,
        dim: int,
        widths: tuple[int, ...],
        dropout: float,
        speaker: Literal["id", "mfcc"],
        width: int,
    ) -> None:
        super().__init__(dim, widths, dropout)
        self.conditions_on = speaker
        self.dim, self.width = dim, width
        self.speaker: nn.Module = Identities(0, width, dim)

    def enrol(self, speakers: int, voices: Tensor | None = None) -> None:
        """Make fresh vectors for the speakers of a fold."""
        if voices is None:
            self.speaker = Identities(speakers, self.width, self.dim)
        else:
            self.speaker = Voices(speakers, voices, self.dim)

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        """Return (B, E) embeddings of (B, T, D) frames."""
        embedding: Tensor = self.layers(masked_mean(frames, lengths) + self.speaker(speakers))
        return embedding


def make(
    dim: int,
    *,
    size: Literal["small", "deep"] = "small",
    speaker: Literal["id", "mfcc"] = "id",
    width: int = 64,
    dropout: float = 0.1,
) -> SpeakerMlp:
    """Return the report's personalised head up to its linear output.

    Args:
        dim: D, width of the frames.
        size: of the dense layers, as in `mlp`.
        speaker: "id" adds a learnt embedding of who speaks, through a dense layer of width D. A
            speaker not trained on gets the one reserved row, which is zero: the head without
            conditioning. "mfcc" adds the mean of 13 MFCC over the speaker's utterances in the part
            of the fold, through such a layer. Each coefficient is standardised over the speakers
            trained on, which is our choice: raw ones are much larger than any feature, and the
            report's system with them stayed at chance. One training speaker, or none who is known,
            gives the head without conditioning.
        width: of the embedding; not published.
        dropout: share of units left out in training, as in `mlp`.
    """
    return SpeakerMlp(dim, WIDTHS[size], dropout, speaker, width)
