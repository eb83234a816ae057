"""Which training speakers sound like a speaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from serbench.benchmarks import UNKNOWN
from serbench.digests import digest_json
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from serbench.postprocessors import Known, Voices

Choice = Literal["nearest", "random", "all"]


class Neighbours(NamedTuple):
    """The neighbours of some speakers among S candidates.

    chosen: (T, K) int64 places in the candidates, the most similar first.
    similarity: (T, K) their cosine with the speaker.
    there: (T, K) whether it is one: where all candidates are taken, whoever is a candidate himself
        has one fewer than others.
    """

    chosen: NDArray[np.int64]
    similarity: NDArray[np.float64]
    there: NDArray[np.bool_]

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (T, ...) the means over the neighbours of (T, K, ...) values."""
        there = self.there.reshape(*self.there.shape, *[1] * (values.ndim - 2))
        found: NDArray[np.float64] = (values * there).sum(axis=1) / there.sum(axis=1)
        return found

    def named(self, speakers: Sequence[str], among: Sequence[str]) -> dict[str, list[str]]:
        """Return the names of each speaker's neighbours, of the same speakers and candidates."""
        rows = zip(speakers, self.chosen, self.there, strict=True)
        return {who: [among[place] for place in row[there]] for who, row, there in rows}


def candidates(parts: Sequence[Known], fewest: int) -> list[str]:
    """Return the known speakers of some parts with at least so many utterances, sorted.

    Raises:
        SerbenchError: there are none.
    """
    import numpy as np

    speakers = np.concatenate([part.speakers for part in parts])
    names, counts = np.unique(speakers[speakers != UNKNOWN], return_counts=True)
    found = [str(name) for name in names[counts >= fewest]]
    if not found:
        msg = (
            f"no speaker that was trained on has {fewest} utterances, the most has "
            f"{counts.max(initial=0)}; give a smaller 'fewest'"
        )
        raise SerbenchError(msg)
    return found


def nearest(
    speakers: Sequence[str],
    among: Sequence[str],
    voices: Voices,
    k: int,
    choice: Choice = "nearest",
    seed: int = 0,
) -> Neighbours:
    """Return the k neighbours of each speaker by the cosine of voices; he is none of his own.

    Those of one do not depend on who else is asked for.

    Args:
        speakers: T of them.
        among: S candidates.
        voices: of all of these.
        k: neighbours; of fewer candidates all are taken.
        choice: the "nearest", k at "random" as a control, or "all" candidates, whatever k is.
        seed: of what is drawn.

    Raises:
        SerbenchError: a speaker has no voice, or there is no candidate but himself.
    """
    import numpy as np

    cosine = _directions(speakers, voices) @ _directions(among, voices).T
    own = np.asarray(speakers)[:, None] == np.asarray(among)[None, :]
    if len(alone := np.flatnonzero(own.all(axis=1))):
        who = speakers[alone[0]]
        msg = f"speaker '{who}' is the only one there is; nobody else can be similar"
        raise SerbenchError(msg)
    ranked = cosine if choice != "random" else _drawn(speakers, len(among), seed)
    ranked = np.where(own, -np.inf, ranked)
    taken = len(among) if choice == "all" else min(k, len(among))
    chosen = np.argsort(-ranked, axis=1, kind="stable")[:, :taken]
    similarity, himself = (np.take_along_axis(each, chosen, axis=1) for each in (cosine, own))
    return Neighbours(chosen, similarity, ~himself)


def _drawn(speakers: Sequence[str], count: int, seed: int) -> NDArray[np.float64]:
    """Return (T, S) random numbers, those of a speaker by his name and the seed alone."""
    import numpy as np

    names = [int(digest_json(name)[:16], 16) for name in speakers]
    return np.array([np.random.default_rng([seed, name]).random(count) for name in names])


def _directions(speakers: Sequence[str], voices: Voices) -> NDArray[np.float64]:
    """Return (S, E) voices of length 1; a voice of zeros has no direction and stays zero."""
    import numpy as np

    missing = sorted({*speakers} - voices.keys())
    if missing:
        msg = f"speaker '{missing[0]}' has no voice; compute the result again with --again"
        raise SerbenchError(msg)
    found = np.array([voices[name] for name in speakers], np.float64)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(length > 0, length, 1)
