"""What the head of a run is told of who speaks, and whom of those tested it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench import plugins
from serbench.benchmarks.reading.names import unknown
from serbench.editions import FEATURES, installed
from serbench.leaderboard import record
from serbench.runs.parts import Part
from serbench.runs.plugin_part import plugin_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.downstreams import Downstream
    from serbench.runs.corpus import Prepared
    from serbench.runs.job import Job

# as they are: each utterance's own mean taken out, their means would all be zero
_VOICE = Part(name="mfcc", options={"cepstra": 13, "deltas": 0, "normalize": False})


def head_of(job: Job) -> Downstream:
    """Return the head of a run for frames of width 1, to ask what does not depend on the width."""
    return head_like(job.recipe.downstream)


def head_like(part: Part) -> Downstream:
    """Return a head for frames of width 1."""
    made: Downstream = plugins.make(plugin_of("downstreams", part), 1, options=part.options)
    return made


def voices(job: Job, table: DataFrame) -> NDArray[np.float32] | None:
    """Return the (N, 13) mean MFCC of each utterance if the head conditions on them.

    They come out of a feature store, as those of upstream `mfcc`.
    """
    if head_of(job).conditions_on != "mfcc":
        return None
    import numpy as np

    from serbench.encoders import kaldi
    from serbench.training import store

    identity = _VOICE.identity() | {"edition_of_all": FEATURES, "made_with": installed()}
    features = store.encode(
        table,
        identity,
        lambda: kaldi.mfcc(**_VOICE.options),
        "mean",
        job.progress,
        job.device,
        anew=job.anew,
    )
    means: NDArray[np.float32] = features.batch(np.arange(len(table))).layers[0, :, 0].numpy()
    return means


def conditioning(job: Job, prepared: Prepared) -> record.Conditioning | None:
    """Return on what the head conditions, and how many speakers it was tested on unseen.

    Whoever is tested in several folds is one speaker, and unseen if one of them did not train on
    him. Utterances whose speaker is unknown count nowhere.
    """
    on = head_of(job).conditions_on
    if on == "nothing":
        return None
    refit, speakers = job.recipe.training.refit, prepared.table["speaker"]
    names = speakers.mask(unknown(speakers))
    folds = [fold.merged() if refit else fold for fold in prepared.folds]
    parts = [[{*names.iloc[rows].dropna()} for rows in (f.train, f.test)] for f in folds]
    return record.Conditioning(
        on=on,
        tested=len(set[str]().union(*(tested for _, tested in parts))),
        unseen=len(set[str]().union(*(tested - known for known, tested in parts))),
    )
