"""Corpora of other libraries as a table of anyone's own: a CSV file and its description.

`foreign` reads what they keep; what is written is read by `custom`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench.benchmarks import NAME
from serbench.benchmarks.auditing.agreement import RATERS
from serbench.benchmarks.reading import custom, foreign
from serbench.benchmarks.reading.fetching import fetched
from serbench.benchmarks.reading.manifests import HEARD
from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from serbench.progress import Progress

# What other libraries call serbench's columns.
_CALLED = {"file_name": "path", "label": "emotion", "sentence": "text", "transcription": "text"}
_CALLED |= {"speaker_id": "speaker", "sex": "gender", "transcript": "text", "id": "utterance"}


class Target(NamedTuple):
    """What is predicted: a label of the column `emotion`, unless one of these is given.

    dimensions: columns of numbers.
    scale: the ends of their scale.
    shares: label to the column that has its share, or how many listeners said it.
    """

    dimensions: tuple[str, ...] = ()
    scale: tuple[float, float] | None = None
    shares: Mapping[str, str] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a source, by serbench's names, that it takes."""
        return self.dimensions or tuple(self.shares.values()) or ("emotion",)


def import_corpus(
    source: Path,
    target: Path,
    *,
    called: Mapping[str, str],
    name: str,
    predicted: Target,
    progress: Progress,
) -> Path:
    """Write the table of a corpus, and its description; return the path of the latter.

    Args:
        source: the folder or the manifest.
        target: a folder that does not exist yet; audio inside of parquet files is written there.
        called: serbench's name of a column to the source's, where they differ.
        name: of the benchmark.
        predicted: what of the columns.
        progress: where the work is shown.

    Raises:
        SerbenchError: nothing is there that can be read, columns are missing or are no numbers, or
            no benchmark can have this name.
    """
    if target.exists():
        raise SerbenchError(f"folder '{target}' exists; name a new one")
    _check_name(name)
    try:
        wanted = ("path", "speaker", *predicted.columns)
        table = _renamed(source, foreign.read(source, target, progress), called, wanted)
        table = table.assign(**_shares(table, predicted.shares))
        paths = _within(table["path"], target / "audio")
        target.mkdir(parents=True, exist_ok=True)
        table.assign(path=paths).to_csv(target / "utterances.csv", index=False, lineterminator="\n")
        description = target / "benchmark.toml"
        inside = not paths.equals(table["path"])
        lines = _described(name, source, table, predicted, inside=inside)
        description.write_text("\n".join([*lines, ""]), encoding="utf-8")
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return description


def _check_name(name: str) -> None:
    if not re.fullmatch(NAME, name):
        msg = f"no benchmark can be called '{name}': letters, digits, _ and - make a name; give one"
        raise SerbenchError(f"{msg} with --name")
    if custom.taken(name):
        raise SerbenchError(f"'{name}' is taken by a benchmark; choose another with --name")


def _within(paths: Series, folder: Path) -> Series:
    """Return paths with those in a folder relative to it, so that it can be moved."""
    prefix = f"{folder.absolute()}{os.sep}"
    return paths.map(lambda path: path.removeprefix(prefix) if isinstance(path, str) else path)


def _renamed(
    source: Path, table: DataFrame, called: Mapping[str, str], wanted: tuple[str, ...]
) -> DataFrame:
    """Return a table by serbench's names of columns, which has those that are wanted."""
    meant = {theirs: ours for ours, theirs in called.items()}
    for theirs in meant:
        if theirs not in table:
            raise unknown("column", theirs, map(str, table.columns), f"of '{source}'")
    table = table.drop(columns=[c for c in called if c in table and c not in meant])
    table = table.rename(columns=meant)
    known = {a: b for a, b in _CALLED.items() if a in table and b not in table}
    table = table.rename(columns=known)
    for column in wanted:
        if column not in table:
            told = ", ".join(map(str, table.columns))
            msg = (
                f"'{source}' says nothing of '{column}'; it has {told}; name the column that it "
                f"is, as in --column {column}=NAME"
            )
            raise SerbenchError(msg)
    return table


def _shares(table: DataFrame, columns: Mapping[str, str]) -> dict[str, Series[float]]:
    """Return the share of each label among the votes of an utterance, and how many these are."""
    import pandas as pd

    if not columns:
        return {}
    votes = table[[*columns.values()]].apply(pd.to_numeric, errors="coerce")
    if votes.isna().to_numpy().any() or (votes < 0).to_numpy().any():
        msg = f"the columns {', '.join(columns.values())} must be shares or counts of votes"
        raise SerbenchError(f"{msg}, 0 or more in every row")
    cast = votes.sum(axis=1)
    shares = {f"share:{label}": votes[column] / cast for label, column in columns.items()}
    counted = (votes % 1 == 0).to_numpy().all() and (cast > 1).any()
    return shares | ({RATERS: cast} if counted and RATERS not in table else {})


def _described(
    name: str, source: Path, table: DataFrame, predicted: Target, *, inside: bool
) -> Iterator[str]:
    note = fetched(source)
    split = "split" in table and {"train", "valid", "test"} <= set(table["split"].dropna())
    yield f"# imported from {source.resolve().name}; what is not right here is mended here"
    yield f"name = {json.dumps(name)}"
    yield f"version = {json.dumps(note.version if note else '1')}"
    yield 'table = "utterances.csv"'
    if inside:
        yield 'audio = "audio"'
    if HEARD in table:
        yield f'channel = "{HEARD}"'
    yield from _task(table, predicted)
    yield from ("", "[protocol]", f'name = "{"corpus_split" if split else "speaker_folds"}"')


def _task(table: DataFrame, predicted: Target) -> Iterator[str]:
    if predicted.dimensions:
        low, high = predicted.scale or (float("nan"), float("nan"))
        yield 'task = "regression"'
        yield f"dimensions = {json.dumps([*predicted.dimensions])}"
        yield f"low = {low:g}"
        yield f"high = {high:g}"
        return
    labels = [*predicted.shares] or sorted(table["emotion"].dropna().astype(str).unique())
    yield f'task = "{"distribution" if predicted.shares else "classification"}"'
    yield f"labels = {json.dumps(labels, ensure_ascii=False)}"
