"""EmoDB: German acted speech, 7 emotions, 10 speakers, 535 clips (Burkhardt et al., 2005).

Ten actors (five women, five men) say ten sentences in seven emotions; kept are the 535 clips that
listeners recognised and found natural. File names tell all: `03a01Fa.wav` is speaker 03, sentence
a01, happiness (Freude), take a. The later EmoDB 2.0 holds more takes: they are left aside.
No defect is known: no clip is silent, overdriven or twice there.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, corpus_folder
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = ("Emo-DB", "Berlin Database of Emotional Speech", "Berlin Emotional Speech Database")
OBTAIN = (
    "download http://emodb.bilderbar.info/download/download.zip and unpack it as 'emodb' in the "
    "data folder, so that emodb/wav/03a01Fa.wav is there"
)
CITATION = (
    "Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss: A Database of German Emotional Speech. "
    "Interspeech 2005, doi:10.21437/Interspeech.2005-446"
)

_EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
_MEN = frozenset({"03", "10", "11", "12", "15"})
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
# All clips as distributed: after each speaker the sentences, after each sentence emotion and take.
_CLIPS = """
03 a01 Fa Nc Wa a02 Fc Nc Ta Wb Wc a04 Ad Fd Lc Nc Ta Wc a05 Aa Fc Nd Tc Wa Wb a07 Fa Fb La Nc Wc
   b01 Fa Lb Nb Td Wa Wc b02 Aa La Na Tb Wb b03 Nb Tc Wc b09 La Nc Tc Wa b10 Ab Ec Na Nc Wb Wc
08 a01 Ab Fd Lc Na Wa Wc a02 Ab Ac Fe La Na Tb Wc a04 Ff La Nc Tb Wc a05 Fe Lc Nb Ta Wa a07 Fd La
   Na Ta Tb Wc b01 Aa Fd Fe Lb Na Wa b02 Ff La Nb Tc Wd b03 Fe Lc Nb Tc Wd b09 Ab Fd Lc Nb Tb Wa Wc
   b10 Aa Fd La Nc Tc Wa
09 a01 Ea Fa Nb Wb a02 Ea Eb La Wb a04 Fd La Nb Wa a05 Ed Lc Nb Tb Wb Wc a07 Eb Na Ta Wb Wd b01 Ea
   Na Wb b02 Na Tb Wc Wd b03 Ed Fa Fd Lb Nb Ta Wb b09 Ea Nd Wa b10 Aa Nd Wa
10 a01 Ac Nb Wa a02 Ab Fa Lb Na Wa a04 Fd Nb Wa Wb a05 Aa Ld Tb Wb a07 Aa Ad La Ta Wb b01 Aa Ea Fa
   Lb b02 Aa La Na Wb b03 La Tb Wb b09 Ad Lb Wb b10 Fc Lc Wa
11 a01 Aa Ab Ld Nd Wc a02 Ec Fb Ld Nc Tc Wc a04 Ac Fd Nd Wc a05 Ad Fb Fc Lc Na Td Wd a07 Ac Ld Ta
   Wc b01 Ab Eb Fc Lb Nc Wd b02 Ab Fd Na Td Wb b03 Fc Lc Nb Td Wa Wb b09 Ad Fd Ld Na Td Wa b10 Ad
   Ae Ld Nc Td Wa
12 a01 Fb Lb Nb Wc a02 Ac Ec Nb Wa Wc a04 Wc a05 Ab Lb Nd Ta Wb a07 Ac La Wa b01 Ta Wa b02 Ad Ea Fb
   Na Wa Wb Wd b03 La Ta b09 Ac Td Wc b10 Ac Ld Wa
13 a01 Ac Ea Ec Fd Lb Nb Wb a02 Ad Ec Fa Lc Nc Ta Wa a04 Ac Fc Lb Ta Wc a05 Aa Ea Lc Nb Tc Wa Wc
   a07 Fd Lb Na Tc Wb b01 Ab Ec Fc Ld Nc Wa b02 Fb Lc Nb Wa b03 Ac Ed Fd Lb Na Td Wc b09 Ab Ec Fb
   Fc La Na Wa b10 Ec Fa La Nc Wa Wc
14 a01 Aa Ac Ea Na Wa Wc a02 Ab Ea Fd La Nc Tb Wa Wc a04 Aa Ed Lb Tb Tc Wb Wc a05 Aa Ac Fa Fb Lb Na
   Ta Tc Wa Wb a07 Aa Eb Fd Lc Ld Na Tc Wc b01 Ac Eb Fa Fc Na Wc b02 Aa Fb Na Tc Wb Wd b03 Ad Ed Lb
   Ta Wb b09 Ac Ea Fc Lb Td Wa Wc b10 Ad Eb Lb Nb Tc Wc
15 a01 Ea Fb La Nb Wa a02 Ac Ea La Na Ta Wb Wd a04 Ab Ac Fd Nc Wa Wb a05 Eb Fb Lb Na Wa a07 Ac Eb
   Fa Fb Ld Nc b01 Ec Lb Na Wc b02 Aa Lb Nd Tc Wa Wc b03 Aa Lc Nb Tc Wa Wb b09 Ac Fa La Nb Ta Wb
   b10 Ac Lc Nb Nc Wa
16 a01 Ec Fc Lb Nc Tb Wb a02 Ea Ec Lb Nb Tc Wb a04 Ab Ea Fa La Lc Nc Tc Wb Wc a05 Ab Ea Fc La Tb Wb
   Wc a07 Ea Fa Fb La Lb Nb Td Wa b01 Aa Eb Fa La Lc Tb Wa Wb b02 Aa Eb Fd Lb Wb b03 Ad Ea Fa Fd La
   Nb Ta Wb b09 Ab Eb Fb La Lb Wb b10 Aa Eb Fb Lb Tb Td Wa Wb
"""


def make() -> Benchmark:
    """Return the benchmark."""
    balanced = partial(protocols.speaker_folds, k=5, balance=("gender",))
    return Benchmark(
        name="emodb",
        version="1",
        task=Classification(tuple(_EMOTIONS.values())),
        read=read,
        protocols={
            "speaker_folds": balanced,
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "sentence_folds": partial(protocols.sentence_folds, balance=("gender",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
            "random_clips": protocols.random_clips,
        },
        folder="emodb",
        licence="CC0 1.0",
        citation=CITATION,
        obtain=OBTAIN,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 535 utterances, by id.

    Raises:
        SerbenchError: files are missing.
    """
    clips = _clips()
    root = corpus_folder("emodb", folder, [f"wav/{clip}.wav" for clip in clips], OBTAIN)
    return as_table(
        {
            "utterance": clips,
            "path": [str(root / "wav" / f"{clip}.wav") for clip in clips],
            "speaker": [clip[:2] for clip in clips],
            "gender": ["male" if clip[:2] in _MEN else "female" for clip in clips],
            "text": [_SENTENCES[clip[2:5]] for clip in clips],
            "emotion": [_EMOTIONS[clip[5]] for clip in clips],
        }
    )


def _clips() -> list[str]:
    """Return the ids of all clips, such as 03a01Fa."""
    clips, speaker, sentence = [], "", ""
    for token in _CLIPS.split():
        if token.isdigit():
            speaker = token
        elif token in _SENTENCES:
            sentence = token
        else:
            clips.append(speaker + sentence + token)
    return clips
