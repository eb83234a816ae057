"""Probabilities of classes: made as sure as they are right, and moved to other priors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from serbench.postprocessors import Known, Values

_TINY = 1e-12


def normalised(logits: Values) -> Values:
    """Return (N, C) probabilities of (N, C) logits."""
    from scipy.special import softmax

    found: Values = softmax(logits, axis=1)
    return found


def logarithm(probabilities: Values) -> Values:
    """Return the logarithm of probabilities, those of zero as of 1e-12."""
    import numpy as np

    found: Values = np.log(np.maximum(probabilities, _TINY))
    return found


def temperature(probabilities: Values, truths: NDArray[np.int64]) -> float:
    """Return the temperature, of 0.05 to 20, by which probabilities fit the truths best.

    The one of least negative log likelihood (Guo et al., ICML 2017): log probabilities are divided
    by it.

    Args:
        probabilities: (N, C).
        truths: (N,) places in the classes.
    """
    from scipy.optimize import minimize_scalar

    logits = logarithm(probabilities)

    def loss(scale: float) -> float:
        fitted = logarithm(normalised(logits / math.exp(scale)))
        return -float(fitted[range(len(truths)), truths].mean())

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20)), method="bounded")
    return math.exp(found.x)


def calibrated(probabilities: Values, valid: Known) -> Values:
    """Return (N, C) probabilities at the temperature that fits the validation part."""
    return normalised(logarithm(probabilities) / temperature(valid.values, valid.truths))


def moved(probabilities: Values, ratio: Values) -> Values:
    """Return (N, C) probabilities under other priors: multiplied by (C,) ratios, and normalised."""
    weighted = probabilities * ratio
    total: Values = weighted.sum(axis=1, keepdims=True)
    return weighted / total


def prior(truths: NDArray[np.int64], classes: int) -> Values:
    """Return (C,) shares of the classes in some truths, with half a clip more for each."""
    import numpy as np

    counts = np.bincount(truths, minlength=classes).astype(np.float64) + 0.5
    shares: Values = counts / counts.sum()
    return shares
