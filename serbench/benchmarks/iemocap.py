"""IEMOCAP: English dyads, 4 classes, 5 sessions, 10 speakers, 5531 of 10039 turns (Busso, 2008).

Ten actors (five women, five men) talk in pairs, one pair a session: half scripted plays, half
improvised, 12.4 hours. `Ses01F_impro01_M002` is session 1, the dialogue in which the woman wore
the markers, and a turn of the man: who talks is the letter of the *last* token. Three raters name
an emotion; the four usual classes are those turns on which most agree, with excited (1041) taken
as happiness (595): neutral 1708, happiness 1636, anger 1103, sadness 1084.

Protocols: `leave_one_session_out` keeps the two speakers who validate out of training; `superb` is
the split of SUPERB and of s3prl, whose validation speakers are trained on, too;
`leave_one_speaker_out` gives ten folds, the partner of who is tested left out (the usual reading,
in which the partner validates, is `--set protocol.sessions=validate`).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serbench.benchmarks import Benchmark, Classification, Fold, Protocol, Task
from serbench.benchmarks.reading.layout import (
    as_table,
    check_any,
    corpus_folder,
    only,
    read_lines,
)
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDER = "IEMOCAP_full_release"
LICENCE = "research only, by signed release form; do not redistribute"
NAMES = ("IEMOCAP", "Interactive Emotional Dyadic Motion Capture")
OBTAIN = (
    "ask for it at https://sail.usc.edu/iemocap/iemocap_release.htm and unpack it as "
    "'IEMOCAP_full_release' in the data folder; needed of Session1 to Session5 are "
    "dialog/EmoEvaluation, dialog/transcriptions and sentences/wav"
)
CITATION = (
    "Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee, Narayanan: IEMOCAP: interactive "
    "emotional dyadic motion capture database. Language Resources and Evaluation 42(4), 2008, "
    "doi:10.1007/s10579-008-9076-6"
)
BIBTEX = """@article{busso2008iemocap,
  author = {Busso, Carlos and Bulut, Murtaza and Lee, Chi-Chun and Kazemzadeh, Abe and
            Mower, Emily and Kim, Samuel and Chang, Jeannette N. and Lee, Sungbok and
            Narayanan, Shrikanth S.},
  title = {{IEMOCAP}: interactive emotional dyadic motion capture database},
  journal = {Language Resources and Evaluation},
  volume = {42},
  number = {4},
  pages = {335--359},
  year = {2008},
  doi = {10.1007/s10579-008-9076-6}
}"""

_EMOTIONS = {
    "neu": "neutral",
    "hap": "happiness",
    "exc": "happiness",
    "ang": "anger",
    "sad": "sadness",
}
# Turns of the four classes, and all, in each session of the whole release.
_OF_FOUR = {"1": 1085, "2": 1023, "3": 1151, "4": 1031, "5": 1241}
_OF_ALL = {"1": 1819, "2": 1811, "3": 2136, "4": 2103, "5": 2170}
_NUMBER = r"\d+\.?\d*"
_TURN = re.compile(
    r"\[[\d.]+ - [\d.]+\]\s+(?P<turn>Ses0(?P<session>\d)[FM]_\w+_(?P<talker>[FM])\w+)\s+"
    rf"(?P<emotion>\w+)\s+\[(?P<valence>{_NUMBER}), (?P<arousal>{_NUMBER}), "
    rf"(?P<dominance>{_NUMBER})\]"
)
_LIKE = "[6.2901 - 8.2357] Ses01F_impro01_F000 neu [2.5000, 2.5000, 2.5000]"
_SPOKEN = re.compile(r"(?P<turn>Ses\w+) \[[\d.]+-[\d.]+\]: ?(?P<text>.*)")

# The order in which s3prl lists the dialogues of each session, which decides what its generator
# draws: s3prl/downstream/emotion/meta_data/Session*/test_meta_data.json (the same as
# huggingface.co/datasets/s3prl/iemocap_split). "Fs2_2" is Ses01F_script02_2, "Mi05b" is
# Ses03M_impro05b; within a dialogue the turns are in the order of their names.
_LISTED = {
    "1": """Fs2_2 Fi07 Fs3_2 Mi02 Fi06 Fs1_3 Ms2_1 Mi04 Ms1_1 Fi01 Fs1_1 Fi05 Ms1_2 Ms2_2 Fs2_1
        Ms3_2 Mi05 Mi01 Fi03 Mi03 Ms1_3 Fs3_1 Mi07 Fi02 Mi06 Ms3_1 Fi04 Fs1_2""",
    "2": """Fi03 Fs3_2 Ms3_2 Mi04 Mi05 Fs2_1 Fs2_2 Ms2_2 Mi08 Mi07 Fs3_1 Ms1_3 Fi06 Fi01 Fi04 Fs1_2
        Mi02 Mi03 Fs1_3 Fi05 Fs1_1 Mi06 Ms2_1 Fi08 Fi02 Ms1_1 Mi01 Ms1_2 Ms3_1 Fi07""",
    "3": """Fs2_1 Mi04 Ms3_2 Mi05b Mi02 Fi05 Ms2_2 Mi08b Fi07 Ms1_1 Ms2_1 Mi05a Mi07 Ms3_1 Fs3_1
        Mi01 Fs1_1 Fi04 Fs2_2 Fs1_3 Ms1_3 Mi06 Fi01 Fi03 Ms1_2 Mi08a Mi03 Fs3_2 Fs1_2 Fi08 Fi06
        Fi02""",
    "4": """Fs3_1 Fi01 Ms2_1 Ms2_2 Fs1_3 Mi05 Fs2_1 Fi07 Fi02 Fi03 Mi02 Fs1_1 Ms1_1 Fs3_2 Mi06
        Fs2_2 Mi01 Mi04 Fi05 Fs1_2 Fi08 Fi06 Mi03 Ms1_3 Ms1_2 Ms3_1 Ms3_2 Mi07 Fi04 Mi08""",
    "5": """Ms1_3 Fi04 Ms2_2 Fs1_3 Fs1_2 Fi06 Mi06 Mi01 Fs3_1 Fi07 Fs3_2 Ms1_1b Fi05 Ms1_1 Fi08
        Ms3_1 Mi05 Fi01 Fi02 Mi03 Fs1_1 Mi04 Ms2_1 Fi03 Fs2_2 Fs2_1 Ms3_2 Mi08 Mi02 Mi07 Ms1_2""",
}


def make(*, speech: Literal["all", "improvised", "scripted"] = "all") -> Benchmark:
    """Return the benchmark.

    Args:
        speech: "improvised" (2943 turns), "scripted" (2588) or both; `superb` is of both.
    """
    superb_too = {"superb": superb} if speech == "all" else {}
    return Benchmark(
        name="iemocap",
        version="1" if speech == "all" else f"1+{speech}",
        task=Classification(tuple(dict.fromkeys(_EMOTIONS.values()))),
        read=partial(read, speech=speech),
        protocols={
            "leave_one_session_out": protocols.leave_one_session_out,
            **superb_too,
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
        },
        folder=FOLDER,
        licence=LICENCE,
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None, *, speech: str = "all") -> DataFrame:
    """Return the table of the turns of four classes, by id, with a column `speech`.

    Args:
        folder: the release, as unpacked.
        speech: as of `make`.

    Raises:
        SerbenchError: files or turns are missing.
    """
    table = turns("iemocap", folder)
    said, table["emotion"] = table["emotion"], table["emotion"].map(_EMOTIONS)
    table = only(table, table["emotion"].notna(), said)
    check_whole("iemocap", table, _OF_FOUR, "turns of the four classes")
    if speech != "all":
        table = only(table, table["speech"] == speech, table["speech"])
    return table.drop(columns=["arousal", "valence", "dominance"])


def read_all(folder: Path | None) -> DataFrame:
    """Return the table of all 10039 turns, by id, with dimensions and the raters' emotion.

    Args:
        folder: the release, as unpacked.

    Raises:
        SerbenchError: files or turns are missing.
    """
    table = turns("iemocap_dimensions", folder)
    check_whole("iemocap_dimensions", table, _OF_ALL, "turns")
    return table


def turns(name: str, folder: Path | None) -> DataFrame:
    """Return all turns that are rated in the sessions that are there, whether that is all or not.

    Args:
        name: of the benchmark.
        folder: the release, as unpacked.

    Raises:
        SerbenchError: folders or recordings are missing, or a turn has no transcript.
    """
    needed = ("dialog/EmoEvaluation", "dialog/transcriptions", "sentences/wav")
    parts = [f"Session{i}/{part}" for i in _OF_ALL for part in needed]
    root = corpus_folder(name, folder, parts, OBTAIN)
    rated = _lines(root, "EmoEvaluation", _TURN)
    check_any(name, rated, root / "Session1/dialog/EmoEvaluation", _LIKE, OBTAIN)
    waves = [f"Session{m['session']}/sentences/wav/{_dialogue(t)}/{t}.wav" for t, m in rated]
    corpus_folder(name, folder, waves, OBTAIN)
    said = {turn: match["text"].strip() for turn, match in _lines(root, "transcriptions", _SPOKEN)}
    if silent := [turn for turn, _ in rated if turn not in said]:
        msg = (
            f"benchmark '{name}': {len(silent)} rated turns have no line in dialog/transcriptions "
            f"(first: {silent[0]}); unpack the release again"
        )
        raise SerbenchError(msg)
    return as_table(
        {
            "utterance": [turn for turn, _ in rated],
            "path": [str(root / wave) for wave in waves],
            "speaker": [f"{match['session']}{match['talker']}" for _, match in rated],
            "session": [match["session"] for _, match in rated],
            "gender": ["female" if match["talker"] == "F" else "male" for _, match in rated],
            "text": [said[turn] for turn, _ in rated],
            "emotion": [match["emotion"] for _, match in rated],
            **{d: [float(m[d]) for _, m in rated] for d in ("arousal", "valence", "dominance")},
            "speech": ["improvised" if "_impro" in turn else "scripted" for turn, _ in rated],
        }
    )


def check_whole(name: str, table: DataFrame, expected: dict[str, int], what: str) -> None:
    """Refuse a release of which turns are missing, or that has others.

    Args:
        name: of the benchmark.
        table: its turns.
        expected: how many each session has.
        what: they are.

    Raises:
        SerbenchError: a session has more or fewer: which, and how many.
    """
    found = {session: int((table["session"] == session).sum()) for session in expected}
    wrong = [f"Session{s} {found[s]} of {n}" for s, n in expected.items() if found[s] != n]
    if wrong:
        msg = (
            f"benchmark '{name}': the release has {sum(expected.values())} {what}, here are "
            f"{sum(found.values())} ({', '.join(wrong)}); unpack these sessions again"
        )
        raise SerbenchError(msg)


def _lines(root: Path, part: str, form: re.Pattern[str]) -> list[tuple[str, re.Match[str]]]:
    """Return what matches at the start of a line of a part's files, by turn."""
    found = {}
    for path in sorted(root.glob(f"Session[1-5]/dialog/{part}/Ses*.txt")):
        for line in read_lines(path):
            if match := form.match(line):
                found[match["turn"]] = match
    return sorted(found.items())


