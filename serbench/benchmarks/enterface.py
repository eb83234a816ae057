"""eNTERFACE'05: English acted speech, 6 emotions, 44 speakers, 1293 clips (Martin et al., 2006).

Students of 14 nations, about one in five a woman (who is not told), react to six short stories with
five sentences each, in English, most of them not their mother tongue; 1.2 hours. The release is
video: `subject 1/anger/sentence 1/s1_an_1.avi`. Known of it: subject 6 has no folders of sentences,
the files of subject 11 are named s12, those of subject 3 s_3, and one of subject 16 ends in `3avi`;
so speakers are read from the folders. Of subject 23 files are missing.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, corpus_files
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("eNTERFACE",)
OBTAIN = (
    "download project 2 from http://www.enterface.net/enterface05 and unpack it as 'enterface' in "
    "the data folder; its audio is taken out of the videos by: find enterface -name '*.avi' -exec "
    "sh -c 'ffmpeg -i \"$1\" -ac 1 \"${1%.avi}.wav\"' _ {} ';'"
)
CITATION = (
    "Martin, Kotsia, Macq, Pitas: The eNTERFACE'05 Audio-Visual Emotion Database. ICDE Workshops "
    "2006, doi:10.1109/ICDEW.2006.145"
)
BIBTEX = """@inproceedings{martin2006enterface,
  author = {Martin, O. and Kotsia, I. and Macq, B. and Pitas, I.},
  title = {The {eNTERFACE'05} Audio-Visual Emotion Database},
  booktitle = {22nd International Conference on Data Engineering Workshops (ICDEW)},
  year = {2006},
  doi = {10.1109/ICDEW.2006.145}
}"""

_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
_SPEAKERS, _LEAST, _MOST = 42, 1200, 1320


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="enterface",
        version="1",
        task=Classification(_EMOTIONS),
        read=read,
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=5),
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="enterface",
        licence="none stated; research",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the utterances, by path.

    Releases differ by a few clips, so that the number is bounded, not fixed.

    Raises:
        SerbenchError: speakers or many clips are missing, or the audio was not taken out.
    """
    files = corpus_files("enterface", folder, "subject */*/**/*.wav", OBTAIN)
    root = files[0].parents[len(files[0].relative_to(folder or files[0]).parts) - 1]
    places = [file.relative_to(root).parts for file in files]
    told = [
        (_number(place[0]), place[1].strip().lower(), _number(place[-1][-8:])) for place in places
    ]
    speakers = {speaker for speaker, _, _ in told}
    if len(speakers) < _SPEAKERS or not _LEAST <= len(files) <= _MOST:
        msg = (
            f"benchmark 'enterface': here are {len(files)} clips of {len(speakers)} subjects; the "
            f"corpus has {_SPEAKERS} to 44 subjects and about 1290 clips; {OBTAIN}"
        )
        raise SerbenchError(msg)
    return as_table(
        {
            "utterance": ["/".join(place).removesuffix(".wav") for place in places],
            "path": list(map(str, files)),
            "speaker": [f"subject {speaker}" for speaker, _, _ in told],
            "emotion": ["happiness" if emotion == "happy" else emotion for _, emotion, _ in told],
        }
    )


def _number(text: str) -> int:
    digits = re.findall(r"\d+", text)
    return int(digits[-1]) if digits else 0
