"""Names of people as corpora write them: which are texts, which say nobody, which are alike."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import CategoricalDtype, DataFrame, Series

from serbench.benchmarks import UNKNOWN

# Leading zeros: those after a decimal point count.
_ZEROS = re.compile(r"(?<![0-9])(?<![0-9][.,])0+(?=[0-9])")
_POINT = re.compile(r"^([0-9]+)\.0+$")
HOW_TO_DROP = "`--set benchmark.unknown=dropped` where the benchmark has that option"
"""How utterances of unknown speakers are left out."""
_TEXTS = ("utterance", "path", "speaker", "session", "gender", "text", "split")


def as_texts(table: DataFrame) -> DataFrame:
    """Return a benchmark's table with numeric names as texts, and one word for unknown speakers.

    A number is written as a whole number if it is one (3 and 3.0 are "3", as pandas makes floats of
    integers where a cell is empty). Unknown are an empty cell and "unknown" in any case, as
    MSP-Podcast has it.

    Args:
        table: as a benchmark reads it; columns may be missing.
    """
    there = [column for column in _TEXTS if column in table]
    plain: DataFrame = table.assign(**{column: _texts(table[column]) for column in there})
    if "speaker" in plain:
        plain["speaker"] = plain["speaker"].map(lambda name: UNKNOWN if _is_nobody(name) else name)
    return plain


def alike(names: Iterable[str]) -> list[list[str]]:
    """Return which names are probably one: equal but for Unicode form, case, blanks and zeros.

    >>> alike(["s1", "S01", "s10", "bob"])
    [['S01', 's1']]
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[bare(name)].add(name)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def bare(name: str) -> str:
    """Return what is left of a name without Unicode's forms, case, needless blanks and zeros.

    Blanks around it go, and of several in a row all but one; so do leading zeros, and the zeros
    after the point that a table of numbers gives a whole one.

    >>> bare(" Ses  01"), bare("ses 1"), bare("1.05"), bare("7.0")
    ('ses 1', 'ses 1', '1.05', '7')
    """
    folded = " ".join(unicodedata.normalize("NFKC", str(name)).casefold().split())
    whole = _POINT.sub(r"\1", unicodedata.normalize("NFKC", folded))
    return _ZEROS.sub("", whole)


def as_one(names: Series) -> Series:
    """Return the names with one spelling for those that are `alike`: "S01 = s1" for both."""
    groups = alike(names.dropna().astype(str).unique())
    return names.replace({name: " = ".join(group) for group in groups for name in group})


def unknown(speakers: Series) -> Series:
    """Return (N,) whether nobody knows who speaks."""
    return speakers == UNKNOWN


def known_people(speakers: Series) -> Series:
    """Return the names of speakers, those that are `alike` as one, and nothing for nobody."""
    return as_one(speakers.mask(unknown(speakers)))


def speaker_numbers(speakers: Series) -> NDArray[np.int64]:
    """Return (N,) the number of each row's speaker, in the order of their names; -1 for nobody."""
    found = np.unique(speakers, return_inverse=True)[1].astype(np.int64)
    return np.where(unknown(speakers), -1, found)


def _texts(values: Series) -> Series:
    if isinstance(values.dtype, CategoricalDtype):
        values = values.astype(object)
    if values.dtype != object and not _is_number(values.iloc[0] if len(values) else ""):
        return values
    return Series([_text(value) for value in values], values.index, dtype=object)


def _text(value: Any) -> Any:
    if not _is_number(value):
        return value
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value)


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool | np.bool_)


def _is_nobody(name: Any) -> bool:
    if name is None or (isinstance(name, float) and np.isnan(name)):
        return True
    return isinstance(name, str) and name.strip().casefold() in ("", UNKNOWN.casefold())
