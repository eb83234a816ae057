"""Source and filter: glottal pulses and noise through a moving vocal tract.

The voice is a sum of glottal pulses, each with the spectrum of the causal/anticausal linear model
(Doval, d'Alessandro and Henrich, "The voice source as a causal/anticausal linear filter", VOQUAL
2003) times that of the tract's formants at its instant. Noise is shaped frame by frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from serbench.benchmarks.synthesis.delivery import Delivery
from serbench.benchmarks.synthesis.phones import FRICTIONS
from serbench.benchmarks.synthesis.tracks import FRAME_RATE, Tracks

RATE = 16000  # Hz

Wave = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Values = NDArray[np.float64]

_HOP = RATE // FRAME_RATE
_PULSE = 1024  # samples of a pulse with its echoes in the tract
_LEAD = 320  # samples of it before the glottis closes
_NOISE = 480  # samples of a frame of noise with its echoes
_SUBSAMPLES = 32
_WIDTHS = np.array([70.0, 100.0, 150.0])  # Hz, bandwidths of F1 to F3
_UPPER = np.array([[3500.0, 4500.0, 5500.0, 6500.0]])  # Hz, of a tube of 17.5 cm
_UPPER_WIDTHS = np.array([[250.0, 350.0, 450.0, 600.0]])
_DELAYS = np.arange(_SUBSAMPLES)[:, None] / _SUBSAMPLES
_TURN = np.exp(-2j * np.pi * np.arange(_PULSE // 2 + 1) / _PULSE)
_SHIFTS = (_TURN**_DELAYS).astype(np.complex64)  # the spectra of delays by less than a sample


def speak(tracks: Tracks, delivery: Delivery, rng: np.random.Generator) -> Wave:
    """Return the sound of an utterance: (samples,) at `RATE`, voiced parts at `delivery.level`."""
    cycles = np.cumsum(tracks.pitch) / FRAME_RATE
    voice = _voice(tracks, cycles, delivery, rng)
    voiced = np.count_nonzero(tracks.voicing > 0.3) * _HOP
    voice /= np.sqrt(np.sum(voice**2) / voiced)
    wave = voice + _noise(tracks, cycles, delivery, rng)
    return wave * np.float32(10 ** (delivery.level / 20))


def _voice(tracks: Tracks, cycles: Values, delivery: Delivery, rng: np.random.Generator) -> Wave:
    """Return the sum of all glottal pulses, (samples,)."""
    at = np.interp(np.arange(1, int(cycles[-1])), cycles, np.arange(len(cycles)))
    at = at[tracks.voicing[at.astype(np.int64)] > 0.01]
    nearest = at.astype(np.int64)
    chance = rng.standard_normal((2, len(at)))
    times = at * _HOP + delivery.jitter * chance[0] * RATE / tracks.pitch[nearest]
    whole = np.floor(times).astype(np.int64)
    tract = _tract(tracks.formants[nearest], delivery.tract, _PULSE)
    spectra = tract * _glottis(tracks.pitch[nearest], delivery)
    spectra *= _SHIFTS[((times - whole) * _SUBSAMPLES).astype(np.int64)]
    amplitudes = tracks.voicing[nearest] * (1 + 5 * delivery.jitter * chance[1])
    pulses = fft.irfft(spectra, _PULSE) * _column(amplitudes)
    wave = np.zeros(len(cycles) * _HOP + 2 * _PULSE, np.float32)
    for start, pulse in zip(whole + _PULSE - _LEAD, pulses, strict=True):
        wave[start : start + _PULSE] += pulse
    return wave[_PULSE : _PULSE + len(cycles) * _HOP]


def _glottis(pitch: Values, delivery: Delivery) -> Spectra:
    """Return (pulses, bins) spectra of the glottal flow as it radiates, closing at `_LEAD`."""
    asymmetry = 0.67
    centre = pitch / (2 * delivery.openness)
    width = -pitch / (delivery.openness * np.tan(np.pi * asymmetry))
    opening = np.conj(_resonance(centre[:, None], width[:, None], _PULSE))
    fall = np.exp(-2 * np.pi * delivery.brightness / RATE)
    closing = (1 - fall) / (1 - fall * _TURN) * (1 - _TURN) * _TURN**_LEAD
    # the closure would be the stronger the higher the pitch, by its square
    even = _column((delivery.pitch / pitch) ** 2)
    spectra: Spectra = opening * closing.astype(np.complex64) * even
    return spectra


def _tract(formants: Values, scale: float, size: int) -> Spectra:
    """Return (N, size // 2 + 1) spectra of the tract for (N, 3) formants in Hz."""
    widths = np.broadcast_to(_WIDTHS, formants.shape)
    upper = _resonance(_UPPER * scale, _UPPER_WIDTHS, size)
    return _resonance(formants, widths, size) * upper


def _resonance(centres: Values, widths: Values, size: int) -> Spectra:
    """Return (N, size // 2 + 1) spectra of (N, K) resonators in cascade, each 1 at 0 Hz."""
    radius = np.exp(-np.pi * widths / RATE)
    first = -2 * radius * np.cos(2 * np.pi * centres / RATE)
    second = radius**2
    polynomial = np.zeros((len(centres), 2 * centres.shape[1] + 1))
    polynomial[:, 0] = np.prod(1 / (1 + first + second), axis=1)
    for b, c in zip(first.T[:, :, None], second.T[:, :, None], strict=True):
        polynomial[:, 2:] += b * polynomial[:, 1:-1] + c * polynomial[:, :-2]
        polynomial[:, 1] += b[:, 0] * polynomial[:, 0]
    spectra: Spectra = 1 / fft.rfft(polynomial.astype(np.float32), size)
    return spectra


def _noise(tracks: Tracks, cycles: Values, delivery: Delivery, rng: np.random.Generator) -> Wave:
    """Return breath and friction, (samples,), both relative to a voice of root mean square 1."""
    samples = len(cycles) * _HOP
    at = np.arange(-_HOP, samples) / _HOP
    # while the voice sounds, air passes mostly before the glottis closes
    depth = 0.5 * np.minimum(tracks.voicing, 1)
    puffs = 1 - _between(depth, at) * np.sin(2 * np.pi * _between(cycles, at))
    air = puffs.astype(np.float32) * rng.standard_normal(len(at), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(air, 2 * _HOP)[::_HOP]
    shape = _column(tracks.aspiration) * _levelled(_tract(tracks.formants, delivery.tract, _NOISE))
    shape += _column(tracks.frication) * _frictions(delivery.tract)[tracks.friction]
    window = np.hanning(2 * _HOP + 1)[:-1].astype(np.float32)
    wave = _overlap(fft.rfft(frames * window, _NOISE) * shape)
    return wave[_HOP : _HOP + samples]


def _frictions(scale: float) -> Spectra:
    """Return (kinds, bins) spectra of the noises of `FRICTIONS`, without their lowest part."""
    centres, widths = np.array(list(FRICTIONS.values())).T[:, :, None]
    turn = np.exp(-2j * np.pi * np.arange(_NOISE // 2 + 1) / _NOISE).astype(np.complex64)
    spectra = _resonance(np.minimum(centres * scale, 7500.0), widths, _NOISE) * (1 - turn)
    return np.stack([_levelled(spectrum) for spectrum in spectra])


def _levelled(spectra: Spectra) -> Spectra:
    """Return spectra that together leave the power of white noise as it is."""
    power = np.mean(np.square(spectra.real)) + np.mean(np.square(spectra.imag))
    level: Spectra = spectra / np.sqrt(power)
    return level


def _overlap(spectra: Spectra) -> Wave:
    """Return the sum of (frames, bins) spectra as frames `_HOP` samples apart."""
    frames = fft.irfft(spectra, _NOISE)
    wave = np.zeros(len(frames) * _HOP + _NOISE, np.float32)
    for start in range(0, _NOISE, _HOP):
        wave[start : start + len(frames) * _HOP] += frames[:, start : start + _HOP].ravel()
    return wave


def _between(track: Values, at: Values) -> Values:
    return np.interp(at, np.arange(len(track)), track)


def _column(track: Values) -> Wave:
    return track[:, None].astype(np.float32)
