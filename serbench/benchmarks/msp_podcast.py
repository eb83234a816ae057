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

import json
import re
from collections import Counter
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
from serbench.benchmarks.auditing.agreement import RATERS
from serbench.benchmarks.reading.layout import (
    as_table,
    check_any,
    corpus_folder,
    numbers,
    only,
    read_lines,
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
_LIKE = "Test1; MSP-PODCAST_0001_0008.wav"
_PLACED = re.compile(r"\s*(?P<part>[\w ]+?)\s*;\s*(?P<turn>\S+\.wav)\s*")
_NONE = {"O": "other emotions", "X": "no agreement"}
# What raters choose from, in the detailed labels.
_CHOICES = {
    "Angry": "anger",
    "Contempt": "contempt",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
_PARTS = {
    "train": "train",
    "validation": "valid",
    "development": "valid",
    "test1": "test1",
    "test2": "test2",
    "test3": UNLABELLED,
}
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
        values = {"emotion": told["EmoClass"].map(_EMOTIONS), **_shares(labels, told)}
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
    import pandas as pd

    files = [labels / name for name in _LABELS if (labels / name).is_file()]
    if not files:
        corpus_folder("msp_podcast", root, [f"{labels.name}/{_LABELS[0]}"], OBTAIN)
    listed = _listed(root)
    columns = [*_SPOKEN, "EmoClass", *_DIMENSIONS.values()]
    if listed is None:
        columns.append("Split_Set")
    told = read_rows(files[0], columns, also=["Split_Set"]).replace("", None)
    rated = told.set_index("FileName")
    for column in _DIMENSIONS.values():
        told[column] = numbers(files[0], rated[column]).to_numpy()
    _check_letters(told, files[0])
    if listed is not None:
        parts = told["FileName"].map(listed)
        if "Split_Set" in told:  # not in an older form of the table
            _check_same(told, parts, files[0])
        told["Split_Set"] = parts
        _check_listed(told, files[0])
        unrated = sorted(n for n, p in listed.items() if p.lower() == "test3")
        missing = [name for name in unrated if name not in set(told["FileName"])]
        _check_rated(told, {*listed} - {*unrated}, files[0])
        more = pd.DataFrame({"FileName": missing, "SpkrID": UNKNOWN, "Split_Set": "Test3"})
        told = pd.concat([told, more], ignore_index=True)
    told["SpkrID"] = told["SpkrID"].fillna(UNKNOWN)
    told["split"] = told["Split_Set"].str.lower().map(_PARTS)
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


def _check_listed(told: DataFrame, path: Path) -> None:
    """Refuse a list of parts that ends too early: turns with labels are in none of them."""
    lone = told[told["Split_Set"].isna()]
    if len(lone):
        msg = (
            f"benchmark 'msp_podcast': {len(lone)} of {len(told)} turns of '{path}' are not listed "
            f"in Partitions.txt (first: {lone.iloc[0]['FileName']}), as of a download that was "
            "interrupted; get it again"
        )
        raise SerbenchError(msg)


def _check_rated(told: DataFrame, expected: set[str], path: Path) -> None:
    """Refuse a table of labels that ends too early: turns of the release have no labels in it."""
    rated = told.dropna(subset=["EmoClass", *_DIMENSIONS.values()])
    if lacking := sorted(expected - {*rated["FileName"]}):
        msg = (
            f"benchmark 'msp_podcast': {len(lacking)} of {len(expected)} turns that Partitions.txt "
            f"lists have no labels in '{path}' (first: {lacking[0]}), as of a download that was "
            "interrupted; get it again, or take them out of Partitions.txt"
        )
        raise SerbenchError(msg)


def _listed(root: Path) -> dict[str, str] | None:
    """Return the part of each turn as Partitions.txt has it, "Test1; NAME.wav", if it is there."""
    for name in ("Partitions.txt", "partitions.txt"):
        if (root / name).is_file():
            return _parts(root / name)
    return None


def _parts(path: Path) -> dict[str, str]:
    """Return the part of each turn, and refuse a list of which lines are cut off or contradict."""
    lines = [line for line in read_lines(path) if line.strip()]
    placed = [match for line in lines if (match := _PLACED.fullmatch(line))]
    check_any("msp_podcast", placed, path, _LIKE, OBTAIN)
    found = {(match["turn"], match["part"].replace(" ", "")) for match in placed}
    doubled = [turn for turn, count in Counter(turn for turn, _ in found).items() if count > 1]
    if odd := [line for line in lines if not _PLACED.fullmatch(line)]:
        said = f'{len(odd)} lines are not like "{_LIKE}" (first: {odd[0]!r})'
    elif doubled:
        said = f"{len(doubled)} turns are in two parts (first: {doubled[0]})"
    else:
        return dict(found)
    raise SerbenchError(f"'{path}': {said}, as of a download that was interrupted; get it again")


def _check_same(told: DataFrame, listed: Series[str], path: Path) -> None:
    """Refuse a list of parts that is of another release than the labels, which say theirs."""
    parts = [
        side.str.lower().str.replace(" ", "").map(_PARTS) for side in (told["Split_Set"], listed)
    ]
    apart = parts[0].notna() & parts[1].notna() & parts[0].ne(parts[1])
    if apart.any():
        first = told["FileName"][apart].iloc[0]
        msg = (
            f"benchmark 'msp_podcast': {apart.sum()} turns are in another part by Partitions.txt "
            f"than by '{path}' (first: {first}), as of two releases; have both of one, or move "
            "Partitions.txt away"
        )
        raise SerbenchError(msg)


def _releases(files: Series[str], earlier: str) -> list[str]:
    """Return "earlier" for each turn of the earlier release, "this" for the others."""
    if not earlier:
        return ["this"] * len(files)
    known = set(read_rows(Path(earlier).expanduser(), ["FileName"])["FileName"])
    return ["earlier" if file in known else "this" for file in files]


def _shares(labels: Path, told: DataFrame) -> dict[str, Any]:
    """Return the share of the raters of each turn who chose each class; nothing if not told."""
    import pandas as pd

    chosen, files = _chosen(labels), told["FileName"]
    if chosen is None:
        return {}
    expected = files[told["split"] != UNLABELLED]
    if len(lacking := expected[~expected.isin(set(chosen["file"]))]):
        msg = (
            f"benchmark 'msp_podcast': {len(lacking)} of {len(expected)} turns have no rater in "
            f"labels_detailed (first: {lacking.iloc[0]}); get it again, or take it out of "
            f"'{labels}': there are then no shares of raters"
        )
        raise SerbenchError(msg)
    counted = chosen[chosen["choice"].isin(_CHOICES)]
    votes = pd.crosstab(counted["file"], counted["choice"].map(_CHOICES))
    shares = votes.div(votes.sum(axis=1), axis=0)
    shares = shares.reindex(index=files, columns=[*_EMOTIONS.values()], fill_value=0.0)
    raters = votes.sum(axis=1).reindex(files, fill_value=0)
    return {f"share:{label}": shares[label].to_numpy() for label in shares} | {
        RATERS: raters.to_numpy()
    }


def _chosen(labels: Path) -> DataFrame | None:
    """Return one row a rater and turn: `file`, `choice`."""
    import pandas as pd

    if (path := labels / "labels_detailed.csv").is_file():
        table = read_rows(path, ["FileName", "EmoClass_Major"])
        return table.rename(columns={"FileName": "file", "EmoClass_Major": "choice"})
    if not (path := labels / "labels_detailed.json").is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            (file, given["EmoClass_Major"][0])
            for file, raters in told.items()
            for given in raters.values()
        ]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        msg = f"'{path}' is not the table of raters of this corpus ({error}); get it again"
        raise SerbenchError(msg) from error
    return pd.DataFrame(rows, columns=["file", "choice"])


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
