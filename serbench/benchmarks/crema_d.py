"""CREMA-D: English acted speech, 6 emotions, 91 speakers, 7442 clips (Cao et al., 2014).

91 actors (43 women, 48 men) of 20 to 74 years say 12 sentences in six emotions; one sentence also
at three levels of intensity. File names tell speaker, sentence, intended emotion and level:
`1001_IEO_ANG_LO.wav`. Crowds voted on what they heard, saw, or both: the majority of those who
heard the voice alone is the intended emotion for 42 % of the clips, and "neutral" for half.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, corpus_folder, read_csv
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pandas import DataFrame

OBTAIN = (
    "clone https://github.com/CheyneyComputerScience/CREMA-D with Git LFS as 'crema-d' in the data "
    "folder; needed are crema-d/AudioWAV, VideoDemographics.csv and processedResults"
)
CITATION = (
    "Cao, Cooper, Keutmann, Gur, Nenkova, Verma: CREMA-D: Crowd-sourced Emotional Multimodal "
    "Actors Dataset. IEEE Transactions on Affective Computing 5(4), 2014, "
    "doi:10.1109/TAFFC.2014.2336244"
)

_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_SENTENCES = {
    "DFA": "Don't forget a jacket.",
    "IEO": "It's eleven o'clock.",
    "IOM": "I'm on my way to the meeting.",
    "ITH": "I think I have a doctor's appointment.",
    "ITS": "I think I've seen this before.",
    "IWL": "I would like a new alarm clock.",
    "IWW": "I wonder what this is about.",
    "MTI": "Maybe tomorrow it will be cold.",
    "TAI": "The airplane is almost full.",
    "TIE": "That is exactly what happened.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
_SPEAKERS = range(1001, 1092)
_NEVER_RECORDED = frozenset(
    {"1002_TIE_NEU_XX", "1076_ITS_NEU_XX"}
    | {
        f"{said}_{emotion}_XX"
        for said in ("1008_WSI", "1009_MTI", "1019_ITH")
        for emotion in _EMOTIONS
    }
)
# In copies from before October 2022.
_OLD_NAMES = {"1040_ITH_SAD_XX": "1040_ITH_SAD_X"}


def _twins(first: str, second: str, what: str) -> dict[str, str]:
    return {first: f"{what} as {second}", second: f"{what} as {first}"}


# Silence and identical samples show in any audit. The takes that were cut out twice were found by
# the correlation of all clips of a speaker (.95 and more where they overlap, else below .65); which
# sentence they say, by a classifier of sentences that is right for 99.7 % of the corpus.
KNOWN_DEFECTS = {
    "1076_MTI_SAD_XX": "the recording is silent",
    **_twins("1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "the same recording"),
    **_twins("1013_WSI_DIS_XX", "1013_WSI_SAD_XX", "the same recording"),
    **_twins("1017_IWW_ANG_XX", "1017_IWW_FEA_XX", "the same recording"),
    **_twins("1017_IWL_ANG_XX", "1017_IWL_FEA_XX", "the same take, cut otherwise,"),
    **_twins("1020_IEO_ANG_LO", "1020_IEO_ANG_MD", "the same take, cut otherwise,"),
    **_twins("1028_IEO_HAP_LO", "1028_IEO_HAP_MD", "the same take, cut otherwise,"),
    **_twins("1067_IEO_DIS_LO", "1067_IEO_FEA_LO", "the same take, cut otherwise,"),
    "1045_ITH_DIS_XX": "the same take, cut otherwise, as 1045_IWL_DIS_XX",
    "1045_IWL_DIS_XX": "the take of 1045_ITH_DIS_XX: another sentence than its name says",
    "1056_MTI_ANG_XX": "the same take, cut otherwise, as 1056_TAI_ANG_XX",
    "1056_TAI_ANG_XX": "the take of 1056_MTI_ANG_XX: another sentence than its name says",
    "1072_IEO_ANG_LO": "the same take as the first one in 1072_IEO_DIS_MD",
    "1072_IEO_ANG_MD": "the same take as the second one in 1072_IEO_DIS_MD",
    "1072_IEO_DIS_MD": "two takes, those of 1072_IEO_ANG_LO and 1072_IEO_ANG_MD",
}
# The one of them on which those who heard the voice alone do not agree.
_TIED = "1067_IEO_FEA_LO"


def make(*, labels: Literal["intended", "voice"] = "intended") -> Benchmark:
    """Return the benchmark.

    Args:
        labels: "intended": what the actor was asked for (1271 clips each of five emotions, 1087
            neutral). "voice": what most of those said who heard the voice alone; the 644 clips
            with a tie are dropped, 6798 are left (neutral 3897, anger 986, fear 645, disgust 547,
            sadness 370, happiness 353).
    """
    dropped = _TIED if labels == "voice" else ""
    return Benchmark(
        name="crema_d",
        version="1" if labels == "intended" else f"1+{labels}",
        task=Classification(tuple(_EMOTIONS.values())),
        read=partial(read, labels=labels),
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=5, balance=("gender",)),
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "sentence_folds": partial(protocols.sentence_folds, balance=("gender",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
            "random_clips": protocols.random_clips,
        },
        folder="crema-d",
        licence="ODbL 1.0 (database), DbCL 1.0 (contents)",
        citation=CITATION,
        obtain=OBTAIN,
        known_defects={clip: what for clip, what in KNOWN_DEFECTS.items() if clip != dropped},
    )


def read(folder: Path | None, *, labels: str = "intended") -> DataFrame:
    """Return the table of the utterances, by speaker, sentence, emotion, level.

    Args:
        folder: as cloned.
        labels: as of `make`.

    Raises:
        SerbenchError: files are missing.
    """
    clips = _clips()
    speakers = "VideoDemographics.csv"
    votes = "processedResults/summaryTable.csv"
    names = {clip: _file(folder, clip) for clip in clips}
    tables = [speakers] if labels == "intended" else [speakers, votes]
    root = corpus_folder("crema_d", folder, [*names.values(), *tables], OBTAIN)
    sexes = read_csv(root / speakers, ["ActorID", "Sex"], [str(s) for s in _SPEAKERS])[
        "Sex"
    ].str.lower()
    parts = [clip.split("_") for clip in clips]
    table = as_table(
        {
            "utterance": clips,
            "path": [str(root / names[clip]) for clip in clips],
            "speaker": [speaker for speaker, *_ in parts],
            "gender": [sexes[speaker] for speaker, *_ in parts],
            "text": [_SENTENCES[sentence] for _, sentence, *_ in parts],
            "emotion": [_EMOTIONS[emotion] for _, _, emotion, _ in parts],
        }
    )
    if labels == "intended":
        return table
    heard = read_csv(root / votes, ["FileName", "VoiceVote"], clips)["VoiceVote"]
    letters = {emotion[0].upper(): emotion for emotion in _EMOTIONS.values()}
    # a tie is written as several letters, "N:S"
    table["emotion"] = [letters.get(vote) for vote in heard]
    return table.dropna(subset="emotion").reset_index(drop=True)


def _clips() -> list[str]:
    """Return the ids of all clips: every combination but those that were never recorded."""
    return [
        clip
        for speaker in _SPEAKERS
        for sentence in _SENTENCES
        for emotion in _EMOTIONS
        for level in (("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",))
        if (clip := f"{speaker}_{sentence}_{emotion}_{level}") not in _NEVER_RECORDED
    ]


def _file(folder: Path | None, clip: str) -> str:
    old = f"AudioWAV/{_OLD_NAMES.get(clip, clip)}.wav"
    there = clip in _OLD_NAMES and folder is not None and (folder / old).exists()
    return old if there else f"AudioWAV/{clip}.wav"
