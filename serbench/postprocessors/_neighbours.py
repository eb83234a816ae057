"""Which training speakers sound like a speaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from serbench.benchmarks import UNKNOWN
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
    """

    chosen: NDArray[np.int64]
    similarity: NDArray[np.float64]


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
    count = len(among) - int(own.any())
    if count < 1:
        msg = f"speaker '{speakers[0]}' is the only one there is; nobody else can be similar"
        raise SerbenchError(msg)
    ranked = cosine if choice != "random" else np.random.default_rng(seed).random(cosine.shape)
    ranked = np.where(own, -np.inf, ranked)
    taken = count if choice == "all" else min(k, count)
    chosen = np.argsort(-ranked, axis=1, kind="stable")[:, :taken]
    return Neighbours(chosen, np.take_along_axis(cosine, chosen, axis=1))


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
