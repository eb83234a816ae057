"""EmoTale: Danish and English acted speech, arousal, valence, dominance (Hjuler et al., 2025).

18 speakers (12 women and girls, 6 men; 9 to 39 years) say five sentences in five emotions: 450
clips in Danish, and by 14 of them 350 in English. Three annotators rate each clip from 1 to 5 in
steps of 0.5; the target is their mean (mean and deviation: arousal 2.95, 0.90; valence 2.61,
0.84; dominance 2.81, 0.78). Two annotators correlate with .71 to .76, .68 to .76 and .52 to .73.
`DK_004_A_5.wav` is Danish, speaker 004, anger, sentence 5. No defect is known: no clip is silent
or twice there, and file names and annotations agree on the intended emotion.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from serbench.benchmarks import Benchmark, Regression
from serbench.benchmarks.reading.layout import as_table, corpus_folder, numbers, read_csv
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

NAMES = ("EmoTale",)
OBTAIN = (
    "get it from its authors, https://github.com/snehadas/EmoTale, and lay it out as 'emotale' in "
    "the data folder: emotale/wav/DK_004_A_5.wav, annotations.csv and speaker_info.csv"
)
CITATION = (
    "Hjuler, Skat-Rørdam, Clemmensen, Das: EmoTale: An Enacted Speech-emotion Dataset in Danish. "
    "ASRU 2025, arXiv:2508.14548"
)

_DIMENSIONS = {"arousal": "A", "valence": "V", "dominance": "D"}
_SPEAKERS = {
    "DK": [f"{i:03}" for i in range(1, 20) if i != 2],
    "EN": [f"{i:03}" for i in range(1, 18) if i not in (2, 14, 15)],
}
_SENTENCES = {
    "DK": (
        "Dugen ligger på køleskabet.",
        "Det sorte ark papir er placeret deroppe ved siden af tømmerstykket.",
        "De bar det bare ovenpå og nu skal de ned igen.",
        "Det vil være på det sted, hvor vi altid opbevarer det.",
        "Om syv timer er det morgen.",
    ),
    "EN": (
        "The tablecloth is lying on the fridge.",
        "The black sheet of paper is located up there besides the piece of timber.",
        "They just carried it upstairs and now they are going down again.",
        "It will be in the place where we always store it.",
        "In seven hours it will be morning.",
    ),
}
# Six men speak Danish, so that every fold has one. Three of them speak English: with one in every
# fold a third of the speakers would be left to train on, so there two folds have women alone.
_FOLDS = {"all": 6, "DK": 6, "EN": 5}


def make(*, language: Literal["all", "DK", "EN"] = "all") -> Benchmark:
    """Return the benchmark.

    Args:
        language: "DK" (450 clips, 18 speakers), "EN" (350 clips, 14 of these speakers) or both.
    """
    folds = partial(protocols.speaker_folds, k=_FOLDS[language], balance=("gender",))
    return Benchmark(
        name="emotale",
        version="1" if language == "all" else f"1+{language}",
        task=Regression(tuple(_DIMENSIONS), low=1.0, high=5.0),
        read=partial(read, language=language),
        protocols={
            "speaker_folds": folds,
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "sentence_folds": partial(protocols.sentence_folds, balance=("gender",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
            "random_clips": protocols.random_clips,
        },
        folder="emotale",
        licence="none stated; do not redistribute",
        citation=CITATION,
        obtain=OBTAIN,
    )


def read(folder: Path | None, *, language: str = "all") -> DataFrame:
    """Return the table of the utterances, by language, speaker, emotion, sentence.

    Args:
        folder: as distributed.
        language: as of `make`.

    Raises:
        SerbenchError: files, or rows of its tables, are missing.
    """
    clips = [c for c in _clips() if language in ("all", c[:2])]
    tables = ["annotations.csv", "speaker_info.csv"]
    root = corpus_folder("emotale", folder, [*(f"wav/{c}.wav" for c in clips), *tables], OBTAIN)
    speakers = read_csv(root / tables[1], ["speaker", "gender"], _SPEAKERS["DK"])
    genders = speakers["gender"].map({"F": "female", "M": "male"})
    return as_table(
        {
            "utterance": clips,
            "path": [str(root / "wav" / f"{clip}.wav") for clip in clips],
            "speaker": [clip[3:6] for clip in clips],
            "gender": [genders[clip[3:6]] for clip in clips],
            "text": [_SENTENCES[clip[:2]][int(clip[9]) - 1] for clip in clips],
            **_targets(root / tables[0], clips),
        }
    )


def _clips() -> list[str]:
    return [
        f"{language}_{speaker}_{emotion}_{sentence}"
        for language, speakers in _SPEAKERS.items()
        for speaker in speakers
        for emotion in "ABHNS"
        for sentence in range(1, 6)
    ]


def _targets(path: Path, clips: list[str]) -> dict[str, NDArray[np.float64]]:
    """Return the mean of the three annotators for each dimension."""
    columns = {d: [f"a{i}_{letter}" for i in (1, 2, 3)] for d, letter in _DIMENSIONS.items()}
    needed = ["file", *(c for three in columns.values() for c in three)]
    ratings = read_csv(path, needed, [f"{clip}.wav" for clip in clips])
    values = pd.DataFrame({column: numbers(path, ratings[column]) for column in ratings})
    return {d: values[three].mean(axis=1, skipna=False).to_numpy() for d, three in columns.items()}
