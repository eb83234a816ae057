"""The synthesiser does what its controls say, measured in the sound."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz

from serbench.benchmarks.synthesis import affect, corpus, sentences
from serbench.benchmarks.synthesis.affect import Affect
from serbench.benchmarks.synthesis.delivery import Delivery, deliver
from serbench.benchmarks.synthesis.phones import FRICTIONS, segments
from serbench.benchmarks.synthesis.rooms import ROOMS, record
from serbench.benchmarks.synthesis.tracks import FRAME_RATE, Tracks, plan
from serbench.benchmarks.synthesis.voices import VOICES
from serbench.benchmarks.synthesis.waveform import RATE, speak

PLAIN = Delivery(
    pitch=110.0,
    accent=3.0,
    final=-3.0,
    rate=1.0,
    level=-26.0,
    brightness=3000.0,
    openness=0.6,
    breath=0.01,
    crispness=1.0,
    jitter=0.0,
    formants=(1.0, 1.0, 1.0),
    tract=1.0,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def sustained(
    formants: tuple[float, float, float] = (500.0, 1500.0, 2500.0),
    *,
    pitch: float = 110.0,
    voicing: float = 1.0,
    frication: float = 0.0,
    friction: str = "S",
    frames: int = 200,
) -> Tracks:
    return Tracks(
        pitch=np.full(frames, pitch),
        formants=np.tile(formants, (frames, 1)),
        voicing=np.full(frames, voicing),
        aspiration=np.full(frames, 0.01 * voicing),
        frication=np.full(frames, frication),
        friction=np.full(frames, list(FRICTIONS).index(friction)),
    )


def spectral_peaks(wave: np.ndarray, order: int = 18) -> list[float]:
    """Return the frequencies of the sharp resonances, by linear prediction."""
    flat = np.append(wave[0], wave[1:] - 0.9 * wave[:-1]) * np.hanning(len(wave))
    correlation = np.correlate(flat, flat, "full")[len(flat) - 1 :][: order + 1]
    roots = np.roots(np.append(1, -solve_toeplitz(correlation[:-1], correlation[1:])))
    sharp = roots[(roots.imag > 0) & (np.abs(roots) > 0.93)]
    return sorted(np.angle(sharp) * RATE / (2 * np.pi))


def centroid(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(wave), 1 / RATE)) / np.sum(power))


def pitch(wave: np.ndarray, low: float = 60.0, high: float = 400.0) -> float:
    correlation = np.fft.irfft(np.abs(np.fft.rfft(wave, 2 * len(wave))) ** 2)
    lags = np.arange(int(RATE / high), int(RATE / low))
    return float(RATE / lags[np.argmax(correlation[lags])])


def harmonicity(wave: np.ndarray) -> float:
    """Return the correlation of a wave of 100 Hz with itself one period later."""
    period = RATE // 100
    return float(np.corrcoef(wave[:-period], wave[period:])[0, 1])


@pytest.mark.parametrize(
    "formants",
    [(730.0, 1090.0, 2440.0), (390.0, 1990.0, 2550.0), (500.0, 1500.0, 2500.0)],
    ids=["AA", "IH", "neutral"],
)
def test_resonances_of_the_sound_are_the_formants(formants: tuple[float, float, float]) -> None:
    wave = speak(sustained(formants, pitch=100.0), PLAIN, rng())[RATE // 4 : RATE // 2]
    peaks = spectral_peaks(wave)
    for formant in formants:
        assert min(abs(peak / formant - 1) for peak in peaks) < 0.08


@pytest.mark.parametrize("hertz", [90.0, 133.0, 210.0, 287.0])
def test_pitch_of_the_sound_is_the_pitch(hertz: float) -> None:
    wave = speak(sustained(pitch=hertz), PLAIN, rng())[RATE // 4 : RATE // 2]
    assert pitch(wave) == pytest.approx(hertz, rel=0.01)


@pytest.mark.parametrize("level", [-20.0, -32.0])
def test_level_of_the_voice(level: float) -> None:
    wave = speak(sustained(), replace(PLAIN, level=level), rng())
    assert 20 * np.log10(np.sqrt(np.mean(wave**2))) == pytest.approx(level, abs=0.2)


def test_pitch_alone_does_not_make_louder_glottal_closures() -> None:
    peaks = []
    for hertz in (100.0, 200.0):
        half = sustained(pitch=100.0, frames=100), sustained(pitch=hertz, frames=100)
        both = Tracks(
            *(np.concatenate([getattr(h, f) for h in half]) for f in Tracks.__dataclass_fields__)
        )
        wave = speak(both, PLAIN, rng())
        first, second = wave[1600 : RATE // 2], wave[RATE // 2 + 1600 :]
        peaks.append(np.max(-second) / np.max(-first))
    assert peaks[0] == pytest.approx(1, abs=0.1)
    assert 0.5 < peaks[1] < 2


def test_brightness_lifts_the_upper_spectrum() -> None:
    dull, bright = (
        centroid(speak(sustained(), replace(PLAIN, brightness=hertz), rng()))
        for hertz in (800.0, 4000.0)
    )
    assert bright > 1.2 * dull


def test_breath_and_jitter_make_the_voice_less_harmonic() -> None:
    tracks = sustained(pitch=100.0)
    clean = harmonicity(speak(tracks, PLAIN, rng()))
    assert clean > 0.99
    assert harmonicity(speak(tracks, replace(PLAIN, jitter=0.02), rng())) < clean - 0.01
    breathy = replace(tracks, aspiration=np.full(200, 0.4))
    assert harmonicity(speak(breathy, PLAIN, rng())) < clean - 0.05


def test_noises_differ_in_centre_as_in_speech() -> None:
    def noise(friction: str) -> float:
        tracks = sustained(voicing=0.31, frication=3.0, friction=friction)
        return centroid(speak(tracks, PLAIN, rng()))

    assert noise("K") < noise("SH") < noise("S")
    assert noise("S") > 4500


def test_silence_between_words_is_silent_and_vowels_are_not() -> None:
    tracks = plan("she left the letter, how lovely", PLAIN, rng())
    wave = speak(tracks, PLAIN, rng())
    assert len(wave) == len(tracks.pitch) * RATE // FRAME_RATE
    power = np.mean(wave.reshape(len(tracks.pitch), -1) ** 2, axis=1)
    assert np.median(power[tracks.voicing > 0.8]) > 1e4 * np.median(power[:5])


def test_rate_and_tract_and_pitch_of_a_delivery_reach_the_tracks() -> None:
    text = "the window is by the door, as usual"
    slow = plan(text, PLAIN, rng())
    fast = plan(text, replace(PLAIN, rate=1.25, formants=(1.2, 1.2, 1.2), pitch=220.0), rng())
    assert len(slow.pitch) / len(fast.pitch) == pytest.approx(1.25, rel=0.05)
    assert np.allclose(fast.formants.mean(0) / slow.formants.mean(0), 1.2, rtol=0.03)
    assert np.median(fast.pitch) / np.median(slow.pitch) == pytest.approx(2, rel=0.05)


def test_a_rising_end_rises() -> None:
    last = [
        plan("he lost the key today", replace(PLAIN, final=final, accent=0.5), rng()).pitch[-1]
        for final in (-6.0, 6.0)
    ]
    assert last[1] / last[0] == pytest.approx(2 ** (12 / 12), rel=0.1)


def test_every_word_of_the_grammar_can_be_said() -> None:
    slots = [word for words in sentences.WORDS.values() for word in words]
    cues = [cue for cues in sentences.CUES.values() for cue in cues]
    carriers = [
        carrier.format(**dict.fromkeys(sentences.WORDS, "")) for carrier in sentences.CARRIERS
    ]
    used = set(" ".join([*slots, *cues, *carriers, *sentences.TIMES]).split())
    assert used == set(sentences.LEXICON)
    for phones in sentences.LEXICON.values():
        assert all(segment.seconds > 0 for phone in phones for segment in segments(phone))


def test_words_tell_something_but_not_all_of_the_emotion() -> None:
    generator = rng()
    of = {cue: emotion for emotion, cues in sentences.CUES.items() for cue in cues}
    for emotion in sentences.CUES:
        heard = [sentences.sentence(emotion, generator).partition(", ")[2] for _ in range(600)]
        told = Counter(of.get(cue, "nothing") for cue in heard)
        assert 0.3 < told["nothing"] / 600 < 0.5
        assert 0.33 < told[emotion] / 600 < 0.5
        assert all(told[other] > 5 for other in sentences.CUES)


@pytest.mark.parametrize("session", ROOMS)
def test_a_room_adds_its_noise_and_keeps_the_length(session: str) -> None:
    room = ROOMS[session]
    silence = record(np.zeros(RATE, np.float32), room, rng())
    assert silence.dtype == np.int16
    assert len(silence) == RATE
    level = 20 * np.log10(np.std(silence / 32768))
    assert level == pytest.approx(room.noise, abs=0.5)


def test_a_room_rings_after_a_click() -> None:
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.9
    heard = np.abs(record(click, ROOMS["2"], rng()).astype(float))
    assert np.argmax(heard) == 1000
    assert heard[1032:2000].mean() > 3 * heard[:1000].mean()


def test_the_lively_move_more_than_the_reserved() -> None:
    reserved, *_, lively = sorted(VOICES, key=lambda voice: voice.style)
    for voice in (reserved, lively):
        strong = affect.express("angry", voice, rng())
        unit = affect.express("angry", replace(voice, style=0.0), rng())
        assert np.allclose(np.divide(strong, unit), voice.expressiveness)
    assert lively.expressiveness > 1.5 * reserved.expressiveness


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.name)
def test_arousal_raises_pitch_level_and_speed_of_everyone(voice: object) -> None:
    assert isinstance(voice, type(VOICES[0]))
    calm, roused = (deliver(voice, Affect(arousal, 0.0, 0.0), rng()) for arousal in (-0.5, 0.5))
    assert roused.pitch > calm.pitch
    assert roused.accent > calm.accent
    assert roused.level > calm.level
    assert roused.rate > calm.rate
    assert roused.brightness > calm.brightness


def test_ratings_stay_on_the_scale_and_in_tenths() -> None:
    generator = rng()
    ratings = np.array(
        [
            affect.rate(Affect(*extreme), VOICES[0], generator)
            for extreme in ((3.0, -3.0, 0.1),) * 50
        ]
    )
    assert np.all(ratings[:, 0] == affect.HIGH)
    assert np.all(ratings[:, 1] == affect.LOW)
    assert np.array_equal(ratings, ratings.round(1))


def test_an_utterance_does_not_depend_on_those_before_it() -> None:
    voice, emotion = VOICES[3], "happy"
    again = [corpus.utter("x", voice, emotion, np.random.default_rng([1, 2])) for _ in range(2)]
    assert np.array_equal(again[0].sound, again[1].sound)
    assert again[0][:5] == again[1][:5]
    other = corpus.utter("x", voice, emotion, np.random.default_rng([1, 3]))
    assert not np.array_equal(again[0].sound[:8000], other.sound[:8000])
