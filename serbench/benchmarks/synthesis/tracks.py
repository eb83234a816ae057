"""The controls of an utterance over time: what is said, spoken as the delivery has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serbench.benchmarks.synthesis.delivery import Delivery
from serbench.benchmarks.synthesis.phones import FRICTIONS, Segment, segments, silence
from serbench.benchmarks.synthesis.sentences import LEXICON

Values = NDArray[np.float64]

FRAME_RATE = 200  # control frames a second
_NEUTRAL = (500.0, 1500.0, 2500.0)  # Hz, formants of the tract at rest
_KINDS = tuple(FRICTIONS)


@dataclass(frozen=True)
class Tracks:
    """Controls at `FRAME_RATE`, T frames.

    Attributes:
        pitch: (T,) Hz.
        formants: (T, 3) Hz.
        voicing: (T,) amplitude of the voice.
        aspiration: (T,) amplitude of the noise from the glottis.
        frication: (T,) amplitude of the noise from the mouth.
        friction: (T,) int, which of `phones.FRICTIONS` that noise is.
    """

    pitch: Values
    formants: Values
    voicing: Values
    aspiration: Values
    frication: Values
    friction: NDArray[np.int64]


def plan(text: str, delivery: Delivery, rng: np.random.Generator) -> Tracks:
    """Return the tracks of a sentence of the grammar.

    Each track is a staircase of targets, smoothed as slowly as what makes it moves: formants over
    50 ms, the larynx over 24 ms, noise at a constriction over 12 ms.
    """
    parts = _segments(text, rng)
    lengths = np.array([part.seconds for part in parts]) / delivery.rate * FRAME_RATE
    frames = np.maximum(lengths.round().astype(np.int64), 2)
    formants = np.repeat(_targets(parts), frames, axis=0) * delivery.formants
    voicing = _smooth(_steps([part.voicing for part in parts], frames), 0.024)
    aspiration = _smooth(_steps([part.aspiration for part in parts], frames), 0.024)
    frication = _smooth(_steps([part.frication for part in parts], frames), 0.012)
    return Tracks(
        pitch=_pitch(parts, frames, delivery, rng),
        formants=np.stack([_smooth(track, 0.05) for track in formants.T], axis=1),
        voicing=voicing * np.linspace(1.15, 0.75, len(voicing)),
        aspiration=aspiration + delivery.breath * voicing,
        frication=delivery.crispness * frication,
        friction=np.repeat([_KINDS.index(part.friction) for part in parts], frames),
    )


def _segments(text: str, rng: np.random.Generator) -> list[Segment]:
    """Return the segments of a sentence between two pauses; a comma is a short one."""
    clauses = [
        [part for word in clause.split() for phone in LEXICON[word] for part in segments(phone)]
        for clause in text.split(",")
    ]
    parts = [silence(rng.uniform(0.06, 0.14))]
    for clause in clauses:
        parts += [*_lengthened(clause), silence(rng.uniform(0.08, 0.16))]
    return parts


def _lengthened(clause: list[Segment]) -> list[Segment]:
    """Return a clause with its last vowel drawn out, as before every pause."""
    last = max(at for at, part in enumerate(clause) if part.voicing >= 0.7)
    drawn = clause[last]._replace(seconds=clause[last].seconds * 1.6)
    return [*clause[:last], drawn, *clause[last + 1 :]]


def _targets(parts: list[Segment]) -> Values:
    """Return (segments, 3) formants in Hz, those without any taking what follows."""
    targets, following = [], _NEUTRAL
    for part in reversed(parts):
        following = part.formants or following
        targets.append(following)
    return np.array(targets[::-1])


def _pitch(
    parts: list[Segment], frames: NDArray[np.int64], delivery: Delivery, rng: np.random.Generator
) -> Values:
    """Return (T,) Hz: declination, an accent on each stressed vowel, a final movement, drift."""
    total = int(frames.sum())
    time = np.arange(total) / FRAME_RATE
    middles = (np.cumsum(frames) - frames / 2) / FRAME_RATE
    stressed = [at for at, part in zip(middles, parts, strict=True) if part.stressed]
    heights = delivery.accent * rng.uniform(0.4, 1.2, len(stressed))
    distances = (time[:, None] - np.array(stressed)) / 0.08
    accents = np.sum(np.exp(-0.5 * distances**2) * heights, axis=1)
    declination = 0.6 * delivery.accent * np.linspace(1.0, -1.0, total)
    final = delivery.final / (1 + np.exp(-(time - (time[-1] - 0.22)) / 0.04))
    drift = 0.5 * _smooth(rng.standard_normal(total), 0.2) * np.sqrt(0.1 * FRAME_RATE)
    semitones = declination + accents + final + drift
    pitch: Values = delivery.pitch * 2 ** ((semitones - accents.mean()) / 12)
    return pitch


def _steps(values: list[float], frames: NDArray[np.int64]) -> Values:
    return np.repeat(np.array(values, float), frames)


def _smooth(track: Values, seconds: float) -> Values:
    """Return a track after a Hann window of a length in seconds, its ends held."""
    half = max(round(seconds * FRAME_RATE / 2), 1)
    window = np.hanning(2 * half + 3)[1:-1]
    held = np.pad(track, half, mode="edge")
    smooth: Values = np.convolve(held, window / window.sum(), mode="valid")
    return smooth
