"""CAMEO: 13 corpora in 8 languages under free licences, 6 emotions, as one table (2025).

41265 clips in Bengali, English, French, German, Italian, Polish, Russian and Spanish, each with
emotion, text, speaker, gender, age, corpus, language and licence. Here are the clips of the six
emotions that most of the corpora have; speakers are told apart by corpus, `nEMO/WR0`. Some corpora
have two speakers or one, and CREMA-D, eNTERFACE, nEMO and RAVDESS are benchmarks of their own:
what was trained on those has heard this one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Classification
from serbench.benchmarks.reading.layout import as_table, corpus_folder, only, read_rows
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

NAMES = ("CAMEO", "Collection of Multilingual Emotional Speech Corpora")
HOLDS = (
    "crema_d",
    "enterface",
    "nemo",
    "ravdess",
    "=CaFE",
    "EMNS",
    "Emozionalmente",
    "JL-Corpus",
    "MESD",
    "Oréau",
    "PAVOQUE",
    "RESD",
    "SUBESCO",
)
OBTAIN = (
    "export https://huggingface.co/datasets/amu-cai/CAMEO as 'CAMEO' in the data folder: the audio "
    "as CAMEO/audio/DATASET/FILE_ID, the other columns as CAMEO/metadata.csv; docs/corpora.md has "
    "the lines of Python that do it"
)
CITATION = (
    "Christop, Czajka: CAMEO: Collection of Multilingual Emotional Speech Corpora, arXiv:2505.11051"
)
BIBTEX = """@misc{christop2025cameo,
  author = {Christop, Iwona and Czajka, Maciej},
  title = {{CAMEO}: Collection of Multilingual Emotional Speech Corpora},
  year = {2025},
  eprint = {2505.11051},
  archiveprefix = {arXiv}
}"""

_EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")
_COLUMNS = [
    *("file_id", "emotion", "transcription", "speaker_id", "gender", "age"),
    *("dataset", "language", "license"),
]


def make(*, dataset: str = "") -> Benchmark:
    """Return the benchmark.

    Args:
        dataset: one of the corpora alone, as the table calls it, such as "nEMO"; empty: all.
    """
    return Benchmark(
        name="cameo",
        version="1" if not dataset else f"1+{dataset}",
        task=Classification(_EMOTIONS),
        read=partial(read, dataset=dataset),
        protocols={
            "speaker_folds": partial(protocols.speaker_folds, k=5, balance=("dataset",)),
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder="CAMEO",
        licence="of each corpus its own, most not for commerce",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(folder: Path | None, *, dataset: str = "") -> DataFrame:
    """Return the table of the utterances, by corpus and file, with its further columns.

    Args:
        folder: as exported.
        dataset: as of `make`.

    Raises:
        SerbenchError: files are missing, or there is no such corpus.
    """
    root = corpus_folder("cameo", folder, ["metadata.csv"], OBTAIN)
    rows = read_rows(root / "metadata.csv", _COLUMNS).sort_values(["dataset", "file_id"])
    listed = {*(rows["dataset"] + "/" + rows["file_id"])}
    known = sorted(set(rows["dataset"]))
    _check_emotions(rows, root / "metadata.csv")
    if dataset and dataset not in known:
        raise unknown("dataset of benchmark 'cameo'", dataset, known)
    rows = rows[rows["dataset"].eq(dataset) | (dataset == "")]
    rows = only(rows, rows["emotion"].isin(_EMOTIONS), rows["emotion"])
    ids = (rows["dataset"] + "/" + rows["file_id"]).to_list()
    corpus_folder("cameo", folder, [f"audio/{name}" for name in ids], OBTAIN)
    _check_listed(root, listed)
    genders = rows["gender"].str.lower()
    table = as_table(
        {
            "utterance": ids,
            "path": [str(root / "audio" / name) for name in ids],
            "speaker": (rows["dataset"] + "/" + rows["speaker_id"]).to_list(),
            "gender": [word if word in ("female", "male") else None for word in genders],
            "text": rows["transcription"].to_list(),
            "emotion": rows["emotion"].to_list(),
            **{name: rows[name].to_list() for name in ("age", "dataset", "language", "license")},
        }
    )
    table.attrs = rows.attrs
    return table


def _check_emotions(rows: DataFrame, path: Path) -> None:
    """Refuse rows without an emotion, and those that write one of the six in another form.

    Other words, "joy" among them, are what a corpus calls its own: they are left out and counted.
    """
    said = rows["emotion"].str.strip().str.casefold()
    wrong = rows[said.eq("") | (said.isin(_EMOTIONS) & ~rows["emotion"].isin(_EMOTIONS))]
    if len(wrong):
        first = wrong.iloc[0]
        msg = (
            f"'{path}': {len(wrong)} of {len(rows)} rows have no emotion, or write it in another "
            f"way (first: {first['emotion']!r} of {first['dataset']}/{first['file_id']}); export "
            f"the table again, or write {', '.join(_EMOTIONS)} as here"
        )
        raise SerbenchError(msg)


def _check_listed(root: Path, listed: set[str]) -> None:
    """Refuse audio that no row is about: a table that was cut short loses clips."""
    files = {
        f"{path.parent.name}/{path.name}"
        for path in root.glob("audio/*/*")
        if not path.name.startswith(".")
    }
    if lone := sorted(files - listed):
        msg = (
            f"benchmark 'cameo': {len(lone)} of {len(files)} files in '{root / 'audio'}' are in no "
            f"row of metadata.csv (first: {lone[0]}); export the table again, or take them out"
        )
        raise SerbenchError(msg)
