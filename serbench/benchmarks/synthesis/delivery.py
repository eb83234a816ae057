"""From a speaker and a state to the way one utterance is spoken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serbench.benchmarks.synthesis.affect import Affect
from serbench.benchmarks.synthesis.voices import Voice


@dataclass(frozen=True)
class Delivery:
    """How one utterance is spoken.

    Attributes:
        pitch: Hz, middle of the fundamental frequency.
        accent: semitones, height of a pitch accent.
        final: semitones, movement over the last syllable; positive rises.
        rate: speed, 1 is that of `phones`.
        level: dB below full scale, root mean square of the voiced parts.
        brightness: Hz, above which the voice loses 6 dB an octave more.
        openness: part of each glottal cycle that is open, in (0, 1).
        breath: amplitude of the noise in the voice, relative to it.
        crispness: factor of the noise at constrictions.
        jitter: relative standard deviation of a glottal period.
        formants: factor of each of F1, F2, F3.
        tract: factor of all higher formants and of the fricatives' noise.
    """

    pitch: float
    accent: float
    final: float
    rate: float
    level: float
    brightness: float
    openness: float
    breath: float
    crispness: float
    jitter: float
    formants: tuple[float, float, float]
    tract: float


def deliver(voice: Voice, affect: Affect, rng: np.random.Generator) -> Delivery:
    """Return how the speaker says something in this state; no two utterances are alike.

    Arousal raises pitch, its range, speed, level and brightness; valence spreads the lips (higher
    F2 and F3), lifts accents and endings and smooths the voice; dominance makes it louder, more
    pressed and lower (Juslin and Laukka, Psychological Bulletin 129, 2003; Goudbeek and Scherer,
    JASA 128, 2010). A lively style sounds quick and crisp, a reserved one breathy.
    """
    style, (arousal, valence, dominance) = voice.style, affect
    chance = rng.standard_normal(10)
    melody, effort = voice.melody, 2.0 - voice.melody
    smile = 1.0 + 0.05 * valence + 0.01 * chance[0]
    jaw = 1.0 + 0.06 * arousal + 0.015 * chance[1]
    semitones = melody * (4.0 * arousal - 1.5 * dominance) + 1.0 * valence + 0.8 * chance[2]
    force = effort * (0.6 * arousal + 0.4 * dominance)
    return Delivery(
        pitch=voice.pitch * 2 ** (semitones / 12),
        accent=3.0
        * np.exp(0.2 * style + 0.4 * melody * arousal + 0.3 * valence + 0.15 * chance[3]),
        final=-3.0 + 4.0 * valence - 2.0 * dominance + 1.5 * chance[4],
        rate=np.exp(0.1 * style + 0.15 * arousal + 0.08 * chance[5]),
        level=-28.0 + voice.loudness + 6.0 * force + 1.5 * chance[6],
        brightness=voice.brightness * np.exp(0.8 * force + 0.15 * chance[7]),
        openness=float(np.clip(0.6 - 0.15 * dominance - 0.05 * arousal, 0.4, 0.85)),
        breath=0.06 * np.exp(-0.9 * style - 0.4 * dominance - 0.4 * valence + 0.2 * chance[8]),
        crispness=np.exp(0.6 * style + 0.3 * effort * dominance + 0.1 * chance[9]),
        jitter=0.008 * np.exp(-0.8 * valence),
        formants=(voice.tract * jaw, voice.tract * smile, voice.tract * smile),
        tract=voice.tract,
    )
