"""SAVEE: English acted speech, 7 emotions, 4 speakers, 480 clips (Haq and Jackson, 2010).

Four men, students and researchers of 27 to 31 years, say 15 phonetically balanced sentences in six
emotions and 30 neutrally: `DC/a01.wav` is anger by speaker DC, sentence 1 (a, d, f, h, n, sa, su).
Half an hour. Three of the sentences are the same in all emotions, the others not. With four men the
folds are four, and what they say holds for no women. No defect is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, corpus_folder
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("SAVEE", "Surrey Audio-Visual Expressed Emotion")
OBTAIN = (
    "register at http://kahlan.eps.surrey.ac.uk/savee/Download.html and unpack its AudioData as "
    "'savee' in the data folder, so that savee/DC/a01.wav is there"
)
CITATION = (
    "Haq, Jackson: Multimodal Emotion Recognition. In: Machine Audition: Principles, Algorithms "
    "and Systems, IGI Global 2010, pp. 398-423, doi:10.4018/978-1-61520-919-4.ch017"
)
BIBTEX = """@incollection{haq2010multimodal,
  author = {Haq, Sanaul and Jackson, Philip J. B.},
  title = {Multimodal Emotion Recognition},
  booktitle = {Machine Audition: Principles, Algorithms and Systems},
  editor = {Wang, Wenwu},
  publisher = {IGI Global},
  pages = {398--423},
  year = {2010},
  doi = {10.4018/978-1-61520-919-4.ch017}
}"""

_EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
_SPEAKERS = ("DC", "JE", "JK", "KL")


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="savee",
        version="1",
        task=Classification(tuple(_EMOTIONS.values())),
        read=read,
        protocols={
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="savee",
        licence="research only, after registration; do not redistribute",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 480 utterances, by speaker, emotion, sentence; texts are not told.

    Raises:
        SerbenchError: files are missing.
    """
    clips = [
        (speaker, letter, f"{letter}{number:02}")
        for speaker in _SPEAKERS
        for letter in _EMOTIONS
        for number in range(1, 31 if letter == "n" else 16)
    ]
    names = [f"{speaker}/{clip}.wav" for speaker, _, clip in clips]
    root = corpus_folder("savee", folder, names, OBTAIN)
    return as_table(
        {
            "utterance": [f"{speaker}_{clip}" for speaker, _, clip in clips],
            "path": [str(root / name) for name in names],
            "speaker": [speaker for speaker, _, _ in clips],
            "gender": "male",
            "emotion": [_EMOTIONS[letter] for _, letter, _ in clips],
        }
    )
