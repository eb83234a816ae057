"""CREMA-D: English acted speech, 6 emotions, 91 speakers, 7442 clips (Cao et al., 2014).

91 actors (43 women, 48 men) of 20 to 74 years say 12 sentences in six emotions; one sentence also
at three levels of intensity. File names tell speaker, sentence, intended emotion and level:
`1001_IEO_ANG_LO.wav`. Crowds voted on what they heard, saw, or both: the majority of those who
heard the voice alone is the intended emotion for 42 % of the clips, and "neutral" for half. The
table also has `age_group`, `race` and `ethnicity` of the actor, the `intended` emotion and `level`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from serbench.benchmarks import Benchmark, Classification, Distribution, Regression, Task
from serbench.benchmarks.auditing.agreement import RATERS
from serbench.benchmarks.reading.layout import (
    as_table,
    corpus_folder,
    numbers,
    only,
    read_csv,
    read_rows,
)
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = ("CREMA-D", "CREMA", "Crowd-sourced Emotional Multimodal Actors Dataset")
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
_SPEAKERS_FILE = "VideoDemographics.csv"
_DEMOGRAPHICS = ("gender", "age_group", "race", "ethnicity")
_VOTES = "tabulatedVotes.csv"
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
# Those of them on which those who heard the voice alone do not agree.
_TIED = {"1067_IEO_FEA_LO", "1072_IEO_ANG_LO"}


def make(*, labels: Literal["intended", "voice", "votes", "intensity"] = "intended") -> Benchmark:
    """Return the benchmark.

    Args:
        labels: "intended": what the actor was asked for (1271 clips each of five emotions, 1087
            neutral). "voice": what most of those said who heard the voice alone; the 644 clips
            with a tie are dropped, 6798 are left (neutral 3897, anger 986, fear 645, disgust 547,
            sadness 370, happiness 353). "votes": the share of each emotion among those votes (4 to
            12), soft labels, for all clips. "intensity": how strong the emotion sounded to
            them, their mean from 0 to 100, for all clips. The folds of these two are balanced over
            age group, race and ethnicity as well as gender.
    """
    # what was there first keeps its folds
    balance = ("gender",) if labels in ("intended", "voice") else _DEMOGRAPHICS
    dropped = _TIED if labels == "voice" else set[str]()
    task: Task = Classification(tuple(_EMOTIONS.values()))
    if labels == "votes":
        task = Distribution(tuple(_EMOTIONS.values()))
    elif labels == "intensity":
        task = Regression(("intensity",), low=0.0, high=100.0)
    return Benchmark(
        name="crema_d",
        version="1" if labels == "intended" else f"1+{labels}",
        task=task,
        read=partial(read, labels=labels),
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=5, balance=balance),
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "sentence_folds": partial(protocols.sentence_folds, balance=balance),
            "speaker_dependent_random": protocols.speaker_dependent_random,
            "random_clips": protocols.random_clips,
        },
        folder="crema-d",
        licence="ODbL 1.0 (database), DbCL 1.0 (contents)",
        citation=CITATION,
        obtain=OBTAIN,
        known_defects={clip: what for clip, what in KNOWN_DEFECTS.items() if clip not in dropped},
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
    votes = {"voice": "summaryTable.csv", "votes": _VOTES, "intensity": _VOTES}.get(labels)
    names = {clip: _file(folder, clip) for clip in clips}
    tables = [_SPEAKERS_FILE, *([f"processedResults/{votes}"] if votes else [])]
    root = corpus_folder("crema_d", folder, [*names.values(), *tables], OBTAIN)
    actors = read_csv(
        root / _SPEAKERS_FILE,
        ["ActorID", "Sex", "Age", "Race", "Ethnicity"],
        [str(speaker) for speaker in _SPEAKERS],
    )
    ages = numbers(root / _SPEAKERS_FILE, actors["Age"].replace("", "unknown"))
    parts = [clip.split("_") for clip in clips]
    who = actors.loc[[speaker for speaker, *_ in parts]]
    table = as_table(
        {
            "utterance": clips,
            "path": [str(root / names[clip]) for clip in clips],
            "speaker": [speaker for speaker, *_ in parts],
            "gender": who["Sex"].str.lower().to_list(),
            "text": [_SENTENCES[sentence] for _, sentence, *_ in parts],
            "emotion": [_EMOTIONS[emotion] for _, _, emotion, _ in parts],
            "age_group": [_age_group(ages[speaker]) for speaker, *_ in parts],
            "race": who["Race"].to_list(),
            "ethnicity": who["Ethnicity"].to_list(),
            "intended": [_EMOTIONS[emotion] for _, _, emotion, _ in parts],
            "level": [level for *_, level in parts],
        }
    )
    if labels == "voice":
        return _majority(root, table)
    return table if labels == "intended" else table.assign(**_heard(root, clips, labels))


def _age_group(age: float) -> str:
    """Return the decade of an age; those from 60 on, of whom there are few, are one group."""
    decade = min(int(age // 10) * 10, 60)
    return f"{decade}-{decade + 9}" if decade < 60 else "60-"


def _majority(root: Path, table: DataFrame) -> DataFrame:
    """Return the clips that most hearers agree on, with what they said."""
    file = root / "processedResults" / "summaryTable.csv"
    heard = read_csv(file, ["FileName", "VoiceVote"], table["utterance"].to_list())["VoiceVote"]
    letters = {emotion[0].upper(): emotion for emotion in _EMOTIONS.values()}
    # a tie is written as several letters, "N:S"
    odd = heard[[not {*vote.split(":")} <= {*letters} for vote in heard]]
    if len(odd):
        msg = (
            f"'{file}': {len(odd)} votes are of no emotion (first: {odd.iloc[0]!r} in the row of "
            f"{odd.index[0]}); get it again"
        )
        raise SerbenchError(msg)
    table["emotion"] = [letters.get(vote) for vote in heard]
    ties = heard.str.replace(r".*:.*", "no majority", regex=True)
    return only(table, table["emotion"].notna(), ties.reset_index(drop=True))


def _heard(root: Path, clips: list[str], labels: str) -> dict[str, Any]:
    """Return the shares of the votes of those who heard the voice, or the mean intensity."""
    counts = {emotion[0].upper(): emotion for emotion in _EMOTIONS.values()}
    columns = ["Unnamed: 0", *counts, "fileName", "meanEmoResp"]
    rows = read_rows(root / "processedResults" / _VOTES, columns)
    # rows of voice, face and both together are told apart by the first digit of their number
    voice = (
        rows[rows["Unnamed: 0"].str.startswith("1")]
        .drop_duplicates("fileName")
        .set_index("fileName")
    )
    missing = [clip for clip in clips if clip not in voice.index]
    if missing:
        msg = f"'{_VOTES}' has no votes of those who heard {len(missing)} clips; get it again"
        raise SerbenchError(msg)
    told = voice.loc[clips]
    file = root / "processedResults" / _VOTES
    if labels == "intensity":
        return {"intensity": numbers(file, told["meanEmoResp"]).to_numpy()}
    votes = pd.DataFrame({letter: numbers(file, told[letter]) for letter in counts})
    shares = votes.div(votes.sum(axis=1), axis=0)
    named = {f"share:{emotion}": shares[letter].to_numpy() for letter, emotion in counts.items()}
    return named | {RATERS: votes.sum(axis=1).to_numpy()}


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
