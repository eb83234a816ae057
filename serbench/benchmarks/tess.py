"""TESS: English acted speech, 7 emotions, 2 speakers, 2800 clips (Pichora-Fuller, Dupuis, 2020).

Two actresses, of 26 (YAF) and 64 years (OAF), say "Say the word ..." with 200 words in seven
emotions; 1.6 hours: `OAF_back_angry.wav`. Two speakers cannot carry a speaker-independent claim:
train, validation and test need three at least, and what is learnt of one voice and tested on the
other is one draw. So the one protocol shares speakers, and says so; to test on it what was trained
on others, join corpora. One name has lost a letter (`OA_bite_neutral.wav`), which is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, check_counts, corpus_files, names_of
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("TESS", "Toronto Emotional Speech Set")
OBTAIN = (
    "download it from https://doi.org/10.5683/SP2/E8H2MF and unpack it as 'tess' in the data "
    "folder, so that the wav files lie in tess or in its folders"
)
CITATION = (
    "Pichora-Fuller, Dupuis: Toronto emotional speech set (TESS). Borealis 2020, "
    "doi:10.5683/SP2/E8H2MF"
)
BIBTEX = """@data{pichorafuller2020tess,
  author = {Pichora-Fuller, M. Kathleen and Dupuis, Kate},
  title = {{Toronto} emotional speech set ({TESS})},
  publisher = {Borealis},
  year = {2020},
  doi = {10.5683/SP2/E8H2MF}
}"""

_EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}
_FORM = r"(?P<speaker>OAF?|YAF)_(?P<word>[a-z-]+)_(?P<emotion>[a-z]+)"


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="tess",
        version="1",
        task=Classification(tuple(_EMOTIONS.values())),
        read=read,
        protocols={"speaker_dependent_random": protocols.speaker_dependent_random},
        folder="tess",
        licence="CC BY-NC-ND 4.0",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 2800 utterances, by id.

    Raises:
        SerbenchError: files are missing, or do not belong to it.
    """
    files = {path.stem: path for path in corpus_files("tess", folder, "**/*.wav", OBTAIN)}
    clips = sorted(files)
    told = names_of("tess", [files[clip] for clip in clips], _FORM, "OAF_back_angry.wav")
    emotions = [_EMOTIONS.get(each["emotion"], each["emotion"]) for each in told]
    check_counts("tess", emotions, dict.fromkeys(_EMOTIONS.values(), 400), "emotion", OBTAIN)
    return as_table(
        {
            "utterance": clips,
            "path": [str(files[clip]) for clip in clips],
            "speaker": [each["speaker"][:2] + "F" for each in told],
            "gender": "female",
            "text": [f"Say the word {each['word']}." for each in told],
            "emotion": emotions,
        }
    )
