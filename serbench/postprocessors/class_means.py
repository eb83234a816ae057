"""Class means that follow a speaker, without labels and gradients (after T3A and Emo-TTA)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, PostProcessor, Predicted
from serbench.postprocessors._posteriors import logarithm, normalised, temperature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from serbench.postprocessors import Values

EDITION = 2
_MOST = 1000  # rounds: EM has long come to rest by then
Move = Literal["together", "each"]


class Classes(NamedTuple):
    """What the training part says of classes.

    means: (C, E), in coordinates in which utterances of a class have variance 1 in each direction.
    white: (E, E), what brings embeddings there.
    """

    means: Values
    white: Values


class ClassMeans(PostProcessor):
    """Each speaker's own class means by EM, held to those of the training part.

    Test-time adaptation of class prototypes is T3A (Iwasawa & Matsuo, NeurIPS 2021); by EM over the
    statistics of classes, Emo-TTA (arXiv 2509.25495). That it is done by speaker, the pseudo-counts
    and the form of the posteriors are our choice.
    """

    serves: ClassVar[frozenset[str]] = frozenset({"classification"})

    def __init__(self, move: Move, strength: float, rounds: int, calibrate: bool) -> None:
        if not strength > 0 or not 1 <= rounds <= _MOST:
            msg = (
                f"post-processor 'class_means' has strength {strength:g} and {rounds} rounds; give "
                f"a strength above 0 and 1 to {_MOST} rounds"
            )
            raise SerbenchError(msg)
        self.move, self.strength, self.rounds = move, strength, rounds
        self.calibrate = calibrate

    def correct(self, predicted: Predicted, evidence: Evidence) -> Values:
        """Return (N, C) probabilities by each speaker's own class means."""
        import numpy as np

        heard, valid = evidence.heard(predicted), evidence.valid
        scale = temperature(valid.values, valid.truths) if self.calibrate else 1.0
        known = classes(evidence.train, predicted.values.shape[1])
        there, points = (_embeddings(each) @ known.white for each in (predicted, heard))
        logits, seen = (logarithm(each.values) for each in (predicted, heard))
        corrected = normalised(logits / scale)
        for speaker in np.unique(heard.speakers):
            own, rows = heard.speakers == speaker, predicted.speakers == speaker
            labels = heard.truths[own] if isinstance(heard, Known) else None
            means = self.adapted(known.means, points[own], seen[own], scale, labels)
            ratio = _ratio(there[rows], known.means, means)
            corrected[rows] = normalised((logits[rows] + ratio) / scale)
        return corrected

    def adapted(
        self,
        means: Values,
        points: Values,
        logits: Values,
        scale: float,
        labels: NDArray[np.int64] | None = None,
    ) -> Values:
        """Return the (C, E) class means of a speaker.

        Args:
            means: (C, E) of the training part.
            points: (n, E) his utterances.
            logits: (n, C) what the trial says of them.
            scale: the temperature of all evidence, that of the means as well: else the more the
                trial is mistaken, the more it would believe itself.
            labels: (n,) where they are known: then there is nothing for EM to find.
        """
        import numpy as np

        if labels is not None:
            return self._means(means, points, np.eye(len(means))[labels])
        found, shares = means, normalised(logits / scale)
        for _ in range(self.rounds):
            found = self._means(means, points, shares)
            shares = normalised((logits + _ratio(points, means, found)) / scale)
        return found

    def _means(self, means: Values, points: Values, shares: Values) -> Values:
        if self.move == "together":
            moved: Values = (points - shares @ means).sum(axis=0) / (self.strength + len(points))
            return means + moved
        counts = self.strength + shares.sum(axis=0)[:, None]
        each: Values = (self.strength * means + shares.T @ points) / counts
        return each


def classes(train: Known, count: int) -> Classes:
    """Return the class means of a training part, where the covariance within classes is one.

    The covariance is shrunk (Ledoit & Wolf 2004). A class that the part lacks has the mean of all.
    """
    import numpy as np
    from sklearn.covariance import ledoit_wolf

    points = _embeddings(train)
    rows = [train.truths == label for label in range(count)]
    means = np.array([points[own if own.any() else slice(None)].mean(axis=0) for own in rows])
    covariance, _ = ledoit_wolf(points - means[train.truths], assume_centered=True)
    values, axes = np.linalg.eigh(covariance)
    white = axes / np.sqrt(np.maximum(values, 1e-9))
    return Classes(means @ white, white)


def _ratio(points: Values, before: Values, after: Values) -> Values:
    """Return (n, C) logarithms of the likelihood under other class means over that before."""
    longer = (after**2).sum(axis=1) - (before**2).sum(axis=1)
    ratio: Values = points @ (after - before).T - 0.5 * longer
    return ratio


def _embeddings(part: Predicted) -> NDArray[np.float64]:
    if part.embeddings is None:
        msg = (
            "the result has no embeddings of its utterances, which 'class_means' adapts to; "
            "compute it again with --again (fused runs have none)"
        )
        raise SerbenchError(msg)
    found: NDArray[np.float64] = part.embeddings.astype("float64")
    return found


def make(
    *,
    move: Literal["together", "each"] = "together",
    strength: float = 20.0,
    rounds: int = 5,
    calibrate: bool = True,
) -> ClassMeans:
    """Return the post-processor.

    It helps where a voice moves all that a speaker says in the same direction, as a channel or a
    pitch does. It cannot help where the trial has learnt to look past the speaker; where so many of
    his utterances are mistaken that they pull the means their way, it does harm. Labels that are
    enrolled are taken as they are. Of a class that the training part lacks nothing is known: its
    mean is that of all.

    Args:
        move: class means "together", by one vector for each speaker, or "each" by its own, as in
            T3A and Emo-TTA: where all move alike that takes more utterances, and errs sooner.
        strength: utterances as which the training part counts (each of its means, for "each").
            Our choice.
        rounds: of EM, 1 to 1000.
        calibrate: by the temperature that fits the validation part.

    Raises:
        SerbenchError: an option is out of its range.
    """
    return ClassMeans(move, strength, rounds, calibrate)
