"""EMOVO: Italian acted speech, 7 emotions, 6 speakers, 588 clips (Costantini et al., 2014).

Six actors (three women, three men) say 14 sentences in seven emotions; half an hour. In
`f1/dis-f1-b1.wav` the woman f1 says sentence b1 with disgust. Six speakers make three folds of a
woman and a man each, or six. No defect is known.
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

NAMES = ("EMOVO",)
OBTAIN = (
    "download EMOVO from http://voice.fub.it/activities/corpora/emovo/index.html and unpack it as "
    "'emovo' in the data folder, so that emovo/f1/dis-f1-b1.wav is there"
)
CITATION = (
    "Costantini, Iaderola, Paoloni, Todisco: EMOVO Corpus: an Italian Emotional Speech Database. "
    "LREC 2014, pp. 3501-3504"
)
BIBTEX = """@inproceedings{costantini2014emovo,
  author = {Costantini, Giovanni and Iaderola, Iacopo and Paoloni, Andrea and
            Todisco, Massimiliano},
  title = {{EMOVO} Corpus: an {Italian} Emotional Speech Database},
  booktitle = {Proceedings of LREC 2014},
  pages = {3501--3504},
  year = {2014}
}"""

_EMOTIONS = {
    "dis": "disgust",
    "gio": "happiness",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
_FORM = r"(?P<emotion>[a-z]{3})-(?P<speaker>[fm][123])-(?P<sentence>[a-z]\d)"


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="emovo",
        version="1",
        task=Classification(tuple(_EMOTIONS.values())),
        read=read,
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=3, balance=("gender",)),
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="emovo",
        licence="free for research; none stated",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 588 utterances, by path; the text is the name of the sentence.

    Raises:
        SerbenchError: files are missing, or do not belong to it.
    """
    files = corpus_files("emovo", folder, "[fm]?/*.wav", OBTAIN)
    told = names_of("emovo", files, _FORM, "dis-f1-b1.wav")
    emotions = [_EMOTIONS.get(each["emotion"], each["emotion"]) for each in told]
    check_counts("emovo", emotions, dict.fromkeys(_EMOTIONS.values(), 84), "emotion", OBTAIN)
    return as_table(
        {
            "utterance": [file.stem for file in files],
            "path": list(map(str, files)),
            "speaker": [each["speaker"] for each in told],
            "gender": ["female" if each["speaker"][0] == "f" else "male" for each in told],
            "text": [f"sentence {each['sentence']}" for each in told],
            "emotion": emotions,
        }
    )
