"""Faults of a corpus' table: ids, speakers, labels, values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

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
    "off_scale". Warnings:
    "alike_speakers", "empty_class", "one_speaker_class". One finding speaks of all utterances with
    the same problem.

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


def check_texts(table: DataFrame) -> Iterator[Finding]:
    """Yield, as errors "not_text", which columns hold something else than texts, such as numbers.

    They may say nothing, save for the id and the path; that nobody speaks is found by itself.

    Args:
        table: of a benchmark.
    """
    for column in (*_NEEDED, *_OPTIONAL):
        values = table[column]
        right = values.map(lambda value: isinstance(value, str)).astype(bool)
        if column == "split":
            right &= values.astype(str).str.fullmatch(PARTS)
        if column in (*_OPTIONAL, "speaker"):
            right |= values.isna()
        if not right.all():
            what = (
                "'train', 'valid', 'test' (or 'test1', ...), 'unlabelled'"
                if column == "split"
                else "a text"
            )
            what += " or None" if column in _OPTIONAL else ""
            rows = table[~right]
            first = rows[column].tolist()[0]
            message = f"'{column}' is {first!r} in {some(rows)}; it must be {what}"
            yield Finding("not_text", "error", message)


def _unseen(column: str, table: DataFrame) -> Iterator[Finding]:
    for name in table[column].dropna().unique():
        if found := hidden(str(name)):
            rows = table[table[column] == name]
            message = f"the character {found} in '{column}' of {some(rows)}; take it out"
            yield Finding("unseen_character", "error", message)


def _alike(table: DataFrame) -> Iterator[Finding]:
    for names in alike(table["speaker"].dropna().astype(str).unique()):
        written = ", ".join(ascii(name) if not name.isascii() else repr(name) for name in names)
        message = (
            f"{len(names)} speakers may be one: {written} differ in case, blanks, leading zeros or "
            f"Unicode form alone; give them one name, as with [values.speaker] in benchmark.toml"
        )
        yield Finding("alike_speakers", "warning", message)


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
