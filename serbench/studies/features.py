"""The features that a run learns from, a vector an utterance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.errors import SerbenchError
from serbench.runs.adapting import adapt
from serbench.runs.corpus import prepare_for
from serbench.runs.encoding import encode
from serbench.runs.finetuning import finetune
from serbench.runs.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from serbench.runs.corpus import Prepared
    from serbench.runs.encoding import Sources
    from serbench.runs.recipe import Recipe
    from serbench.studies.bench import Bench

    Vectors = NDArray[np.float32]

_AT_ONCE = 64
"""Utterances whose frames are read together."""


class Heard(NamedTuple):
    """A corpus and what a run's encoder makes of it.

    prepared: the utterances and the folds.
    vectors: for each fold (N, D), the mean over time and layers; all the same one where the encoder
        is.
    """

    prepared: Prepared
    vectors: list[Vectors]


def heard(bench: Bench, recipe: Recipe) -> Heard:
    """Return the utterances of a recipe's corpus as its encoder hears them.

    What the run stored is read again; what is no longer there is computed.

    Raises:
        SerbenchError: the encoder is trained together with the head, so that nothing is stored.
    """
    job = Job.of(recipe, bench.device, bench.progress, bench.threads)
    if recipe.training.finetune:
        msg = (
            "the encoder of this run was trained together with its head and is not kept, so there "
            "are no features to look at; take a run with a frozen encoder, or one that was trained "
            "before the head (--set finetune=true)"
        )
        raise SerbenchError(msg)
    prepared = prepare_for(job, bench.data)
    job = job.without(prepared.left_out)
    with job.threaded("encode"):
        adapted = finetune(job, adapt(job, prepared), prepared)
        sources = encode(job, adapted, prepared)
    made: dict[tuple[int, ...], Vectors] = {}
    return Heard(prepared, [_vectors(each, made) for each in sources])


def _vectors(sources: Sources, made: dict[tuple[int, ...], Vectors]) -> Vectors:
    """Return the vectors of all utterances from all upstreams, side by side."""
    import numpy as np

    key = tuple(id(source) for source in sources)
    if key not in made:
        made[key] = np.concatenate([_means(source) for source in sources], axis=1)
    return made[key]


def _means(source: Any) -> Vectors:
    """Return (N, D) means over time and layers."""
    import numpy as np

    rows = np.arange(len(source.lengths))
    parts = []
    for some in np.array_split(rows, max(1, len(rows) // _AT_ONCE)):
        layers, lengths = source.batch(some)
        # padding is zero, and so adds nothing to the sum
        mean = layers.mean(dim=0).sum(dim=1) / lengths[:, None]
        parts.append(mean.numpy().astype(np.float32))
    return np.concatenate(parts)
