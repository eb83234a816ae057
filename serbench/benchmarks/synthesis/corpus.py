"""The corpus: who says what in which mood, each utterance from a generator of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serbench.benchmarks.synthesis.affect import Affect, express, rate
from serbench.benchmarks.synthesis.delivery import deliver
from serbench.benchmarks.synthesis.rooms import ROOMS, record
from serbench.benchmarks.synthesis.sentences import sentence
from serbench.benchmarks.synthesis.tracks import plan
from serbench.benchmarks.synthesis.voices import VOICES, Voice
from serbench.benchmarks.synthesis.waveform import speak

SEED = 2023


class Utterance(NamedTuple):
    """What is known of an utterance.

    Attributes:
        name: unique id.
        voice: the speaker.
        text: what is said.
        emotion: a key of `affect.CENTRES`.
        rating: arousal, valence and dominance on the raters' scale.
        sound: (samples,) 16 bit, at `waveform.RATE`.
    """

    name: str
    voice: Voice
    text: str
    emotion: str
    rating: Affect
    sound: NDArray[np.int16]


def utterances() -> Iterator[Utterance]:
    """Yield all utterances, speaker by speaker, always the same."""
    for number, voice in enumerate(VOICES, start=1):
        emotions = [emotion for emotion, count in voice.counts.items() for _ in range(count)]
        np.random.default_rng([SEED, number]).shuffle(emotions)
        for index, emotion in enumerate(emotions, start=1):
            rng = np.random.default_rng([SEED, number, index])
            yield utter(f"{voice.name}_{index:02d}", voice, emotion, rng)


def utter(name: str, voice: Voice, emotion: str, rng: np.random.Generator) -> Utterance:
    """Return one utterance of a speaker; words and ratings do not depend on how sound is made."""
    affect = express(emotion, voice, rng)
    rating = rate(affect, voice, rng)
    text = sentence(emotion, rng)
    delivery = deliver(voice, affect, rng)
    wave = speak(plan(text, delivery, rng), delivery, rng)
    return Utterance(name, voice, text, emotion, rating, record(wave, ROOMS[voice.session], rng))
