"""Whether the tables of a result are those that were written with its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from serbench.digests import digest_path
from serbench.leaderboard.beside import (
    EMBEDDED,
    TABLES,
    UNLABELLED,
    VOICES,
    load_embedded,
    load_part,
    load_voices,
)
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.record import Result

_Reader = Callable[[Path, Result], Any]
_READERS: Mapping[str, _Reader] = {
    **{f".{part}.parquet": partial(load_part, part=part) for part in ("valid", "train", "enrol")},
    VOICES: load_voices,
    EMBEDDED: load_embedded,
}


def altered(path: Path, result: Result) -> Iterator[str]:
    """Yield which tables beside a record are not as they were written, a sentence each.

    One that is not there is missed only if it has the predictions for the test parts; nobody has to
    send the others. Where an older record names no checksums, all that can be read is read.

    Args:
        path: of the record.
        result: the record.
    """
    there = [ending for ending in TABLES if path.with_suffix(ending).exists()]
    for ending in there:
        wrong = _changed if result.tables else _unsound
        yield from (f"{path.stem[:8]}{ending} {said}" for said in wrong(path, result, ending))


def _changed(path: Path, result: Result, ending: str) -> Iterator[str]:
    if ending not in result.tables:
        yield "is not of this result: the record does not name it"
    elif not path.with_suffix(ending).is_file():
        yield "is no regular file"
    elif digest_path(path.with_suffix(ending)) != result.tables[ending]:
        yield "was changed after it was written: the record has another checksum of it"


def _unsound(path: Path, result: Result, ending: str) -> Iterator[str]:
    """Yield why a table without a checksum is none; the predictions are read in any case."""
    if ending in (TABLES[0], UNLABELLED):
        return
    try:
        _READERS[ending](path, result)
    except BrokenResultError as error:
        yield error.reason
