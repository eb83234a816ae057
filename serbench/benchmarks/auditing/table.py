"""Faults of a corpus' table: ids, speakers, labels, values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from serbench.benchmarks import Task
from serbench.benchmarks.tasks.findings import Finding, absent, some
from serbench.errors import hidden

if TYPE_CHECKING:
    from pandas import DataFrame


def check_table(task: Task, table: DataFrame) -> Iterator[Finding]:
    """Yield what is wrong with a table of utterances.

    Errors: "duplicate_id", "no_speaker", "unseen_character", "no_target", "unknown_label",
    "off_scale". Warnings:
    "empty_class", "one_speaker_class". One finding speaks of all utterances with the same problem.

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
    yield from task.audit(table)


def _unseen(column: str, table: DataFrame) -> Iterator[Finding]:
    for name, rows in table.groupby(column, sort=False):
        if found := hidden(str(name)):
            message = f"the character {found} in '{column}' of {some(rows)}; take it out"
            yield Finding("unseen_character", "error", message)


def _ids(table: DataFrame) -> Iterator[Finding]:
    doubled = table[table["utterance"].duplicated(keep=False)]
    for utterance, rows in doubled.groupby("utterance", sort=False):
        message = f"the same id: {some(rows)}; give each utterance its own"
        yield Finding("duplicate_id", "error", message, str(utterance))
