"""PLDC: mean and spread of a speaker's predictions set by similar voices (Tran et al. 2023)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, PostProcessor, Predicted
from serbench.postprocessors._neighbours import Choice, Neighbours, candidates, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from serbench.postprocessors import Values

EDITION = 3
Shift = Literal["sigma", "mu", "both"]


class Moments(NamedTuple):
    """Of S groups of utterances.

    counts: (S, 1).
    means: (S, C).
    squares: (S, C) sums of the squares of the distances from the mean.
    """

    counts: Values
    means: Values
    squares: Values

    @property
    def deviations(self) -> Values:
        """(S, C), over all utterances (ddof 0)."""
        import numpy as np

        return np.sqrt(self.squares / self.counts)

    def pooled(self, groups: NDArray[np.int64], there: NDArray[np.bool_]) -> Moments:
        """Return those of all utterances of (T, K) groups together, for each of T rows.

        Args:
            groups: places.
            there: (T, K) which of these count.
        """
        counts, means, squares = (moment[groups] * there[..., None] for moment in self)
        count = counts.sum(axis=1)
        mean = (counts * means).sum(axis=1) / count
        between = counts * (means - mean[:, None]) ** 2
        return Moments(count, mean, (squares + between).sum(axis=1))


def moments(values: Values, places: NDArray[np.int64], count: int) -> Moments:
    """Return the moments of (N, C) values by speaker.

    Args:
        values: of utterances.
        places: (N,) which of the speakers.
        count: S, each with an utterance.
    """
    import numpy as np

    def sums(of: Values) -> Values:
        return np.stack([np.bincount(places, column, count) for column in of.T], axis=1)

    counts = np.bincount(places, minlength=count)[:, None].astype(np.float64)
    means = sums(values) / counts
    # in two passes: the difference of two large sums is not zero where all values are equal
    return Moments(counts, means, sums((values - means[places]) ** 2))


class Pldc(PostProcessor):
    """Personalised label distribution calibration, Tran et al. (Interspeech 2023), section 2.4."""

    serves: ClassVar[frozenset[str]] = frozenset({"regression"})

    def __init__(
        self,
        k: int,
        shift: Shift,
        statistics: Literal["averaged", "pooled"],
        fewest: int,
        gate: float | None,
        among: Literal["train", "train and valid"],
        neighbours: Choice,
    ) -> None:
        for name, value in (("k", k), ("fewest", fewest)):
            if value < 1:
                msg = f"option '{name}' of post-processor 'pldc' is {value}; give 1 or more"
                raise SerbenchError(msg)
        if gate is not None and not -1 <= gate <= 1:
            msg = f"option 'gate' of post-processor 'pldc' is {gate:g}; a cosine is from -1 to 1"
            raise SerbenchError(msg)
        self.k, self.shift, self.statistics = k, shift, statistics
        self.fewest, self.gate, self.among, self.neighbours = fewest, gate, among, neighbours

    def correct(self, predicted: Predicted, evidence: Evidence) -> Values:
        """Return (N, C) dimensions; they may leave the scale, as in the authors' code.

        A speaker of whom nothing was heard, as nothing is enrolled, is left as he is.
        """
        import numpy as np

        heard = evidence.heard(predicted)
        speakers, places = np.unique(heard.speakers, return_inverse=True)
        rows = np.isin(predicted.speakers, speakers)
        corrected = predicted.values.copy()
        if rows.any():
            means, deviations = self.aims(speakers.tolist(), evidence)
            if isinstance(heard, Known):  # of whom labels are known, nobody's are asked
                labels = moments(heard.truths, places, len(speakers))
                enough = labels.counts >= self.fewest
                means = np.where(enough, labels.means, means)
                deviations = np.where(enough, labels.deviations, deviations)
            own = moments(heard.values, places, len(speakers))
            theirs = np.searchsorted(speakers, predicted.speakers[rows])
            given = predicted.values[rows]
            corrected[rows] = shifted(given, theirs, own, means, deviations, self.shift)
        return corrected

    def aims(self, speakers: list[str], evidence: Evidence) -> tuple[Values, Values]:
        """Return (T, C) mean and deviation that each speaker's predictions get; NaN: their own."""
        import numpy as np

        parts = self._parts(evidence)
        names = candidates(parts, self.fewest)
        found = self._nearest(speakers, names, evidence)
        labels = _labels(parts, names)
        if self.statistics == "averaged":
            means, deviations = (
                found.mean(each[found.chosen]) for each in (labels.means, labels.deviations)
            )
        else:
            _, means, _ = pooled = labels.pooled(found.chosen, found.there)
            deviations = pooled.deviations
        alone = self._left_alone(found)
        means[alone] = deviations[alone] = np.nan
        return means, deviations

    def neighbours_of(self, speakers: Sequence[str], evidence: Evidence) -> dict[str, list[str]]:
        """Return the neighbours of each speaker whom their labels correct."""
        names = candidates(self._parts(evidence), self.fewest)
        found = self._nearest(speakers, names, evidence)
        alone = dict(zip(speakers, self._left_alone(found), strict=True))
        if isinstance(evidence.enrolled, Known):  # of whom labels are known, nobody's are asked
            given = evidence.enrolled.speakers.tolist()
            alone |= {who: True for who in speakers if given.count(who) >= self.fewest}
        return {who: row for who, row in found.named(speakers, names).items() if not alone[who]}

    def _parts(self, evidence: Evidence) -> list[Known]:
        return [evidence.train, evidence.valid][: 1 if self.among == "train" else 2]

    def _nearest(self, speakers: Sequence[str], names: list[str], evidence: Evidence) -> Neighbours:
        return nearest(speakers, names, evidence.voices, self.k, self.neighbours, evidence.seed)

    def _left_alone(self, found: Neighbours) -> NDArray[np.bool_]:
        """Return (T,) who has neighbours so similar that he is not corrected."""
        similar: NDArray[np.bool_] = found.mean(found.similarity) >= (
            math.inf if self.gate is None else self.gate
        )
        return similar


