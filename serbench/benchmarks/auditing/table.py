"""Faults of a corpus' table: ids, speakers, labels, values."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from pandas import NA

from serbench.benchmarks import PARTS, Task, labelled
from serbench.benchmarks.reading.names import alike
from serbench.benchmarks.tasks.findings import Finding, absent, some
from serbench.errors import hidden

if TYPE_CHECKING:
    from pandas import DataFrame


_NEEDED = ("utterance", "path", "speaker")
_OPTIONAL = ("session", "gender", "text", "split")


def check_table(task: Task, table: DataFrame) -> Iterator[Finding]:
    """Yield what is wrong with a table of utterances.

    Errors: "duplicate_id", "no_speaker", "unseen_character", "no_target", "unknown_label",
    "off_scale". Warnings: "alike_speakers", "alike_sessions", "empty_class", "one_speaker_class".
    One finding speaks of all utterances with the same problem.

    Args:
        task: what is predicted.
        table: of a benchmark.
    """
    yield from _ids(table)
    nobody = absent(table["speaker"])
    if nobody.any():
        message = f"no speaker: {some(table[nobody])}; say who speaks, to keep speakers apart"
        yield Finding("no_speaker", "error", message)
    for column in table.columns.intersection(["utterance", "speaker", "session"]):
        yield from _unseen(column, table)
    yield from _alike(table)
    yield from _lines(table)
    yield from task.audit(labelled(table))


def check_types(table: DataFrame) -> Iterator[Finding]:
    """Yield, as errors "not_text" and "not_number", columns of which nothing else can be said.

    Texts may say nothing, save for the id and the path; that nobody speaks is found by itself.

    Args:
        table: of a benchmark.
    """
    for column in (*_NEEDED, *_OPTIONAL):
        values = table[column]
        right = values.map(lambda value: isinstance(value, str)).astype(bool)
        if column in (*_OPTIONAL, "speaker"):
            right |= values.map(_is_missing).astype(bool)
        if not right.all():
            yield _other("not_text", column, table[~right], _wanted(column))
    for column in ("start", "end"):
        right = table[column].map(_is_number).astype(bool)
        if not right.all():
            yield _other("not_number", column, table[~right], "a number, NaN if unknown")


def check_parts(table: DataFrame) -> Iterator[Finding]:
    """Yield, as an error "not_text", that `split` names other parts than there are.

    Args:
        table: of a benchmark.
    """
    right = table["split"].isna() | table["split"].astype(str).str.fullmatch(PARTS).eq(True)
    if not right.all():
        yield _other("not_text", "split", table[~right], _wanted("split"))


def _wanted(column: str) -> str:
    parts = "'train', 'valid', 'test' (or 'test1', ...), 'unlabelled'"
    what = parts if column == "split" else "a text"
    return f"{what} or None" if column in _OPTIONAL else what


def _other(kind: str, column: str, rows: DataFrame, wanted: str) -> Finding:
    first = rows[column].tolist()[0]
    message = f"'{column}' is {first!r} in {some(rows)}; it must be {wanted}"
    return Finding(kind, "error", message)


def _is_missing(value: object) -> bool:
    return value is None or value is NA or (isinstance(value, float) and isnan(value))


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float | np.number)


def _unseen(column: str, table: DataFrame) -> Iterator[Finding]:
    for name in table[column].dropna().unique():
        if found := hidden(str(name)):
            rows = table[table[column] == name]
            message = f"the character {found} in '{column}' of {some(rows)}; take it out"
            yield Finding("unseen_character", "error", message)


def _alike(table: DataFrame) -> Iterator[Finding]:
    for column in table.columns.intersection(["speaker", "session"]):
        for names in alike(table[column].dropna().astype(str).unique()):
            written = ", ".join(ascii(name) if not name.isascii() else repr(name) for name in names)
            message = (
                f"{len(names)} {column}s may be one: {written} differ in case, blanks, "
                "needless zeros or Unicode form alone; give them one name, as with "
                f"[values.{column}] in benchmark.toml"
            )
            yield Finding(f"alike_{column}s", "warning", message)


def _lines(table: DataFrame) -> Iterator[Finding]:
    for column in table.select_dtypes(include=[object, "string"]).columns:
        several = table[column].map(lambda cell: isinstance(cell, str) and "\n" in cell)
        if several.any():
            message = (
                f"'{column}' has several lines in {some(table[several])}; see if it is meant so"
            )
            yield Finding("several_lines", "warning", message)


def _ids(table: DataFrame) -> Iterator[Finding]:
    doubled = table[table["utterance"].duplicated(keep=False)]
    for utterance, rows in doubled.groupby("utterance", sort=False):
        message = f"the same id: {some(rows)}; give each utterance its own"
        yield Finding("duplicate_id", "error", message, str(utterance))
