"""Emotions as regions of arousal, valence and dominance, and what raters make of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from serbench.benchmarks.synthesis.voices import Voice

LOW, HIGH = 1.0, 7.0  # the rating scale
_SCALE = 3.0  # points of the rating scale for one unit of affect


class Affect(NamedTuple):
    """A point in the space of emotions.

    As the voice expresses it, 0 is nothing, 1 is strong and negative the opposite; as raters see
    it, it is in points of their scale.
    """

    arousal: float
    valence: float
    dominance: float


CENTRES: dict[str, Affect] = {
    "neutral": Affect(-0.10, 0.10, 0.00),
    "happy": Affect(0.40, 0.60, 0.20),
    "angry": Affect(0.55, -0.55, 0.50),
    "sad": Affect(-0.55, -0.45, -0.45),
}
SCATTER = 0.15  # standard deviation of a state around the centre of its emotion
RATING_NOISE = 0.5  # standard deviation of the raters' mean, points


def express(emotion: str, voice: Voice, rng: np.random.Generator) -> Affect:
    """Draw a state of an emotion, as strong as the speaker's expressiveness makes it."""
    state = np.asarray(CENTRES[emotion]) + SCATTER * rng.standard_normal(3)
    return Affect(*(voice.expressiveness * state))


def rate(affect: Affect, voice: Voice, rng: np.random.Generator) -> Affect:
    """Draw the raters' means: points of [1, 7] in tenths, around the speaker's own middle."""
    points = 4.0 + np.asarray(voice.middle) + _SCALE * np.asarray(affect)
    noisy = points + RATING_NOISE * rng.standard_normal(3)
    return Affect(*(float(value) for value in np.clip(noisy, LOW, HIGH).round(1)))
