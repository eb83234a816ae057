"""The rooms of the five sessions: a little reverberation, a microphone's colour, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from serbench.benchmarks.synthesis.waveform import RATE, Wave


@dataclass(frozen=True)
class Room:
    """Where a session was recorded.

    Attributes:
        decay: seconds in which an echo falls by 60 dB.
        wetness: amplitude of the echoes relative to the direct sound.
        colour: gain of the low frequencies of the microphone, less one.
        noise: dB below full scale, root mean square of the background.
    """

    decay: float
    wetness: float
    colour: float
    noise: float


ROOMS: dict[str, Room] = {
    "1": Room(0.15, 0.25, 0.0, -68.0),
    "2": Room(0.30, 0.35, 0.3, -64.0),
    "3": Room(0.20, 0.20, -0.2, -69.0),
    "4": Room(0.25, 0.30, -0.1, -62.0),
    "5": Room(0.12, 0.30, 0.15, -66.0),
}
_ECHOES = RATE // 8  # samples kept of them


def record(wave: Wave, room: Room, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return what the microphone of a room makes of a voice: (samples,) at `RATE`."""
    heard = fftconvolve(wave, _echoes(room))[: len(wave)]
    heard += room.colour * _low(heard)
    hum = rng.standard_normal(len(wave), np.float32)
    hum += 3 * _low(hum)
    heard += hum * (10 ** (room.noise / 20) / np.std(hum))
    samples: NDArray[np.int16] = np.clip(heard * 32768, -32768, 32767).round().astype(np.int16)
    return samples


@cache
def _echoes(room: Room) -> Wave:
    """Return the impulse response of a room, always the same."""
    seed = round(room.decay * 1000)  # no two rooms decay alike
    fading = 10 ** (-3 * np.arange(_ECHOES) / RATE / room.decay)
    echoes = np.random.default_rng(seed).standard_normal(_ECHOES) * fading
    echoes[:32] = 0
    echoes *= room.wetness / np.sqrt(np.sum(echoes**2))
    echoes[0] = 1
    return echoes.astype(np.float32)


def _low(wave: Wave) -> Wave:
    """Return what a voice has below about 500 Hz."""
    keep = np.float32(np.exp(-2 * np.pi * 500 / RATE))
    low: Wave = lfilter([1 - keep], np.array([1, -keep], np.float32), wave)
    return low
