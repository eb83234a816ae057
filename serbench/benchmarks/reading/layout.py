"""Reading a corpus as it is distributed: is everything there, and what does the table hold."""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from serbench import bounds
from serbench.durable import unreadable
from serbench.errors import SerbenchError

# The columns of every benchmark's table; the targets follow.
COLUMNS = ("utterance", "path", "start", "end", "speaker", "session", "gender", "text", "split")
CHANNEL = "audio_channel"
"""Column of a table that says which channel is heard, from 1; NaN, or without it: their mean."""
RESERVED = ("row", "recording", "seconds", "rate", "copy", "overlap", CHANNEL)
"""Columns that serbench adds to a table."""
LEFT_OUT = "left_out"
"""Key in the `attrs` of a table: how many rows its reader left out, by what is said of them."""
_SHOWN = 5
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")


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
        found = "is a file, which is not unpacked" if folder.exists() else "does not exist"
        msg = f"benchmark '{name}': folder '{folder}' {found}{_renamed(folder)}; {obtain}"
        raise SerbenchError(msg)
    expected = list(files)
    missing = _missing(folder, expected)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        msg = (
            f"benchmark '{name}': {len(missing)} of {len(expected)} files are missing in "
            f"'{folder}' ({', '.join(missing[:_SHOWN])}{more}){_otherwise(folder, missing)}"
            f"{_deeper(folder, missing[0])}; {obtain}"
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
    files = (path for path in root.glob(_any_case(pattern)) if not path.name.startswith("._"))
    found = sorted(files, key=lambda path: path.parts)
    suffix = Path(pattern).suffix
    if other := [path for path in found if path.suffix != suffix]:
        msg = (
            f"benchmark '{name}': {len(other)} of {len(found)} files in '{folder}' end in "
            f"{other[0].suffix}, not {suffix}{_recased(root, other[0].suffix, suffix)}"
        )
        raise SerbenchError(msg)
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
    wrong += [f"{g or 'no word'} {n} of 0" for g, n in sorted(counts.items()) if g not in expected]
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


def _any_case(pattern: str) -> str:
    """Return a pattern of paths whose ending may have capital letters."""
    stem, _, ending = pattern.rpartition(".")
    return f"{stem}." + "".join(f"[{letter.lower()}{letter.upper()}]" for letter in ending)


def _recased(folder: Path, there: str, wanted: str) -> str:
    """Return the command that gives files another ending."""
    command = (
        f"""find '{folder}' -name '*{there}' -exec sh -c 'mv "$1" "${{1%.*}}{wanted}"' _ {{}} ';'"""
    )
    return f": rename them, {command}"


def _otherwise(folder: Path, missing: Sequence[str]) -> str:
    """Return how many files are there by a name in other capital and small letters."""
    parents = {file.rpartition("/")[0] for file in missing}
    there = {
        f"{parent}/{name}".lstrip("/").casefold(): name
        for parent in parents
        if (folder / parent).is_dir()
        for name in os.listdir(folder / parent)  # noqa: PTH208
    }
    found = [(file, there[file.casefold()]) for file in missing if file.casefold() in there]
    if not found:
        return ""
    wanted, name = Path(found[0][0]), Path(found[0][1])
    said = f"; {len(found)} of them are there in other capital and small letters ({name})"
    return said + _recased(folder, name.suffix, wanted.suffix) * (name.stem == wanted.stem)


def _deeper(folder: Path, wanted: str) -> str:
    """Return in which folder further down something lies that was looked for, or its archive."""
    inside = [path for path in folder.glob("*") if path.is_dir() and path.name[:1] not in "._"]
    below = [path for place in sorted(inside)[:50] for path in [place, *place.glob("*/")]]
    for place in below[:500]:
        if next(place.glob(wanted), None) is not None:
            up = "one folder" if place.parent == folder else "two folders"
            return f"; it lies in '{place}': move what is in there {up} up"
    packed = [path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in _ARCHIVES]
    return f"; '{packed[0]}' is not unpacked" if packed else ""


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


def read_rows(
    path: Path, columns: Sequence[str], *, also: Sequence[str] = (), separator: str = ","
) -> DataFrame:
    """Return columns of a corpus' table as texts, all its rows.

    Args:
        path: of the file.
        columns: that it has, in this order.
        also: further ones, as far as it has them.
        separator: of its cells.

    Raises:
        SerbenchError: not such a file: which columns it has instead.
    """
    try:
        bounds.regular(path, bounds.TABLE)
        with path.open("rb") as opened:
            letters = _encoding(opened.read(4))
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, sep=separator, encoding=letters or "utf-8"
        )
    except (OSError, ValueError) as error:
        msg = f"'{path}' cannot be read as a table ({error}); get it again"
        raise SerbenchError(msg) from error
    if absent := [column for column in columns if column not in table]:
        msg = (
            f"'{path}' is not the table of this corpus: it has no column {', '.join(absent)}, but "
            f"{', '.join(map(str, table.columns[:20]))}{_parted(table, separator)}; get it again"
        )
        raise SerbenchError(msg)
    there = [column for column in also if column in table]
    return table[[*dict.fromkeys([*columns, *there])]]


