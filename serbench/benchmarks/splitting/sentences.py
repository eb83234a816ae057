"""Sentences in sets: what is said in one part of a fold and in no other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serbench.benchmarks import Fold, Rows
from serbench.benchmarks.splitting.balance import balanced_folds
from serbench.errors import SerbenchError

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
Knows = Literal["nothing", "sentences", "speakers"]
"""What training may know of who and what is tested."""

_MARKS = re.compile(r"[\W_]+")


def sentence(text: str) -> str:
    """Return a text as people hear it: without case, punctuation and kinds of blanks.

    >>> sentence("It's  Eleven o'clock.")
    'it s eleven o clock'
    """
    return _MARKS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def sentence_codes(texts: Iterable[str]) -> Codes:
    """Return (N,) the number of each row's sentence."""
    heard = np.array([sentence(text) for text in texts], dtype=object).astype(str)
    return np.unique(heard, return_inverse=True)[1].astype(np.int64)


def sentence_sets(said: Codes, speaker: Codes, strata: Sequence[Codes], count: int) -> Codes:
    """Return (N,) the set, 0 to `count` - 1, of each row's sentence; labels are balanced.

    What one speaker alone says is apart wherever speakers are: such rows are dealt evenly.

    Args:
        said: (N,) number of each row's sentence.
        speaker: (N,) number of each row's speaker.
        strata: (N,) each, what to balance.
        count: number of sets.

    Raises:
        SerbenchError: there are too few sentences that several speakers say.
    """
    several = _said_by_several(said, speaker)
    shared = np.unique(said[several])
    if len(shared) == 0:
        msg = (
            "protocol 'sentence_folds': no sentence is said by two speakers, so that speakers "
            "apart are sentences apart; use speaker_folds"
        )
        raise SerbenchError(msg)
    if len(shared) < count:
        msg = (
            f"protocol 'sentence_folds' needs {count} sentences that several speakers say; there "
            f"are {len(shared)}; ask for fewer with --set protocol.sentences="
            f"{len(shared)}, or use speaker_folds"
        )
        if len(shared) < 3:
            msg = f"{msg.partition('; ask')[0]}, and three parts need 3; use speaker_folds"
        raise SerbenchError(msg)
    sets = np.empty(len(said), dtype=np.int64)
    once = np.full(len(said), -1)
    once[np.unique(said, return_index=True)[1]] = 0
    group = np.unique(said[several], return_inverse=True)[1].astype(np.int64)
    every = np.zeros(len(said), dtype=np.int64)
    sets[several] = balanced_folds(group, [x[several] for x in (once, every, *strata)], count)
    sets[~several] = np.arange((~several).sum()) % count
    return sets


def _said_by_several(said: Codes, speaker: Codes) -> Mask:
    pairs = np.unique(np.stack([said, speaker]), axis=1)
    voices = np.bincount(pairs[0], minlength=said.max() + 1)
    return voices[said] > 1


def crossed(
    order: Rows, who: Codes, what: Codes, said: Codes, labels: Codes, knows: Knows
) -> Iterator[Fold]:
    """Yield a fold for each set of speakers with each set of sentences.

    The next set of speakers, saying the next set of sentences, validates. What training may know
    changes neither these two parts nor how many rows of each label are trained on.

    Args:
        order: (N,) the row of the table that each entry stands for.
        who: (N,) the set of its speaker.
        what: (N,) the set of its sentence.
        said: (N,) its sentence.
        labels: (N,) its label.
        knows: of the tested; "nothing": training has neither their speakers nor their sentences.
    """
    k, count = who.max() + 1, what.max() + 1
    for i, j in np.ndindex(k, count):
        name = f"speakers {i + 1}, sentences {j + 1}"
        test = (who == i) & (what == j)
        valid = (who == (i + 1) % k) & (what == (j + 1) % count)
        others = (who != i) & (who != (i + 1) % k)
        train = others & ~np.isin(said, said[test | valid])
        _check(name, train=train, valid=valid, test=test)
        if knows != "nothing":
            known = others if knows == "sentences" else ~(test | valid)
            train = _as_many(known, labels, train, seed=i * count + j)
        yield Fold(name, order[train], order[valid], order[test])


def _as_many(known: Mask, labels: Codes, train: Mask, seed: int) -> Mask:
    """Draw as many rows of each label from `known` as there are in `train`."""
    drawn = np.zeros(len(known), dtype=np.bool_)
    generator = np.random.default_rng(seed)
    for label in np.unique(labels[train]):
        rows = np.flatnonzero(known & (labels == label))
        count = (labels[train] == label).sum()
        drawn[generator.choice(rows, count, replace=False)] = True
    return drawn


def _check(name: str, **parts: Mask) -> None:
    for part, rows in parts.items():
        if not rows.any():
            msg = (
                f"protocol 'sentence_folds', fold '{name}': speakers and sentences apart leave "
                f"nothing for {part}; ask for fewer sets (--set protocol.k=3, "
                "--set protocol.sentences=3) or use speaker_folds"
            )
            raise SerbenchError(msg)
