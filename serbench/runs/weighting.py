"""Weights of a run's training utterances, by who sounds like those who are tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench.benchmarks.reading.names import speaker_numbers
from serbench.leaderboard import record
from serbench.runs.plugin_part import plugin_part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from serbench.runs.corpus import Prepared
    from serbench.runs.job import Job


def weights(job: Job, prepared: Prepared) -> list[NDArray[np.float32] | None]:
    """Return (N,) weights of all utterances for each fold; None where all weigh the same.

    Raises:
        SerbenchError: of those who are tested nothing is heard.
    """
    how = job.recipe.training.weighting
    if how is None:
        return [None] * len(prepared.folds)

    from serbench.training import weighting

    functionals = _functionals(job, prepared, how.functionals)
    speakers = speaker_numbers(prepared.table["speaker"])
    return [
        weighting.weights(
            functionals,
            speakers,
            fold.train,
            fold.test if job.recipe.enrol is None else fold.enrol,
            how,
        )
        for fold in prepared.folds
    ]


def _functionals(job: Job, prepared: Prepared, of: str) -> NDArray[np.float32]:
    """Return (N, F) what upstream `functionals` makes of the utterances, out of its store."""
    import numpy as np

    from serbench.runs.encoding import made_of, make_upstream
    from serbench.training import store

    part = plugin_part("upstreams", "functionals", {"set": of})
    features = store.encode(
        prepared.table,
        made_of(part),
        lambda: make_upstream(part),
        "mean",
        job.progress,
        "cpu",
        anew=job.anew,
    )
    rows = np.arange(len(prepared.table))
    found: NDArray[np.float32] = features.batch(rows).layers[0, :, 0].numpy()
    return found


def weighted(job: Job) -> record.Weighted | None:
    """Return by whom training utterances are weighted, for the record."""
    how = job.recipe.training.weighting
    if how is None:
        return None
    return record.Weighted(
        heard="test" if job.recipe.enrol is None else "enrol", functionals=how.functionals
    )
