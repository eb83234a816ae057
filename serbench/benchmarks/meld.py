"""MELD: English dialogues out of a television series, 7 emotions, 13706 turns (Poria et al., 2019).

1433 dialogues of the series Friends, 12 hours, three raters a turn who saw the video: neutral 6436,
joy 2308, anger 1607, surprise 1636, sadness 1002, disgust 361, fear 358, with two turns less: of
train, dia125_utt3 cannot be decoded, and of dev, dia110_utt7 is not in the release. Six actors
speak five of six turns, in train, dev and test alike, with music and laughter: its own split says
nothing about speakers who are not heard before, and is marked so. Speakers are the names of the
roles; "All" and the like are several.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, check_counts, corpus_folder, read_rows
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("MELD", "Multimodal EmotionLines Dataset")
OBTAIN = (
    "download MELD.Raw.tar.gz from https://affective-meld.github.io and unpack it and the three "
    "archives in it as 'MELD.Raw' in the data folder; its audio is taken out of the videos by: "
    "find MELD.Raw -name 'dia*.mp4' -exec sh -c "
    "'ffmpeg -i \"$1\" -ac 1 -ar 16000 \"${1%.mp4}.wav\"' _ {} ';'"
)
CITATION = (
    "Poria, Hazarika, Majumder, Naik, Cambria, Mihalcea: MELD: A Multimodal Multi-Party Dataset "
    "for Emotion Recognition in Conversations. ACL 2019, doi:10.18653/v1/P19-1050"
)
BIBTEX = """@inproceedings{poria2019meld,
  author = {Poria, Soujanya and Hazarika, Devamanyu and Majumder, Navonil and Naik, Gautam and
            Cambria, Erik and Mihalcea, Rada},
  title = {{MELD}: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations},
  booktitle = {Proceedings of ACL 2019},
  pages = {527--536},
  year = {2019},
  doi = {10.18653/v1/P19-1050}
}"""

_EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
# part to its table, its folder, its turns, and the turn of which there is no audio
_PARTS = {
    "train": ("train_sent_emo.csv", "train_splits", 9989, "dia125_utt3"),
    "valid": ("dev_sent_emo.csv", "dev_splits_complete", 1109, "dia110_utt7"),
    "test": ("test_sent_emo.csv", "output_repeated_splits_test", 2610, ""),
}
_COLUMNS = ["Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"]


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="meld",
        version="1",
        task=Classification(_EMOTIONS),
        read=read,
        protocols={"corpus_split": partial(protocols.corpus_split, shares=("speaker",))},
        folder="MELD.Raw",
        licence="GPL 3.0 (annotations); the series is not free",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 13706 turns, by part, dialogue and turn.

    Raises:
        SerbenchError: files or rows are missing.
    """
    import pandas as pd

    tables = [table for table, *_ in _PARTS.values()]
    root = corpus_folder("meld", folder, tables, OBTAIN)
    parts = {part: read_rows(root / table, _COLUMNS) for part, (table, *_) in _PARTS.items()}
    rows = pd.concat([table.assign(part=part) for part, table in parts.items()], ignore_index=True)
    counts = {part: turns for part, (_, _, turns, _) in _PARTS.items()}
    check_counts("meld", rows["part"], counts, "part", OBTAIN)
    rows["turn"] = "dia" + rows["Dialogue_ID"] + "_utt" + rows["Utterance_ID"]
    rows = rows[rows["turn"] != rows["part"].map({p: gone for p, (*_, gone) in _PARTS.items()})]
    names = [
        f"{_PARTS[p][1]}/{turn}.wav" for p, turn in zip(rows["part"], rows["turn"], strict=True)
    ]
    corpus_folder("meld", folder, names, OBTAIN)
    return as_table(
        {
            "utterance": (rows["part"] + "_" + rows["turn"]).to_list(),
            "path": [str(root / name) for name in names],
            "speaker": rows["Speaker"].str.strip().to_list(),
            "text": rows["Utterance"].to_list(),
            "split": rows["part"].to_list(),
            "emotion": rows["Emotion"].to_list(),
        }
    )
