"""Class means moved to where the speaker's own clips lie, without gradients (after T3A)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, PostProcessor, Predicted
from serbench.postprocessors._posteriors import logarithm, normalised

if TYPE_CHECKING:
    from serbench.postprocessors import Known, Values


class ClassMeans(PostProcessor):
    """Nearest class mean on the embeddings, with the means moved by a speaker's own clips.

    Iwasawa, Matsuo, "Test-time classifier adjustment module", NeurIPS 2021, keep the surest clips
    as a support of each class; here each clip counts by its posterior, and the means of the
    training part count as `strength` clips, as in Emo-TTA (arXiv 2509.25495), which updates class
    statistics by EM.
    """

    serves: ClassVar[frozenset[str]] = frozenset({"classification"})
    looks_at: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def __init__(self, strength: float) -> None:
        if not strength > 0:
            msg = f"option 'strength' of post-processor 'class_means' is {strength:g}; give above 0"
            raise SerbenchError(msg)
        self.strength = strength

    def correct(self, predicted: Predicted, evidence: Evidence) -> Values:
        """Return (N, C) probabilities: the trial's times those of the moved means."""
        space = _Space.of(evidence.train, predicted.values.shape[1])
        valid = evidence.valid
        scale = _scale(self._cosines(valid, space), valid)
        return normalised(logarithm(predicted.values) + scale * self._cosines(predicted, space))

    def _cosines(self, predicted: Predicted, space: _Space) -> Values:
        """Return (N, C) cosines of clips with the means that their speaker's clips moved."""
        import numpy as np

        points = space.place(predicted)
        found = np.empty_like(predicted.values)
        for speaker in np.unique(predicted.speakers):
            rows = predicted.speakers == speaker
            shares, own = predicted.values[rows], points[rows]
            counts = shares.sum(axis=0)[:, None] + self.strength
            means = (self.strength * space.means + shares.T @ own) / counts
            found[rows] = _unit(own) @ _unit(means).T
        return found


class _Space:
    """Embeddings with mean 0 and deviation 1 over the training part, and its class means there."""

    def __init__(self, centre: Values, width: Values, means: Values) -> None:
        self.centre, self.width, self.means = centre, width, means

    @classmethod
    def of(cls, train: Known, classes: int) -> _Space:
        import numpy as np

        points = _embeddings(train)
        centre, width = points.mean(axis=0), points.std(axis=0)
        space = cls(centre, np.where(width > 0, width, 1), np.empty(0))
        placed = space.place(train)
        shares = np.eye(classes)[train.truths]
        space.means = shares.T @ placed / np.maximum(shares.sum(axis=0), 1)[:, None]
        return space

    def place(self, predicted: Predicted) -> Values:
        """Return (N, E) embeddings in this space."""
        return (_embeddings(predicted) - self.centre) / self.width


def _embeddings(predicted: Predicted) -> Values:
    import numpy as np

    if predicted.embeddings is None:
        msg = "post-processor 'class_means' needs the embeddings of utterances; there are none"
        raise SerbenchError(msg)
    return predicted.embeddings.astype(np.float64)


def _unit(points: Values) -> Values:
    import numpy as np

    length = np.linalg.norm(points, axis=1, keepdims=True)
    found: Values = points / np.where(length > 0, length, 1)
    return found


def _scale(cosines: Values, valid: Known) -> float:
    """Return how much the cosines count, by the likelihood of the validation part; 0 to 50."""
    from scipy.optimize import minimize_scalar

    logits, rows = logarithm(valid.values), range(len(valid.truths))

    def loss(scale: float) -> float:
        fitted = logarithm(normalised(logits + scale * cosines))
        return -float(fitted[rows, valid.truths].mean())

    best = minimize_scalar(loss, bounds=(0, 50), method="bounded")
    return float(best.x) if math.isfinite(best.fun) and best.fun < loss(0.0) else 0.0


def make(*, strength: float = 20.0) -> ClassMeans:
    """Return the post-processor.

    It helps where a speaker's classes lie elsewhere in the encoder's space than those of others,
    but as far from each other, and the trial is right about most of his clips. With few clips the
    means stay where the training part put them.

    Args:
        strength: clips that the class means of the training part count as. Our choice.

    Raises:
        SerbenchError: `strength` is not above 0.
    """
    return ClassMeans(strength)
