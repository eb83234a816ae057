"""RAVDESS: English acted speech, 8 emotions, 24 speakers, 1440 clips (Livingstone, Russo, 2018).

24 actors (12 women, 12 men) say two sentences twice in eight emotions, all but neutral at two
intensities; 1.5 hours. The names tell all: in `03-01-06-01-02-01-12.wav` it is audio alone, speech,
fearful, normal intensity, the second sentence, its first repetition, actor 12; even numbers are
women. Of the release the speech is read; songs are left aside. No defect is known.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, corpus_folder
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("RAVDESS", "Ryerson Audio-Visual Database of Emotional Speech")
OBTAIN = (
    "download Audio_Speech_Actors_01-24.zip from https://zenodo.org/records/1188976 and unpack it "
    "as 'ravdess' in the data folder, so that ravdess/Actor_01 is there"
)
CITATION = (
    "Livingstone, Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
    "PLoS ONE 13(5), 2018, doi:10.1371/journal.pone.0196391"
)
BIBTEX = """@article{livingstone2018ravdess,
  author = {Livingstone, Steven R. and Russo, Frank A.},
  title = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS}): A dynamic,
           multimodal set of facial and vocal expressions in {North} {American} {English}},
  journal = {PLoS ONE},
  volume = {13},
  number = {5},
  pages = {e0196391},
  year = {2018},
  doi = {10.1371/journal.pone.0196391}
}"""

_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="ravdess",
        version="1",
        task=Classification(tuple(_EMOTIONS.values())),
        read=read,
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=6, balance=("gender",)),
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="ravdess",
        licence="CC BY-NC-SA 4.0",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 1440 utterances, by actor, emotion, intensity, sentence, repetition.

    Raises:
        SerbenchError: files are missing.
    """
    clips = _clips()
    parts = [clip.split("-") for clip in clips]
    names = [f"Actor_{part[6]}/{clip}.wav" for part, clip in zip(parts, clips, strict=True)]
    root = corpus_folder("ravdess", folder, names, OBTAIN)
    return as_table(
        {
            "utterance": clips,
            "path": [str(root / name) for name in names],
            "speaker": [part[6] for part in parts],
            "gender": ["male" if int(part[6]) % 2 else "female" for part in parts],
            "text": [_SENTENCES[part[4]] for part in parts],
            "emotion": [_EMOTIONS[part[2]] for part in parts],
            "intensity": ["strong" if part[3] == "02" else "normal" for part in parts],
        }
    )


def _clips() -> list[str]:
    return [
        f"03-01-{emotion}-{intensity}-{sentence}-{repetition}-{actor:02}"
        for actor in range(1, 25)
        for emotion in _EMOTIONS
        for intensity in (("01",) if emotion == "01" else ("01", "02"))
        for sentence in _SENTENCES
        for repetition in ("01", "02")
    ]