def _dialogue(turn: str) -> str:
    return turn.rpartition("_")[0]


def superb() -> Protocol:
    """SUPERB's five folds: each session is tested, a fifth of the other turns validates at random.

    As s3prl draws it: of the turns in the order of its files, with seed 0. Who validates is trained
    on, too; the test part is apart.
    """
    return Protocol("superb", _superb, frozenset({"valid speaker", "valid session"}))


def _superb(table: DataFrame, task: Task) -> list[Fold]:
    import numpy as np

    places = {turn: row for row, turn in enumerate(table["utterance"])}
    rank = {dialogue: number for number, dialogue in enumerate(_listed())}
    ordered = sorted(places, key=lambda turn: (rank.get(_dialogue(turn), len(rank)), turn))
    rows = np.array([places[turn] for turn in ordered])
    sessions = table["session"].to_numpy()[rows]
    folds = []
    for session in _LISTED:
        others = rows[sessions != session]
        drawn = others[_drawn(len(others))]
        kept = int(0.8 * len(others))
        tested = rows[sessions == session]
        folds.append(Fold(f"session {session}", drawn[:kept], drawn[kept:], tested))
    return folds


def _listed() -> list[str]:
    long = {"i": "impro", "s": "script0"}
    return [
        f"Ses0{session}{short[0]}_{long[short[1]]}{short[2:]}"
        for session, dialogues in _LISTED.items()
        for short in dialogues.split()
    ]


def _drawn(count: int) -> list[int]:
    """Return what torch.randperm gives on a CPU for seed 0: a shuffle by a Mersenne Twister."""
    import numpy as np

    numbers = np.frombuffer(np.random.RandomState(0).bytes(4 * count), dtype="<u4")
    order = list(range(count))
    for place in range(count - 1):
        other = place + int(numbers[place]) % (count - place)
        order[place], order[other] = order[other], order[place]
    return order
