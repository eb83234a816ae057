"""MSP-Podcast: English podcasts; arousal, valence, dominance or 8 classes (Lotfian, 2019).

Short turns out of podcasts under free licences, rated by at least five people each. It grows:
50362 turns in release 1.6, 264705 in 2.0. Its own parts are train, validation and the tests
Test1 and Test2, which have scores of their own here; Test3 comes without labels, and what is
predicted for it lies beside the result as `DIGEST.unlabelled.csv`. Of some turns nobody knows who
speaks (`Unknown`): two of them may be one person, or one of the others.

Protocols: `corpus_split`, the parts of the release; `tran`, those of Tran et al. (Interspeech 2023)
as far as they are told. Our reading of it: unknown speakers are left out; of each speaker of Test1
the first turns, in the order of their ids, that are together no longer than 200 s are test_a, and
the others test_b, which ranks; test_c are speakers of Test1 that an earlier release does not have
(`--set benchmark.earlier=PATH` names its label file, and its parts are then those of the others).
Test3 is predicted by both. `--set benchmark.unknown=dropped` leaves out turns of unknown speakers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from serbench.benchmarks import (
    UNKNOWN,
    UNLABELLED,
    Benchmark,
    Classification,
    Fold,
    Protocol,
    Regression,
    Task,
)
from serbench.benchmarks.reading import podcast_parts, podcast_raters
from serbench.benchmarks.reading.layout import (
    as_table,
    corpus_folder,
    numbers,
    only,
    read_rows,
)
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

NAMES = ("MSP-Podcast",)
OBTAIN = (
    "ask for it at https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html and "
    "unpack it as 'MSP-Podcast' in the data folder; needed are MSP-Podcast/Audios, Labels and, "
    "for Test3, Partitions.txt"
)
CITATION = (
    "Lotfian, Busso: Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving "
    "Emotional Speech from Existing Podcast Recordings. IEEE Transactions on Affective Computing "
    "10(4), 2019, doi:10.1109/TAFFC.2017.2736999"
)
BIBTEX = """@article{lotfian2019podcast,
  author = {Lotfian, Reza and Busso, Carlos},
  title = {Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional Speech
           from Existing Podcast Recordings},
  journal = {IEEE Transactions on Affective Computing},
  volume = {10},
  number = {4},
  pages = {471--483},
  year = {2019},
  doi = {10.1109/TAFFC.2017.2736999}
}"""

_DIMENSIONS = {"arousal": "EmoAct", "valence": "EmoVal", "dominance": "EmoDom"}
_EMOTIONS = {
    "A": "anger",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "U": "surprise",
}
_NONE = {"O": "other emotions", "X": "no agreement"}
_SPOKEN = ("FileName", "SpkrID", "Gender")
_LABELS = ("labels_consensus.csv", "labels_concensus.csv")  # as the older releases spell it
_FOLDERS = {"Audios": ("Audios", "Audio"), "Labels": ("Labels", "label", "labels")}
_MOST_SECONDS = 200.0  # of a speaker in test_a


def make(
    *,
    task: Literal["dimensions", "classes"] = "dimensions",
    unknown: Literal["kept", "dropped"] = "kept",
    earlier: str = "",
) -> Benchmark:
    """Return the benchmark.

    Args:
        task: arousal, valence and dominance from 1 to 7, or the 8 classes, of which turns without
            agreement and other emotions are left out. With classes the table has the share of the
            raters who chose each, `share:anger` and so on, if the release has detailed labels.
        unknown: what becomes of turns of which nobody knows who speaks.
        earlier: path of the label file of an earlier release, for test_c of `tran`.
    """
    version = "+".join(["1", *[task] * (task == "classes"), *[unknown] * (unknown == "dropped")])
    kinds: dict[str, Task] = {
        "dimensions": Regression(tuple(_DIMENSIONS), low=1.0, high=7.0),
        "classes": Classification(tuple(_EMOTIONS.values())),
    }
    return Benchmark(
        name="msp_podcast",
        version=version,
        task=kinds[task],
        read=partial(read, task=task, unknown=unknown, earlier=earlier),
        protocols={"corpus_split": protocols.corpus_split, "tran": tran},
        folder="MSP-Podcast",
        licence="by agreement with UT Dallas, academic or commercial; do not redistribute",
        citation=CITATION,
        obtain=OBTAIN,
        bibtex=BIBTEX,
    )


def read(
    folder: Path | None, *, task: str = "dimensions", unknown: str = "kept", earlier: str = ""
) -> DataFrame:
    """Return the table of the turns, by id; `release` says of each whether an earlier one has it.

    Args:
        folder: the release, as unpacked.
        task: as of `make`.
        unknown: as of `make`.
        earlier: as of `make`.

    Raises:
        SerbenchError: files are missing, or are of a release before 1.6.
    """
    root = corpus_folder("msp_podcast", folder, [], OBTAIN)
    labels, audio = _place(root, "Labels"), _place(root, "Audios")
    told = _told(labels, root)
    silent = told["split"] == UNLABELLED
    values: dict[str, Any] = {}
    if task == "dimensions":
        values = {d: told[column].astype(float) for d, column in _DIMENSIONS.items()}
        kept = silent | told[[*_DIMENSIONS.values()]].notna().all(axis=1)
    else:
        values = {"emotion": told["EmoClass"].map(_EMOTIONS), **podcast_raters.shares(labels, told)}
        kept = silent | values["emotion"].notna()
    rated = kept.copy()
    if unknown == "dropped":
        kept &= (told["SpkrID"] != UNKNOWN) | silent
    whys = _NONE if task == "classes" else {}
    words = told["EmoClass"].map(lambda word: whys.get(word, "not rated")).mask(rated, UNKNOWN)
    names = [f"{audio.name}/{name}" for name in told["FileName"][kept]]
    corpus_folder("msp_podcast", folder, names, OBTAIN)
    table = as_table(
        {
            "utterance": told["FileName"].str.removesuffix(".wav"),
            "path": [str(audio / name) for name in told["FileName"]],
            "speaker": told["SpkrID"],
            "gender": told["Gender"].str.lower().map({"female": "female", "male": "male"}),
            "split": told["split"],
            "release": _releases(told["FileName"], earlier),
            **values,
        }
    )
    table["gender"] = table["gender"].astype(object).where(table["gender"].notna(), None)
    return only(table, kept, words).sort_values("utterance", ignore_index=True)


def _place(root: Path, what: str) -> Path:
    """Return a folder of the release, by either of its names."""
    found = [root / name for name in _FOLDERS[what] if (root / name).is_dir()]
    if not found:
        corpus_folder("msp_podcast", root, [what], OBTAIN)
    return found[0]


def _told(labels: Path, root: Path) -> DataFrame:
    """Return what the release tells of each turn, those without labels among them."""
    files = [labels / name for name in _LABELS if (labels / name).is_file()]
    if not files:
        corpus_folder("msp_podcast", root, [f"{labels.name}/{_LABELS[0]}"], OBTAIN)
    listed = podcast_parts.listed(root, OBTAIN)
    columns = [*_SPOKEN, "EmoClass", *_DIMENSIONS.values()]
    if listed is None:
        columns.append("Split_Set")
    told = read_rows(files[0], columns, also=["Split_Set"]).replace("", None)
    rated = told.set_index("FileName")
    for column in _DIMENSIONS.values():
        told[column] = numbers(files[0], rated[column]).to_numpy()
    _check_letters(told, files[0])
    if listed is not None:
        told = podcast_parts.placed(told, listed, files[0], [*_DIMENSIONS.values()])
    told["SpkrID"] = told["SpkrID"].fillna(UNKNOWN)
    told["split"] = told["Split_Set"].str.lower().map(podcast_parts.PARTS)
    if (lost := told["split"].isna()).any():
        first = told.loc[lost].iloc[0]
        empty = "an empty cell, as of a download that was interrupted: get it again"
        why = empty if first.isna()["Split_Set"] else f"{first['Split_Set']!r}"
        msg = (
            f"benchmark 'msp_podcast': {lost.sum()} of {len(told)} turns are in no part of the "
            f"release (first: {first['FileName']}, {why}); releases before 1.6 cannot be read"
        )
        raise SerbenchError(msg)
    return told


def _check_letters(told: DataFrame, path: Path) -> None:
    """Refuse a class that the corpus does not have."""
    odd = told[told["EmoClass"].notna() & ~told["EmoClass"].isin({*_EMOTIONS, *_NONE})]
    if len(odd):
        first = odd.iloc[0]
        msg = (
            f"'{path}': {len(odd)} cells of 'EmoClass' are no class of this corpus (first: "
            f"{first['EmoClass']!r} in the row of {first['FileName']}), which has "
            f"{', '.join([*_EMOTIONS, *_NONE])}; get it again"
        )
        raise SerbenchError(msg)


def _releases(files: Series[str], earlier: str) -> list[str]:
    """Return "earlier" for each turn of the earlier release, "this" for the others."""
    if not earlier:
        return ["this"] * len(files)
    known = set(read_rows(Path(earlier).expanduser(), ["FileName"])["FileName"])
    return ["earlier" if file in known else "this" for file in files]


def tran() -> Protocol:
    """Tran et al. (2023): known speakers; of Test1 200 s a speaker, the rest, and new speakers."""
    return Protocol("tran", _tran)


def _tran(table: DataFrame, task: Task) -> list[Fold]:
    import numpy as np

    order = np.argsort(table["utterance"].to_numpy(dtype=str), kind="stable")
    sorted_ = table.iloc[order]
    known = (sorted_["speaker"] != UNKNOWN).to_numpy()
    split, speaker = (sorted_[name].to_numpy() for name in ("split", "speaker"))
    then = (sorted_["release"] == "earlier").to_numpy(copy=True)
    if not then.any():
        then[:] = True  # nobody named an earlier release: this one stands for it
    test1 = known & (split == "test1")
    a = test1 & then & (_spoken(sorted_, test1 & then) <= _MOST_SECONDS)
    tests = {"test_b": test1 & then & ~a, "test_a": a}
    c = test1 & ~then & ~np.isin(speaker, speaker[then])
    tests |= {"test_c": c} if c.any() else {}
    rows = {name: order[mask] for name, mask in tests.items()}
    train, valid = (order[known & then & (split == part)] for part in ("train", "valid"))
    test, unlabelled = np.concatenate([*rows.values()]), order[split == UNLABELLED]
    return [Fold("corpus", train, valid, test, tests=rows, unlabelled=unlabelled)]


def _spoken(table: DataFrame, mask: Any) -> Any:
    """Return (N,) the seconds of a speaker up to and with each turn, among those of a mask."""
    import numpy as np

    from serbench.benchmarks.reading.audio import durations

    some = table[mask]
    known = some["seconds"].to_numpy() if "seconds" in table else durations(some)
    seconds = np.full(len(table), np.inf)
    seconds[mask] = some.assign(own=known).groupby("speaker")["own"].cumsum().to_numpy()
    return seconds
