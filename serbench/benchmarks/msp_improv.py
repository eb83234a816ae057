"""MSP-IMPROV: English dyads, 4 emotions or dimensions, 12 speakers, 8438 turns (Busso, 2017).

Six sessions of a woman and a man each, students of acting, 9 hours. 20 sentences are to come up in
improvised scenes of four emotions; kept are those sentences (T), the rest of the improvisation
(S), what was said between takes (P) and the sentences read (R). Five raters and more name what
they perceive and rate it from 1 to 5: neutral 3477, happiness 2644, sadness 885, anger 792; 640
turns are something else or without agreement. In `MSP-IMPROV-S01A-F01-P-FM01` it is scene 1 of
anger, woman 1, and the session is that of 01; the scene is what they were asked for, not a label.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serbench.benchmarks import Benchmark, Classification, Regression, Task
from serbench.benchmarks.reading.layout import (
    LEFT_OUT,
    as_table,
    check_any,
    check_counts,
    corpus_folder,
    only,
    read_lines,
)
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = ("MSP-IMPROV",)
OBTAIN = (
    "ask for it at https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html and "
    "unpack it as 'MSP-IMPROV' in the data folder; needed are MSP-IMPROV/Evalution.txt (so it is "
    "spelt; or Evaluation.txt) and session1 to session6, perhaps in a folder Audio"
)
CITATION = (
    "Busso, Parthasarathy, Burmania, AbdelWahab, Sadoughi, Mower Provost: MSP-IMPROV: An Acted "
    "Corpus of Dyadic Interactions to Study Emotion Perception. IEEE Transactions on Affective "
    "Computing 8(1), 2017, doi:10.1109/TAFFC.2016.2515617"
)
BIBTEX = """@article{busso2017improv,
  author = {Busso, Carlos and Parthasarathy, Srinivas and Burmania, Alec and AbdelWahab, Mohammed
            and Sadoughi, Najmeh and Mower Provost, Emily},
  title = {{MSP-IMPROV}: An Acted Corpus of Dyadic Interactions to Study Emotion Perception},
  journal = {IEEE Transactions on Affective Computing},
  volume = {8},
  number = {1},
  pages = {67--80},
  year = {2017},
  doi = {10.1109/TAFFC.2016.2515617}
}"""

_EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
_COUNTS = {"A": 792, "H": 2644, "N": 3477, "S": 885, "O and X": 640}
_LIKE = "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.8; V:2.9; D:3.0;"
_DIMENSIONS = ("arousal", "valence", "dominance")
_NUMBER = r"\d+\.?\d*|NaN"
_RATED = re.compile(
    r"UTD-IMPROV-(?P<turn>(?P<scene>S\d\d[AHNS])-(?P<speaker>(?P<sex>[FM])(?P<session>\d\d))-"
    r"(?P<recording>[PRST])-[A-Z]{2}\d\d)\.avi; ?(?P<emotion>[A-Z]); ?"
    rf"A:(?P<arousal>{_NUMBER}) ?; ?V:(?P<valence>{_NUMBER}) ?; ?D:(?P<dominance>{_NUMBER}) ?;"
)


def make(*, task: Literal["classes", "dimensions"] = "classes") -> Benchmark:
    """Return the benchmark.

    Args:
        task: the four emotions (7798 turns), or arousal, valence and dominance (1 to 5).
    """
    kinds: dict[str, Task] = {
        "classes": Classification(tuple(_EMOTIONS.values())),
        "dimensions": Regression(_DIMENSIONS, low=1.0, high=5.0),
    }
    return Benchmark(
        name="msp_improv",
        version="1" if task == "classes" else "1+dimensions",
        task=kinds[task],
        read=partial(read, task=task),
        protocols={
            "leave_one_session_out": protocols.leave_one_session_out,
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="MSP-IMPROV",
        licence="by agreement with UT Dallas, academic; do not redistribute",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None, *, task: str = "classes") -> DataFrame:
    """Return the table of the turns, by id, with a column `speech` (P, R, S or T).

    Args:
        folder: as unpacked.
        task: as of `make`.

    Raises:
        SerbenchError: files or turns are missing.
    """
    root = corpus_folder("msp_improv", folder, [], OBTAIN)
    there = [name for name in ("Evalution.txt", "Evaluation.txt") if (root / name).is_file()]
    corpus_folder("msp_improv", folder, there or ["Evalution.txt"], OBTAIN)
    lines = read_lines(root / there[0])
    rated = {match["turn"]: match for line in lines if (match := _RATED.match(line))}
    check_any("msp_improv", rated, root / there[0], _LIKE, OBTAIN)
    groups = [m["emotion"] if m["emotion"] in _EMOTIONS else "O and X" for m in rated.values()]
    check_counts("msp_improv", groups, _COUNTS, "letter", OBTAIN)
    turns = sorted(
        turn for turn in rated if task != "classes" or rated[turn]["emotion"] in _EMOTIONS
    )
    above = "Audio/" if (root / "Audio").is_dir() else ""
    names = [f"{above}{_name(rated[turn])}" for turn in turns]
    corpus_folder("msp_improv", folder, names, OBTAIN)
    told = [rated[turn] for turn in turns]
    table = as_table(
        {
            "utterance": [f"MSP-IMPROV-{turn}" for turn in turns],
            "path": [str(root / name) for name in names],
            "speaker": [match["speaker"] for match in told],
            "session": [match["session"] for match in told],
            "gender": ["female" if match["sex"] == "F" else "male" for match in told],
            "emotion": [_EMOTIONS.get(match["emotion"]) for match in told],
            "speech": [match["recording"] for match in told],
            **{d: [float(match[d]) for match in told] for d in _DIMENSIONS},
        }
    )
    if task == "classes":
        table.attrs[LEFT_OUT] = {"other emotions or no agreement": len(rated) - len(turns)}
        return table.drop(columns=[*_DIMENSIONS])
    rated_all = table[[*_DIMENSIONS]].notna().all(axis=1)
    return only(table, rated_all, table["utterance"].map(lambda _: "not rated"))


def _name(match: re.Match[str]) -> str:
    session = int(match["session"])
    folder = f"session{session}/{match['scene']}/{match['recording']}"
    return f"{folder}/MSP-IMPROV-{match['turn']}.wav"
