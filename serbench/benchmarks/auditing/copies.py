"""What is heard twice: near-copies of recordings, and segments of one file that overlap."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from pandas import DataFrame, Series

from serbench.benchmarks.auditing.fingerprints import Copy, near_copies
from serbench.benchmarks.tasks.findings import Finding, named

_OVERLAP = 0.1
"""Seconds by which annotated segments may overlap: turns do, and ends are rounded."""


def find_copies(table: DataFrame, facts: DataFrame) -> list[Copy]:
    """Return the near-copies among utterances, by row; those with the same samples are none.

    Args:
        table: with `recording`.
        facts: of the same utterances, with `heard`.
    """
    once = np.flatnonzero(~table["recording"].duplicated() & (table["recording"] != ""))
    prints = [np.frombuffer(facts["heard"].iloc[row], np.uint32) for row in once]
    found = near_copies(prints)
    return [c._replace(first=int(once[c.first]), second=int(once[c.second])) for c in found]


def check_copies(table: DataFrame, copies: Iterable[Copy]) -> Iterator[Finding]:
    """Yield, as warnings "near_copy", what is nearly the same as another utterance."""
    for copy in copies:
        for own, other in ((copy.first, copy.second), (copy.second, copy.first)):
            mine, theirs = table.iloc[own], table.iloc[other]
            said = (
                f"{copy.seconds:.1f} s of it are heard in {theirs['utterance']} as well, which was "
                f"cut or coded otherwise ({1 - copy.different:.0%} of their fingerprints agree); "
                "keep one of them"
            )
            yield Finding("near_copy", "warning", said, str(mine["utterance"]), Path(mine["path"]))


def check_overlaps(table: DataFrame) -> Iterator[Finding]:
    """Yield a warning "overlap" if segments of one file overlap and have different speakers."""
    pairs = [
        (one, other)
        for one, other in overlapping(table)
        if table["speaker"].iloc[one] != table["speaker"].iloc[other]
    ]
    if pairs:
        names = (" and ".join(table["utterance"].iloc[list(pair)].astype(str)) for pair in pairs)
        message = (
            f"{len(pairs)} pairs of segments of one file overlap by more than {_OVERLAP:g} s and "
            f"have different speakers ({named(names)}); both are heard in each"
        )
        yield Finding("overlap", "warning", message)


def overlapping(table: DataFrame) -> Iterator[tuple[int, int]]:
    """Yield the rows of segments of one file that overlap, each with the first that it does."""
    paths = table["path"].map(os.path.normpath)
    several = np.flatnonzero(paths.duplicated(keep=False))
    spans = table[["start", "end"]].iloc[several].assign(path=paths.iloc[several], row=several)
    spans["start"] = spans["start"].fillna(0.0)
    spans["end"] = spans["end"].fillna(np.inf)
    last = ("", -np.inf, -1)
    for path, start, end, row in spans.sort_values(["path", "start", "row"])[
        ["path", "start", "end", "row"]
    ].itertuples(index=False):
        if path == last[0] and start < last[1] - _OVERLAP:
            yield last[2], row
        if path != last[0] or end > last[1]:
            last = (path, end, row)


def linked(count: int, pairs: Iterable[tuple[int, int]], ids: Series) -> list[str]:
    """Return (N,) the id of the first row that each is linked with by pairs; "" for none."""
    first = list(range(count))

    def root(row: int) -> int:
        while first[row] != row:
            row = first[row]
        return row

    together = set()
    for one, other in pairs:
        together |= {one, other}
        low, high = sorted((root(one), root(other)))
        first[high] = low
    names = ids.astype(str).tolist()
    return [names[root(row)] if row in together else "" for row in range(count)]