def numbers(path: Path, cells: Series) -> Series:
    """Return a column of a corpus' table as numbers, NaN where a cell is empty.

    Args:
        path: of the file.
        cells: by the name of the column, the index saying what each row is about.

    Raises:
        SerbenchError: a cell holds something else: which, in which row, and how many do.
    """
    empty = cells.isna() | cells.eq("")
    values = pd.to_numeric(cells.mask(empty), errors="coerce").astype(float)
    wrong = cells[~empty & ~np.isfinite(values)]
    if len(wrong):
        msg = (
            f"'{path}': {len(wrong)} cells of '{cells.name}' are no numbers (first: "
            f"{wrong.iloc[0]!r} in the row of {wrong.index[0]}); get it again"
        )
        raise SerbenchError(msg)
    return values


def _parted(table: DataFrame, separator: str) -> str:
    """Return by what the cells of a table are separated that has a single column."""
    header = str(table.columns[0])
    other = [sign for sign in ",;\t" if sign != separator and sign in header]
    if len(table.columns) > 1 or not other:
        return ""
    return f": its cells are separated by {other[0]!r}, not by {separator!r}"


def read_lines(path: Path) -> list[str]:
    """Return the lines of a corpus' text file, UTF-8 or -16 where it says so, otherwise Latin-1.

    Args:
        path: of the file.

    Raises:
        SerbenchError: it cannot be read.
    """
    try:
        bounds.regular(path, bounds.TABLE)
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    return content.decode(_encoding(content) or "latin-1", "replace").splitlines()


def _encoding(content: bytes) -> str | None:
    """Return what a file says at its start that its letters are in; None: it says nothing."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else None


def check_any(name: str, found: object, where: Path, example: str, obtain: str) -> None:
    """Refuse a text file, or a folder of them, without a single line as the corpus has them.

    Args:
        name: of the benchmark.
        found: what was read.
        where: it was read from.
        example: of a line.
        obtain: how to get it.

    Raises:
        SerbenchError: nothing was found.
    """
    if not found:
        msg = f"benchmark '{name}': '{where}' has no line like \"{example}\"; {obtain}"
        raise SerbenchError(msg)


def only(table: DataFrame, kept: Series, words: Series) -> DataFrame:
    """Return some rows of a table; what the others are is counted, for who looks at the corpus.

    Args:
        table: of a corpus.
        kept: which rows.
        words: what the corpus says of each row, for which others are left out.
    """
    some = table[kept.to_numpy()].reset_index(drop=True)
    left = words[~kept.to_numpy()].fillna("nothing said").astype(str)
    some.attrs[LEFT_OUT] = {**table.attrs.get(LEFT_OUT, {}), **left.value_counts().to_dict()}
    return some


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
