"""Reading a corpus as it is distributed: is everything there, and what does the table hold."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame

from serbench import bounds
from serbench.errors import SerbenchError

# The columns of every benchmark's table; the targets follow.
COLUMNS = ("utterance", "path", "start", "end", "speaker", "session", "gender", "text", "split")
CHANNEL = "audio_channel"
"""Column of a table that says which channel is heard, from 1; NaN, or without it: their mean."""
_SHOWN = 5


def corpus_folder(name: str, folder: Path | None, files: Iterable[str], obtain: str) -> Path:
    """Return the folder of a corpus that is there with all its files.

    Args:
        name: of the benchmark.
        folder: where the corpus should be; None: nobody said.
        files: what is in it, as distributed, relative to the folder; more may be there.
        obtain: how to get it.

    Raises:
        SerbenchError: no folder, or files are missing: how many, and the first few.
    """
    if folder is None:
        msg = f"benchmark '{name}' needs its corpus: give --data or set SERBENCH_DATA; {obtain}"
        raise SerbenchError(msg)
    if not folder.is_dir():
        msg = f"benchmark '{name}': folder '{folder}' does not exist{_renamed(folder)}; {obtain}"
        raise SerbenchError(msg)
    expected = list(files)
    missing = _missing(folder, expected)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        msg = (
            f"benchmark '{name}': {len(missing)} of {len(expected)} files are missing in "
            f"'{folder}' ({', '.join(missing[:_SHOWN])}{more}){_deeper(folder, missing[0])}; "
            f"{obtain}"
        )
        raise SerbenchError(msg)
    return folder.absolute()


def _missing(folder: Path, expected: Sequence[str]) -> list[str]:
    """Return which files are not there; a `Path` for each of 20,000 would take a second."""
    parents: dict[str, set[str]] = {}
    for file in expected:
        parent = file.rpartition("/")[0]
        if parent not in parents:
            there = folder / parent
            parents[parent] = set(os.listdir(there)) if there.is_dir() else set()  # noqa: PTH208
    return [f for f in expected if f.rpartition("/")[2] not in parents[f.rpartition("/")[0]]]


def corpus_files(name: str, folder: Path | None, pattern: str, obtain: str) -> list[Path]:
    """Return the files of a corpus that match a pattern, in the order of their paths.

    Args:
        name: of the benchmark.
        folder: where the corpus should be; None: nobody said.
        pattern: of paths below it; what a Mac leaves beside ("._a.wav") does not match.
        obtain: how to get it.

    Raises:
        SerbenchError: no folder, or nothing matches.
    """
    root = corpus_folder(name, folder, [], obtain)
    files = (path for path in root.glob(pattern) if not path.name.startswith("._"))
    found = sorted(files, key=lambda path: path.parts)
    if not found:
        msg = (
            f"benchmark '{name}': nothing in '{folder}' is called like {pattern}"
            f"{_deeper(root, pattern)}; {obtain}"
        )
        raise SerbenchError(msg)
    return found


def check_counts(
    name: str,
    found: Iterable[object],
    expected: Mapping[str, int],
    what: str,
    obtain: str,
    releases: Mapping[int, str] | None = None,
) -> None:
    """Refuse a corpus of which clips are missing, or that has others.

    Args:
        name: of the benchmark.
        found: the group of each clip, such as its emotion.
        expected: clips of each group in the whole corpus.
        what: the groups are: "emotion".
        obtain: how to get it.
        releases: what is known of copies with another number of clips.

    Raises:
        SerbenchError: a group has more clips, or fewer: which, and how many.
    """
    counts = Counter(map(str, found))
    if counts == expected:
        return
    wrong = [f"{g} {counts[g]} of {n}" for g, n in expected.items() if counts[g] != n]
    wrong += [f"{g} {n} of 0" for g, n in sorted(counts.items()) if g not in expected]
    known = (releases or {}).get(counts.total(), "")
    msg = (
        f"benchmark '{name}': the corpus has {sum(expected.values())} clips, here are "
        f"{counts.total()}{known and f', which is {known}'} (by {what}: {', '.join(wrong[:20])}); "
        f"{obtain}"
    )
    raise SerbenchError(msg)


def names_of(name: str, files: Sequence[Path], form: str, example: str) -> list[dict[str, str]]:
    """Return what the names of files tell.

    Args:
        name: of the benchmark.
        files: of its corpus.
        form: a regular expression for a whole name without its ending.
        example: of such a name.

    Raises:
        SerbenchError: a file is called otherwise.
    """
    matches = [re.fullmatch(form, file.stem) for file in files]
    other = [file for file, match in zip(files, matches, strict=True) if match is None]
    if other:
        msg = (
            f"benchmark '{name}': {len(other)} of {len(files)} files are not called like "
            f"'{example}' (first: {other[0]}); take out what does not belong to the corpus"
        )
        raise SerbenchError(msg)
    return [match.groupdict() for match in matches if match is not None]


def _renamed(folder: Path) -> str:
    """Return which folder beside a missing one is probably meant."""
    if not folder.parent.is_dir():
        return ""
    plain = {_plain(path.name): path for path in folder.parent.iterdir() if path.is_dir()}
    wanted = _plain(folder.name)
    likely = [name for name in sorted(plain) if name and (name in wanted or wanted in name)]
    near = [plain[name] for name in likely]
    return f", but '{near[0]}' does: rename it, mv '{near[0]}' '{folder}'" if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _deeper(folder: Path, wanted: str) -> str:
    """Return in which folder further down something lies that was looked for."""
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for place in sorted(inside)[:50]:
        if next(place.glob(wanted), None) is not None:
            return f"; it lies in '{place}': move what is in there one folder up"
    return ""


def read_csv(path: Path, columns: Sequence[str], index: Sequence[str]) -> DataFrame:
    """Return columns of a corpus' CSV file as texts, one row for each of `index`.

    Args:
        path: of the file.
        columns: the first has the names in `index`, the others are returned.
        index: which rows, in this order; more may be there.

    Raises:
        SerbenchError: not such a file, or rows are missing.
    """
    table = read_rows(path, columns).drop_duplicates(columns[0]).set_index(columns[0])
    missing = [name for name in index if name not in table.index]
    if missing:
        first = ", ".join(missing[:_SHOWN])
        msg = f"'{path}' lacks {len(missing)} of {len(index)} rows (first: {first}); get it again"
        raise SerbenchError(msg)
    return table.loc[list(index)]


def read_rows(path: Path, columns: Sequence[str], *, separator: str = ",") -> DataFrame:
    """Return columns of a corpus' table as texts, all its rows.

    Args:
        path: of the file.
        columns: that it has, in this order.
        separator: of its cells.

    Raises:
        SerbenchError: not such a file: which columns it has instead.
    """
    try:
        bounds.regular(path, bounds.TABLE)
        table = pd.read_csv(path, dtype=str, keep_default_na=False, sep=separator)
    except (OSError, ValueError) as error:
        msg = f"'{path}' cannot be read as a table ({error}); get it again"
        raise SerbenchError(msg) from error
    if absent := [column for column in columns if column not in table]:
        msg = (
            f"'{path}' is not the table of this corpus: it has no column {', '.join(absent)}, but "
            f"{', '.join(map(str, table.columns[:20]))}; get it again"
        )
        raise SerbenchError(msg)
    return table[list(columns)]


def as_table(columns: Mapping[str, object]) -> DataFrame:
    """Return a benchmark's table: all columns of the contract, None or NaN where not given.

    Args:
        columns: what is known, by name; targets and further columns are kept after the others.
    """
    table = DataFrame(dict(columns))
    for column in COLUMNS:
        if column not in table:
            table[column] = np.nan if column in ("start", "end") else None
    return table[[*COLUMNS, *(c for c in table if c not in COLUMNS)]]
