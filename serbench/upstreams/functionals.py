"""Functionals, one vector an utterance: ComParE 2016 by openSMILE, or a set of our own."""

from __future__ import annotations

from typing import Literal

from serbench.encoders import functionals
from serbench.upstreams import Upstream

PACKAGES = ("opensmile",)
"""Whose version counts as that of the code does."""


def make(*, set: Literal["own", "compare"] = "own") -> Upstream:
    """Return statistics of an utterance in the place of frames; the head needs means alone.

    Args:
        set: "own": mean, standard deviation, skewness and the quantiles 0.1, 0.5 and 0.9 over time
            of 13 MFCC with two orders of deltas, 234 in all, without pitch and voice quality.
            "compare": the 6373 of the ComParE challenges (Schuller et al., Interspeech 2016), by
            openSMILE, which is free for research alone: `pip install 'serbench[opensmile]'`.

    Raises:
        SerbenchError: openSMILE is not installed.
    """
    return functionals.functionals(set)
