"""Posteriors moved to the class prior of training speakers with similar voices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, PostProcessor, Predicted
from serbench.postprocessors._neighbours import Choice, candidates, nearest
from serbench.postprocessors._posteriors import calibrated, moved, prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from serbench.postprocessors import Values

EDITION = 3


class PriorShift(PostProcessor):
    """PLDC's idea for classes, whose distribution is the prior."""

    serves: ClassVar[frozenset[str]] = frozenset({"classification"})

    def __init__(
        self, k: int, strength: float, calibrate: bool, fewest: int, neighbours: Choice
    ) -> None:
        for name, value, least in (("k", k, 1), ("fewest", fewest, 1), ("strength", strength, 0)):
            if not value >= least:
                msg = (
                    f"option '{name}' of post-processor 'prior_shift' is {value:g}; "
                    f"give {least} or more"
                )
                raise SerbenchError(msg)
        self.k, self.strength, self.calibrate = k, strength, calibrate
        self.fewest, self.neighbours = fewest, neighbours

    def correct(self, predicted: Predicted, evidence: Evidence) -> Values:
        """Return (N, C) probabilities under the prior of each speaker's neighbours."""
        import numpy as np

        values = predicted.values
        if self.calibrate:
            values = calibrated(values, evidence.valid)
        known = prior(evidence.train.truths, values.shape[1])
        heard = evidence.heard(predicted)
        speakers, counts = np.unique(heard.speakers, return_counts=True)
        rows = np.isin(predicted.speakers, speakers)
        if not rows.any():
            return values
        seen = self.priors(speakers.tolist(), evidence, values.shape[1])
        share = (counts / (counts + self.strength))[:, None] if self.strength else 1.0
        aim = share * seen + (1 - share) * known
        if isinstance(heard, Known):
            aim = share * _own(heard, speakers, values.shape[1]) + (1 - share) * aim
        ratio = aim / known
        corrected = values.copy()
        theirs = np.searchsorted(speakers, predicted.speakers[rows])
        corrected[rows] = moved(values[rows], ratio[theirs])
        return corrected

    def priors(self, speakers: list[str], evidence: Evidence, classes: int) -> Values:
        """Return (T, C) shares of the classes among the labels of each speaker's neighbours."""
        import numpy as np

        train, near = evidence.train, self.neighbours_of(speakers, evidence)
        named = {name for row in near.values() for name in row}
        labels = {name: train.truths[train.speakers == name] for name in named}
        rows = [np.concatenate([labels[name] for name in near[who]]) for who in speakers]
        return np.array([prior(row, classes) for row in rows])

    def neighbours_of(self, speakers: Sequence[str], evidence: Evidence) -> dict[str, list[str]]:
        """Return the neighbours of each speaker."""
        names = candidates([evidence.train], self.fewest)
        found = nearest(speakers, names, evidence.voices, self.k, self.neighbours, evidence.seed)
        return found.named(speakers, names)


def _own(heard: Known, speakers: NDArray[Any], classes: int) -> Values:
    """Return (T, C) shares of the classes among each speaker's own labels."""
    import numpy as np

    return np.array([prior(heard.truths[heard.speakers == who], classes) for who in speakers])


def make(
    *,
    k: int = 15,
    strength: float = 5.0,
    calibrate: bool = True,
    fewest: int = 2,
    neighbours: Literal["nearest", "random", "all"] = "nearest",
) -> PriorShift:
    """Return the post-processor.

    It helps where voices that are alike go with classes that are alike in frequency, as by role,
    age or channel. It cannot help where every speaker has every class equally often, as in acted
    corpora: the neighbours' prior is then everybody's. Labels that are enrolled count as far as
    there are utterances of the speaker, the neighbours' for the rest. A class that the training
    part lacks has half a clip there and among the neighbours, so that it stays as unlikely as it is
    predicted.

    Args:
        k: training speakers whose labels are looked at; of fewer candidates all.
        strength: utterances of the speaker at which half of what the neighbours say counts: a
            voice that was heard in one clip is a poor guide. Our choice; 0: all of it, always.
        calibrate: give the posteriors the temperature that fits the validation part, before that.
        fewest: utterances of a candidate.
        neighbours: the "nearest" by cosine of voices; k at "random", or "all" candidates, which
            are controls: what is gained with them is not owed to the voice.

    Raises:
        SerbenchError: an option is out of its range.
    """
    return PriorShift(k, strength, calibrate, fewest, neighbours)
