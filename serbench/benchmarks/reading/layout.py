"""Reading a corpus as it is distributed: is everything there, and what does the table hold."""

from __future__ import annotations

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
        msg = f"benchmark '{name}': folder '{folder}' does not exist; {obtain}"
        raise SerbenchError(msg)
    expected = list(files)
    parents = {(folder / file).parent for file in expected}
    there = {path for parent in parents if parent.is_dir() for path in parent.iterdir()}
    missing = [file for file in expected if folder / file not in there]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        msg = (
            f"benchmark '{name}': {len(missing)} of {len(expected)} files are missing in "
            f"'{folder}' ({', '.join(missing[:_SHOWN])}{more}); {obtain}"
        )
        raise SerbenchError(msg)
    return folder.absolute()


def read_csv(path: Path, columns: Sequence[str], index: Sequence[str]) -> DataFrame:
    """Return columns of a corpus' CSV file as texts, one row for each of `index`.

    Args:
        path: of the file.
        columns: the first has the names in `index`, the others are returned.
        index: which rows, in this order; more may be there.

    Raises:
        SerbenchError: not such a file, or rows are missing.
    """
    table = csv_columns(path, columns)
    table = table.drop_duplicates(columns[0]).set_index(columns[0])
    missing = [name for name in index if name not in table.index]
    if missing:
        first = ", ".join(missing[:_SHOWN])
        msg = f"'{path}' lacks {len(missing)} of {len(index)} rows (first: {first}); get it again"
        raise SerbenchError(msg)
    return table.loc[list(index)]


def csv_columns(path: Path, columns: Sequence[str]) -> DataFrame:
    """Return columns of a corpus' CSV file as texts, all rows.

    Raises:
        SerbenchError: not such a file.
    """
    try:
        bounds.regular(path, bounds.TABLE)
        return pd.read_csv(path, dtype=str, keep_default_na=False, usecols=list(columns))
    except (OSError, ValueError) as error:
        wanted = ", ".join(columns)
        msg = f"'{path}' is not a CSV file with columns {wanted} ({error}); get it again"
        raise SerbenchError(msg) from error


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
