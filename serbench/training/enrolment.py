"""The speakers of a fold as a head gets to know them (see `serbench.downstreams`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serbench.benchmarks import Fold


class Enrolment(NamedTuple):
    """Who is trained on, and what a head is told of each utterance's speaker.

    rows: (N,) int64, of the speaker of each utterance: 1 to S if he is trained on, else 0; where
        there are voices, of them, and 0 for an utterance in no part of the fold. Unknown speakers
        have 0 in any case.
    speakers: S, those trained on.
    voices: (R, V) float32 by `rows`, the first of them zero; or None.
    """

    rows: NDArray[np.int64]
    speakers: int
    voices: NDArray[np.float32] | None


def enrol(
    speakers: NDArray[np.int64], fold: Fold, voices: NDArray[np.float32] | None = None
) -> Enrolment:
    """Return the speakers of a fold, those of its training part first.

    Args:
        speakers: (N,) number of each utterance's speaker; -1: unknown.
        fold: which utterances are for what.
        voices: (N, V) of each utterance alone. A speaker's is the mean over his utterances in a
            part: whoever is in two parts has two, so that no part is heard in another.
    """
    known = np.unique(speakers[fold.train])
    known = known[known >= 0]
    if voices is None:
        rows = np.where(np.isin(speakers, known), np.searchsorted(known, speakers) + 1, 0)
        return Enrolment(rows.astype(np.int64), len(known), None)
    rows, table = np.zeros(len(speakers), np.int64), [np.zeros_like(voices[0])]
    for part in (fold.train, fold.valid, fold.test):
        own_speakers = np.unique(speakers[part])
        for speaker in own_speakers[own_speakers >= 0]:
            own = part[speakers[part] == speaker]
            rows[own] = len(table)
            table.append(voices[own].mean(0))
    return Enrolment(rows, len(known), np.stack(table))
