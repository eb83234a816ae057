"""URDU: Urdu speech out of talk shows, 4 emotions, 38 speakers, 400 clips (Latif et al., 2018).

27 men and 11 women in unscripted television, 100 clips an emotion, a quarter of an hour:
`Angry/SM1_F10_A010.wav` is a man, 1, from show 10, clip 10 of anger. Speakers have between a few
and dozens of clips, and most of them not all emotions. Speakers may be heard together in a show,
which is not told. No defect is known.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, check_counts, corpus_files, names_of
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

# Urdu is the language.
NAMES = ("=URDU", "=urdu")
OBTAIN = (
    "clone https://github.com/siddiquelatif/URDU-Dataset as 'URDU-Dataset' in the data folder, so "
    "that URDU-Dataset/Angry is there"
)
CITATION = (
    "Latif, Qayyum, Usman, Qadir: Cross Lingual Speech Emotion Recognition: Urdu vs. Western "
    "Languages. FIT 2018, doi:10.1109/FIT.2018.00023"
)
BIBTEX = """@inproceedings{latif2018urdu,
  author = {Latif, Siddique and Qayyum, Adnan and Usman, Muhammad and Qadir, Junaid},
  title = {Cross Lingual Speech Emotion Recognition: {Urdu} vs. {Western} Languages},
  booktitle = {International Conference on Frontiers of Information Technology (FIT)},
  pages = {88--93},
  year = {2018},
  doi = {10.1109/FIT.2018.00023}
}"""

_EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
_FORM = r"(?P<speaker>S(?P<sex>[FM])\d+)_F\d+_(?P<emotion>[A-Z])\d+"


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="urdu",
        version="1",
        task=Classification(tuple(_EMOTIONS.values())),
        read=read,
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=5, balance=("gender",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="URDU-Dataset",
        licence="none stated; do not redistribute",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 400 utterances, by path.

    Raises:
        SerbenchError: files are missing, or do not belong to it.
    """
    files = corpus_files("urdu", folder, "*/*.wav", OBTAIN)
    told = names_of("urdu", files, _FORM, "SM1_F10_A010.wav")
    emotions = [_EMOTIONS.get(each["emotion"], each["emotion"]) for each in told]
    check_counts("urdu", emotions, dict.fromkeys(_EMOTIONS.values(), 100), "emotion", OBTAIN)
    return as_table(
        {
            "utterance": [file.stem for file in files],
            "path": list(map(str, files)),
            "speaker": [each["speaker"] for each in told],
            "gender": ["female" if each["sex"] == "F" else "male" for each in told],
            "emotion": emotions,
        }
    )
