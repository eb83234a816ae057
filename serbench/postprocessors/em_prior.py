"""The speaker's own class prior by EM, without labels (Saerens et al. 2002)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, PostProcessor, Predicted
from serbench.postprocessors._posteriors import calibrated, moved, prior

if TYPE_CHECKING:
    from serbench.postprocessors import Values

EDITION = 2
_MOST = 1000
_ENOUGH = 1e-8


class EmPrior(PostProcessor):
    """Each speaker's prior by EM, with a Dirichlet prior on it.

    Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori
    probabilities", Neural Computation 14(1), 2002, section 2.2; the Dirichlet prior is ours.
    """

    serves: ClassVar[frozenset[str]] = frozenset({"classification"})

    def __init__(self, strength: float, calibrate: bool) -> None:
        if not strength >= 0:
            msg = f"option 'strength' of post-processor 'em_prior' is {strength:g}; give 0 or more"
            raise SerbenchError(msg)
        self.strength, self.calibrate = strength, calibrate

    def correct(self, predicted: Predicted, evidence: Evidence) -> Values:
        """Return (N, C) probabilities under each speaker's own prior."""
        import numpy as np

        values, heard = predicted.values, evidence.heard(predicted)
        seen = heard.values
        if self.calibrate:
            values, seen = (calibrated(each, evidence.valid) for each in (values, seen))
        if isinstance(heard, Known):  # what is known is not guessed
            seen = np.eye(values.shape[1])[heard.truths]
        known = prior(evidence.train.truths, values.shape[1])
        corrected = values.copy()
        for speaker in np.unique(heard.speakers):
            rows = predicted.speakers == speaker
            own = own_prior(seen[heard.speakers == speaker], known, self.strength)
            corrected[rows] = moved(values[rows], own / known)
        return corrected


def own_prior(probabilities: Values, known: Values, strength: float) -> Values:
    """Return the (C,) prior under which probabilities of one speaker are most likely.

    Args:
        probabilities: (N, C), under the prior `known`.
        known: (C,).
        strength: utterances by which the speaker is held to `known`, a Dirichlet prior; 0: none.
    """
    import numpy as np

    found = known
    for _ in range(_MOST):
        counts = moved(probabilities, found / known).sum(axis=0) + strength * known
        found, before = counts / counts.sum(), found
        if np.abs(found - before).max() < _ENOUGH:
            break
    return found


def make(*, strength: float = 5.0, calibrate: bool = True) -> EmPrior:
    """Return the post-processor.

    It helps where the classes of a speaker are not as frequent as in training, the posteriors are
    calibrated, and there are clips enough to see it: in conversations, where most people are
    neutral most of the time. It cannot help where everybody was asked for every emotion equally
    often, as in acted corpora: there it can only do harm, and less of it with more `strength`.
    Where labels are enrolled, their shares take the place of what EM finds. A class that the
    training part lacks counts as half a clip of it, so that its prior is small but not zero.

    Args:
        strength: utterances that hold a speaker to the prior of the training part; what a speaker
            of few clips seems to be counts for less. Our choice.
        calibrate: give the posteriors the temperature that fits the validation part, before that.

    Raises:
        SerbenchError: `strength` is negative.
    """
    return EmPrior(strength, calibrate)
