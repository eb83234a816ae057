"""The table of speaker vectors: one row a speaker x fold x seed, `v0`, `v1`, ... its numbers.

A speaker's vector is the mean over his utterances of what a trial's heads got of them, averaged
over time (Tran et al., Interspeech 2023, section 2.4: the fine-tuned encoder's pooled output).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench.benchmarks import UNKNOWN
from serbench.scoring.compact import compact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Fold

WHO = ["speaker", "fold", "seed", "clips"]
"""Columns that say whose vector it is, and of how many utterances."""


def heard_in(
    table: DataFrame,
    fold: Fold,
    seed: int,
    embeddings: NDArray[np.float32],
    *,
    enrolled: bool = False,
) -> DataFrame:
    """Return the vectors of all known speakers of a fold, in half precision if that holds them.

    Args:
        table: the utterances.
        fold: of these.
        seed: of the training.
        embeddings: (N, E) of the training, validation, test and enrolled rows, one after the other.
        enrolled: whether those who are tested are heard in what is enrolled of them alone; who has
            nothing enrolled then has no vector.
    """
    import numpy as np
    import pandas as pd

    rows = np.concatenate([fold.train, fold.valid, fold.test, fold.enrol])
    if enrolled:
        heard = ~np.isin(rows, fold.test)
        rows, embeddings = rows[heard], embeddings[heard]
    names = table["speaker"].to_numpy(dtype=object)[rows].astype(str)
    known = names != UNKNOWN
    embeddings = embeddings[known]
    speakers, places, clips = np.unique(names[known], return_inverse=True, return_counts=True)
    sums = np.zeros((len(speakers), embeddings.shape[1]))
    with np.errstate(invalid="ignore"):
        np.add.at(sums, places, embeddings)
    vectors = compact(sums / clips[:, None])
    about = {"speaker": speakers, "fold": fold.name, "seed": seed, "clips": clips}
    columns = [f"v{number}" for number in range(vectors.shape[1])]
    return pd.concat([pd.DataFrame(about), pd.DataFrame(vectors, columns=columns)], axis=1)


def vectors(voices: DataFrame) -> NDArray[np.float32]:
    """Return the (S, E) vectors of a table of voices, in its order."""
    import numpy as np

    found: NDArray[np.float32] = voices.drop(columns=WHO).to_numpy(dtype=np.float32)
    return found


def problem(voices: DataFrame) -> str | None:
    """Return the first reason why a table cannot hold the vectors of speakers, or None."""
    import numpy as np
    from pandas.api.types import is_float_dtype, is_integer_dtype

    numbers = [name for name in voices.columns if name not in WHO]
    expected = [f"v{number}" for number in range(len(numbers))]
    if [*voices.columns] != [*WHO, *expected] or not numbers:
        return f"the speakers' vectors have other columns than {', '.join(WHO)}, v0, v1, ..."
    if not all(is_integer_dtype(voices[name]) for name in ("seed", "clips")):
        return "the speakers' vectors have a seed or a count of clips that is no whole number"
    if not all(is_float_dtype(voices[name]) for name in numbers):
        return "the speakers' vectors hold something else than numbers"
    if not np.isfinite(vectors(voices)).all():
        return "the speakers' vectors are not finite"
    if voices.duplicated(WHO[:3]).any():
        return "a speaker has two vectors in one fold with one seed"
    return None
