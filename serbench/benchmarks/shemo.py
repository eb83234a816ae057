"""ShEMO: Persian speech out of radio plays, 6 emotions, 87 speakers, 3000 clips (2019).

31 women and 56 men, 3.4 hours, each clip named by most of twelve raters: anger 1059, neutral 1028,
sadness 449, surprise 225, happiness 201, fear 38. `female/F01A01.wav` is woman 1, anger, clip 1.
With so little fear a fold may have none; `emotions=5` leaves it out, as many papers do. A version
with other file names and corrected transcripts is about: this is the original. No defect is known.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import (
    as_table,
    check_counts,
    corpus_files,
    names_of,
    only,
)
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("ShEMO", "Sharif Emotional Speech Database")
OBTAIN = (
    "download female.zip and male.zip from https://github.com/mansourehk/ShEMO and unpack them "
    "into a folder 'ShEMO' in the data folder, so that ShEMO/female/F01A01.wav is there"
)
CITATION = (
    "Mohamad Nezami, Jamshid Lou, Karami: ShEMO: a large-scale validated database for Persian "
    "speech emotion detection. Language Resources and Evaluation 53, 2019, "
    "doi:10.1007/s10579-018-9427-x"
)
BIBTEX = """@article{nezami2019shemo,
  author = {Mohamad Nezami, Omid and Jamshid Lou, Paria and Karami, Mansoureh},
  title = {{ShEMO}: a large-scale validated database for {Persian} speech emotion detection},
  journal = {Language Resources and Evaluation},
  volume = {53},
  pages = {1--16},
  year = {2019},
  doi = {10.1007/s10579-018-9427-x}
}"""

_EMOTIONS = {
    "A": "anger",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "W": "surprise",
}
_COUNTS = {
    "anger": 1059,
    "fear": 38,
    "happiness": 201,
    "neutral": 1028,
    "sadness": 449,
    "surprise": 225,
}
_FORM = r"(?P<speaker>(?P<sex>[FM])\d\d)(?P<emotion>[A-Z])\d+"


def make(*, emotions: Literal[6, 5] = 6) -> Benchmark:
    """Return the benchmark.

    Args:
        emotions: 6, or 5 without the 38 clips of fear.
    """
    labels = tuple(label for label in _EMOTIONS.values() if emotions == 6 or label != "fear")
    return Benchmark(
        name="shemo",
        version="1" if emotions == 6 else "1+5",
        task=Classification(labels),
        read=partial(read, labels=labels),
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=5, balance=("gender",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="ShEMO",
        licence="none stated; research",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None, *, labels: tuple[str, ...] = tuple(_COUNTS)) -> DataFrame:
    """Return the table of the utterances, by path.

    Args:
        folder: as unpacked.
        labels: those of `make`.

    Raises:
        SerbenchError: files are missing, or do not belong to it.
    """
    files = corpus_files("shemo", folder, "*male/*.wav", OBTAIN)
    told = names_of("shemo", files, _FORM, "F01A01.wav")
    emotions = [_EMOTIONS.get(each["emotion"], each["emotion"]) for each in told]
    check_counts("shemo", emotions, _COUNTS, "emotion", OBTAIN)
    table = as_table(
        {
            "utterance": [file.stem for file in files],
            "path": list(map(str, files)),
            "speaker": [each["speaker"] for each in told],
            "gender": ["female" if each["sex"] == "F" else "male" for each in told],
            "emotion": emotions,
        }
    )
    return only(table, table["emotion"].isin(labels), table["emotion"])
