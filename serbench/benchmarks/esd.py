"""ESD: English and Mandarin acted speech, 5 emotions, 20 speakers, 35000 clips (Zhou et al., 2021).

Ten speakers of each language say the same 350 sentences in five emotions, 29 hours:
`0011/Angry/0011_000351.wav`; 0001 to 0010 speak Mandarin, 0011 to 0020 English. It was made for
voice conversion: the train, evaluation and test folders that some copies have below the emotions
split sentences, not speakers, and are not used. Some lines of its texts are broken, in several
encodings: texts are not read. What is a sentence tells the number, which is the text here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, check_counts, corpus_files, names_of
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("ESD",)
NAMESAKES = ("ASVP-ESD",)
OBTAIN = (
    "ask for it at https://github.com/HLTSingapore/Emotional-Speech-Data and unpack it as 'ESD' in "
    "the data folder, so that ESD/0011/Angry is there"
)
CITATION = (
    "Zhou, Sisman, Liu, Li: Emotional voice conversion: Theory, databases and ESD. Speech "
    "Communication 137, 2022, doi:10.1016/j.specom.2021.11.006"
)
BIBTEX = """@article{zhou2022emotional,
  author = {Zhou, Kun and Sisman, Berrak and Liu, Rui and Li, Haizhou},
  title = {Emotional voice conversion: Theory, databases and {ESD}},
  journal = {Speech Communication},
  volume = {137},
  pages = {1--18},
  year = {2022},
  doi = {10.1016/j.specom.2021.11.006}
}"""

_EMOTIONS = {
    "Angry": "anger",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
_SPEAKERS = {"mandarin": range(1, 11), "english": range(11, 21)}
_MEN = frozenset({4, 5, 6, 8, 10, 11, 12, 13, 14, 20})
_SENTENCES = 350
_FORM = r"(?P<speaker>\d{4})_(?P<number>\d{6})"


def make(*, language: Literal["english", "mandarin"] = "english") -> Benchmark:
    """Return the benchmark.

    Args:
        language: of ten speakers and 17500 clips; no sentence is in both.
    """
    return Benchmark(
        name="esd",
        version="1" if language == "english" else f"1+{language}",
        task=Classification(tuple(_EMOTIONS.values())),
        read=partial(read, language=language),
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=5, balance=("gender",)),
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "sentence_folds": partial(protocols.sentence_folds, k=5, balance=("gender",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="ESD",
        licence="research only, by signed form; do not redistribute",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None, *, language: str = "english") -> DataFrame:
    """Return the table of the utterances of a language, by id.

    Args:
        folder: as unpacked.
        language: as of `make`.

    Raises:
        SerbenchError: files are missing, or do not belong to it.
    """
    everything = corpus_files("esd", folder, "00[012][0-9]/*/**/*.wav", OBTAIN)
    chosen = {f"{number:04}" for number in _SPEAKERS[language]}
    found = {f.stem: f for f in everything if f.stem[:4] in chosen and _folder(f) in _EMOTIONS}
    files = [found[clip] for clip in sorted(found)]
    told = names_of("esd", files, _FORM, "0011_000351.wav")
    speakers = [each["speaker"] for each in told]
    clips = dict.fromkeys(sorted(chosen), _SENTENCES * len(_EMOTIONS))
    check_counts("esd", speakers, clips, "speaker", OBTAIN)
    return as_table(
        {
            "utterance": [file.stem for file in files],
            "path": list(map(str, files)),
            "speaker": speakers,
            "gender": ["male" if int(speaker) in _MEN else "female" for speaker in speakers],
            "text": [f"sentence {(int(each['number']) - 1) % _SENTENCES + 1}" for each in told],
            "emotion": [_EMOTIONS[_folder(file)] for file in files],
        }
    )


def _folder(file: Path) -> str:
    """Return the folder of the emotion, which may have folders of parts in it."""
    above = file.parent.name
    return above if above in _EMOTIONS else file.parent.parent.name
