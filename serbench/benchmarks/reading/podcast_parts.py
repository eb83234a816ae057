"""Which part of MSP-Podcast each turn is in, as the list beside its labels has it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.benchmarks import UNKNOWN, UNLABELLED
from serbench.benchmarks.reading.layout import check_any, read_lines
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

PARTS = {
    "train": "train",
    "validation": "valid",
    "development": "valid",
    "test1": "test1",
    "test2": "test2",
    "test3": UNLABELLED,
}
"""What the parts of the releases are called here, by their names in small letters."""

_LIKE = "Test1; MSP-PODCAST_0001_0008.wav"
_PLACED = re.compile(r"\s*(?P<part>[\w ]+?)\s*;\s*(?P<turn>\S+\.wav)\s*")


def listed(root: Path, obtain: str) -> dict[str, str] | None:
    """Return the part of each turn as Partitions.txt has it, "Test1; NAME.wav", if it is there.

    Args:
        root: the release, as unpacked.
        obtain: how to get it.

    Raises:
        SerbenchError: lines are cut off, or contradict each other.
    """
    for name in ("Partitions.txt", "partitions.txt"):
        if (root / name).is_file():
            return _parts(root / name, obtain)
    return None


def placed(
    told: DataFrame, listed: Mapping[str, str], path: Path, ratings: Sequence[str]
) -> DataFrame:
    """Return the turns with labels in the parts of a list, and those of it without labels.

    Args:
        told: what the labels say of each turn.
        listed: the part of each turn.
        path: of the labels.
        ratings: columns that, beside the class, a turn with labels has.

    Raises:
        SerbenchError: list and labels have other turns, or are of two releases.
    """
    import pandas as pd

    parts = told["FileName"].map(listed)
    if "Split_Set" in told:  # not in an older form of the table
        _check_same(told, parts, path)
    told = told.assign(Split_Set=parts)
    _check_listed(told, path)
    unrated = sorted(name for name, part in listed.items() if part.lower() == "test3")
    _check_rated(told, {*listed} - {*unrated}, path, ratings)
    there = {*told["FileName"]}
    missing = [name for name in unrated if name not in there]
    more = pd.DataFrame({"FileName": missing, "SpkrID": UNKNOWN, "Split_Set": "Test3"})
    return pd.concat([told, more], ignore_index=True)


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


def _check_rated(told: DataFrame, expected: set[str], path: Path, ratings: Sequence[str]) -> None:
    """Refuse a table of labels that ends too early: turns of the release have no labels in it."""
    rated = told.dropna(subset=["EmoClass", *ratings])
    if lacking := sorted(expected - {*rated["FileName"]}):
        msg = (
            f"benchmark 'msp_podcast': {len(lacking)} of {len(expected)} turns that Partitions.txt "
            f"lists have no labels in '{path}' (first: {lacking[0]}), as of a download that was "
            "interrupted; get it again, or take them out of Partitions.txt"
        )
        raise SerbenchError(msg)


def _parts(path: Path, obtain: str) -> dict[str, str]:
    """Return the part of each turn, and refuse a list of which lines are cut off or contradict."""
    lines = [line for line in read_lines(path) if line.strip()]
    matches = [match for line in lines if (match := _PLACED.fullmatch(line))]
    check_any("msp_podcast", matches, path, _LIKE, obtain)
    found = {(match["turn"], match["part"].replace(" ", "")) for match in matches}
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
        side.str.lower().str.replace(" ", "").map(PARTS) for side in (told["Split_Set"], listed)
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
