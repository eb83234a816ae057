"""The table of embeddings: one row an utterance x fold x seed, `e0`, `e1`, ... its numbers.

What the output of a trial sees of an utterance, in the first principal components of the training
part: 32 numbers of half precision, where that holds them. Kept of classes alone, whose means
post-processors adapt: 0.2 MB a seed for five folds of 440 utterances, 3 MB for five of 7442.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench.scoring.compact import compact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Fold

WHO = ["utterance", "fold", "seed"]
"""Columns that say what a row is about."""
COMPONENTS = 32


def embedded_in(
    table: DataFrame, fold: Fold, seed: int, embeddings: NDArray[np.float32]
) -> DataFrame:
    """Return the embeddings of a trial, reduced.

    Args:
        table: the utterances.
        fold: of these.
        seed: of the training.
        embeddings: (N, E) of the training, validation, test and enrolled rows, one after the other.
    """
    import numpy as np
    import pandas as pd

    rows = np.concatenate([fold.train, fold.valid, fold.test, fold.enrol])
    reduced = compact(_reduced(embeddings.astype(np.float64), len(fold.train)))
    about = {"utterance": table["utterance"].to_numpy()[rows], "fold": fold.name, "seed": seed}
    columns = [f"e{number}" for number in range(reduced.shape[1])]
    return pd.concat([pd.DataFrame(about), pd.DataFrame(reduced, columns=columns)], axis=1)


def _reduced(embeddings: NDArray[np.float64], train: int) -> NDArray[np.float64]:
    """Return (N, 32) principal components by the first rows, in units of the first one's spread.

    Those that there are not, as in a small fold, are zero; if any embedding is not finite, all are
    NaN.
    """
    import numpy as np

    if not np.isfinite(embeddings).all():
        return np.full((len(embeddings), COMPONENTS), np.nan)

    centred = embeddings - embeddings[:train].mean(axis=0)
    _, values, axes = np.linalg.svd(centred[:train], full_matrices=False)
    spread = values[0] / np.sqrt(train)
    found = np.zeros((len(embeddings), COMPONENTS))
    there = axes[:COMPONENTS]
    found[:, : len(there)] = centred @ there.T / (spread if spread > 0 else 1)
    return found


def empty() -> DataFrame:
    """Return a table without rows, for what is not kept."""
    import pandas as pd

    return pd.DataFrame({"utterance": [], "fold": [], "seed": []}).astype({"seed": int})


def aligned(embeddings: DataFrame, predictions: DataFrame) -> NDArray[np.float32] | None:
    """Return the (n, E) embeddings of some predictions of a trial, in their order.

    Args:
        embeddings: of the trial.
        predictions: of one of its parts.

    Returns:
        None where an utterance has none.
    """
    import numpy as np

    found = embeddings.set_index("utterance").drop(columns=WHO[1:])
    if not predictions["utterance"].isin(found.index).all():
        return None
    vectors: NDArray[np.float32] = found.loc[predictions["utterance"]].to_numpy(np.float32)
    return vectors


def problem(embeddings: DataFrame) -> str | None:
    """Return the first reason why a table cannot hold embeddings, or None."""
    import numpy as np
    from pandas.api.types import is_float_dtype, is_integer_dtype

    numbers = [name for name in embeddings.columns if name not in WHO]
    expected = [f"e{number}" for number in range(len(numbers))]
    if [*embeddings.columns] != [*WHO, *expected] or not numbers:
        return f"the embeddings have other columns than {', '.join(WHO)}, e0, e1, ..."
    if not is_integer_dtype(embeddings["seed"]):
        return "the embeddings have a seed that is no whole number"
    if not all(is_float_dtype(embeddings[name]) for name in numbers):
        return "the embeddings hold something else than numbers"
    if not np.isfinite(embeddings[numbers].to_numpy(np.float32)).all():
        return "the embeddings are not finite"
    if embeddings.duplicated(WHO).any():
        return "an utterance has two embeddings in one fold with one seed"
    return None