def shifted(
    values: Values,
    places: NDArray[np.int64],
    own: Moments,
    means: Values,
    deviations: Values,
    shift: Shift,
) -> Values:
    """Return (N, C) values with other moments by speaker: (y - mu) / sigma * sigma' + mu'.

    Args:
        values: of utterances.
        places: (N,) which of T speakers.
        own: of the values by speaker.
        means: (T, C) mu'; NaN: as it is.
        deviations: (T, C) sigma', likewise. Where a speaker's values are all equal, such as of one
            utterance, there is no spread to change.
        shift: "sigma" leaves the mean as it is, "mu" the spread.
    """
    import numpy as np

    there, spread = own.means, own.deviations
    # what rounding leaves is no spread
    flat = spread <= 1e-9 * np.maximum(np.abs(there), 1)
    scale = np.where(flat, 1, deviations / np.where(flat, 1, spread))
    scale = np.ones_like(scale) if shift == "mu" else np.where(np.isnan(scale), 1, scale)
    centre = there if shift == "sigma" else np.where(np.isnan(means), there, means)
    return (values - there[places]) * scale[places] + centre[places]


def _labels(parts: list[Known], names: list[str]) -> Moments:
    """Return the moments of the truths of some speakers, sorted by their names."""
    import numpy as np

    speakers = np.concatenate([part.speakers for part in parts]).astype(str)
    truths = np.concatenate([part.truths for part in parts])
    theirs = np.isin(speakers, names)
    places = np.searchsorted(names, speakers[theirs])
    return moments(truths[theirs], places, len(names))


def make(
    *,
    k: int = 15,
    shift: Literal["sigma", "mu", "both"] = "sigma",
    statistics: Literal["averaged", "pooled"] = "averaged",
    fewest: int = 2,
    gate: float | None = None,
    among: Literal["train", "train and valid"] = "train",
    neighbours: Literal["nearest", "random", "all"] = "nearest",
) -> Pldc:
    """Return the post-processor.

    Where labels are enrolled, at least `fewest` of a speaker, it is their mean and spread that his
    predictions get, whoever sounds like him.

    Args:
        k: training speakers whose labels are looked at. The authors' newer script has 15, the
            older 5; the paper names none. Of fewer candidates all are taken.
        shift: what is set: the spread ("sigma", best on A-CCC in the paper's Table 2), the mean
            ("mu"), or "both", which is the paper's formula.
        statistics: the neighbours' means and deviations "averaged", as in the paper's text, or of
            all their labels "pooled", as in the authors' newer script.
        fewest: utterances of a candidate; one alone has no spread.
        gate: leave speakers alone whose neighbours are at least so similar, on average; 0.985 in a
            comment of the authors' script. None: correct all.
        among: whose labels: of the speakers trained on, or of the validation part, too.
        neighbours: the "nearest" by cosine of voices; k at "random", or "all" candidates, which
            are controls: what is gained with them is not owed to the voice.

    Raises:
        SerbenchError: `k` or `fewest` is below 1, or `gate` is no cosine.
    """
    return Pldc(k, shift, statistics, fewest, gate, among, neighbours)
