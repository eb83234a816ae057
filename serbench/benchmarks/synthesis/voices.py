"""The ten speakers: their vocal tracts, their habits, and how a mood moves their voices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """A speaker.

    One number, `style`, from reserved (-1) to lively (1), stands behind how the speaker sounds at
    rest and behind how the speaker's utterances are rated, so that speakers who sound alike have
    similar distributions of labels.

    Attributes:
        name: speaker id.
        session: whom the speaker was recorded with.
        gender: "female" or "male".
        pitch: Hz, habitual fundamental frequency.
        tract: formant frequencies relative to a man's of average size.
        loudness: dB, habitual level relative to the others'.
        brightness: Hz, habitual corner above which the voice gets weaker.
        melody: how much of a mood goes into pitch, from 0 to 2; the rest goes into effort.
        style: from -1 to 1.
    """

    name: str
    session: str
    gender: str
    pitch: float
    tract: float
    loudness: float
    brightness: float
    melody: float
    style: float

    @property
    def expressiveness(self) -> float:
        """How strongly a mood moves the voice: 0.6 (reserved) to 1.4 (lively)."""
        return 1.0 + 0.4 * self.style

    @property
    def middle(self) -> tuple[float, float, float]:
        """How far this speaker's average ratings lie from the scale's middle, points."""
        return 0.5 * self.style, 0.5 * self.style, 0.4 * self.style

    @property
    def counts(self) -> dict[str, int]:
        """Utterances of each emotion, 44 altogether: lively speakers are more often aroused."""
        shift = round(6 * self.style)
        return {
            "neutral": 12 - shift,
            "happy": 11 + shift,
            "angry": 10 + shift // 2,
            "sad": 11 - shift // 2,
        }


# at rest, the reserved are louder and brighter: who takes that for arousal errs from speaker to
# speaker, and calibration by similar speakers mends it
VOICES: tuple[Voice, ...] = (
    Voice("s1f", "1", "female", 205.0, 1.17, -3.5, 1200.0, 1.4, 0.8),
    Voice("s1m", "1", "male", 112.0, 1.01, 3.5, 2500.0, 0.6, -0.5),
    Voice("s2f", "2", "female", 188.0, 1.13, 2.0, 2700.0, 0.8, -0.9),
    Voice("s2m", "2", "male", 128.0, 1.03, -2.5, 1700.0, 1.4, 0.6),
    Voice("s3f", "3", "female", 214.0, 1.19, 0.0, 2000.0, 0.6, 0.2),
    Voice("s3m", "3", "male", 104.0, 0.97, 0.0, 2000.0, 1.2, 0.0),
    Voice("s4f", "4", "female", 196.0, 1.15, -0.5, 2300.0, 1.4, -0.3),
    Voice("s4m", "4", "male", 118.0, 1.00, -5.0, 1600.0, 0.7, 1.0),
    Voice("s5f", "5", "female", 222.0, 1.20, -1.0, 2300.0, 0.9, 0.5),
    Voice("s5m", "5", "male", 98.0, 0.98, 2.0, 1900.0, 1.3, -0.8),
)
