"""nEMO: Polish acted speech, 6 emotions, 9 speakers, 4481 clips (Christop, 2024).

Nine actors (four women, five men) say 90 sentences in six emotions; three hours. Clips in which the
emotion was not to be heard are not in the release. `data.tsv` tells of each file emotion, text,
speaker, gender and age. No defect is known.
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

# NeMo is a toolkit, and has corpora of its own.
NAMES = ("=nEMO", "=NEMO", "=nemo")
NAMESAKES = ("NVIDIA NeMo",)
OBTAIN = (
    "clone https://github.com/amu-cai/nEMO as 'nEMO' in the data folder, so that nEMO/data.tsv and "
    "nEMO/samples are there"
)
CITATION = (
    "Christop: nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024, arXiv:2404.06292"
)
BIBTEX = """@inproceedings{christop2024nemo,
  author = {Christop, Iwona},
  title = {{nEMO}: Dataset of Emotional Speech in {Polish}},
  booktitle = {Proceedings of LREC-COLING 2024},
  year = {2024},
  eprint = {2404.06292},
  archiveprefix = {arXiv}
}"""

_EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")
_COLUMNS = ["file_id", "emotion", "raw_text", "speaker_id", "gender", "age"]
# Clips of each emotion in data.tsv.
_COUNTS = {
    "anger": 749,
    "fear": 736,
    "happiness": 749,
    "neutral": 809,
    "sadness": 769,
    "surprise": 669,
}


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="nemo",
        version="1",
        task=Classification(_EMOTIONS),
        read=read,
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=3, balance=("gender",)),
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "sentence_folds": partial(protocols.sentence_folds, k=3, balance=("gender",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="nEMO",
        licence="CC BY-NC-SA 4.0",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of the 4481 utterances, by id, with a column `age`.

    Raises:
        SerbenchError: files or rows are missing.
    """
    root = corpus_folder("nemo", folder, ["data.tsv"], OBTAIN)
    rows = read_rows(root / "data.tsv", _COLUMNS, separator="\t")
    rows = rows.apply(lambda column: column.str.strip()).sort_values("file_id")
    emotions = rows["emotion"].replace("surprised", "surprise")
    check_counts("nemo", emotions, _COUNTS, "emotion", OBTAIN)
    names = [f"samples/{name}" for name in rows["file_id"]]
    corpus_folder("nemo", folder, names, OBTAIN)
    return as_table(
        {
            "utterance": rows["file_id"].str.removesuffix(".wav").to_list(),
            "path": [str(root / name) for name in names],
            "speaker": rows["speaker_id"].to_list(),
            "gender": rows["gender"].to_list(),
            "text": rows["raw_text"].to_list(),
            "emotion": emotions.to_list(),
            "age": rows["age"].to_list(),
        }
    )
