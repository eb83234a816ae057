"""Mean and spread of a speaker's predictions set by the truth: what calibration could give."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from serbench.postprocessors import Evidence, Known, PostProcessor, Predicted
from serbench.postprocessors.pldc import Shift, moments, shifted

if TYPE_CHECKING:
    from serbench.postprocessors import Values


class Oracle(PostProcessor):
    """Looks at the truths of what it corrects; its results are marked and never ranked."""

    serves: ClassVar[frozenset[str]] = frozenset({"regression"})
    oracle: ClassVar[bool] = True

    def __init__(self, shift: Shift) -> None:
        self.shift = shift

    def correct(self, predicted: Predicted, evidence: Evidence) -> Values:
        """Return (N, C) dimensions with the truths' moments for each speaker.

        Utterances that are enrolled without their truths stay as they are.
        """
        import numpy as np

        if not isinstance(predicted, Known):
            return predicted.values
        speakers, places = np.unique(predicted.speakers, return_inverse=True)
        own = moments(predicted.values, places, len(speakers))
        truth = moments(predicted.truths, places, len(speakers))
        return shifted(predicted.values, places, own, truth.means, truth.deviations, self.shift)


def make(*, shift: Literal["sigma", "mu", "both"] = "both") -> Oracle:
    """Return the post-processor.

    Args:
        shift: what is set: the spread ("sigma"), the mean ("mu"), or both.
    """
    return Oracle(shift)
