"""Faults of a corpus' table: ids, speakers, labels, values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from serbench.benchmarks import Classification, Regression, Task
from serbench.benchmarks._findings import Finding, absent, some
from serbench.errors import unknown

if TYPE_CHECKING:
    from pandas import DataFrame


def check_table(task: Task, table: DataFrame) -> Iterator[Finding]:
    """Yield what is wrong with a table of utterances.

    Errors: "duplicate_id", "no_speaker", "no_target", "unknown_label", "off_scale". Warnings:
    "empty_class", "one_speaker_class". One finding speaks of all utterances with the same fault.

    Args:
        task: what is predicted.
        table: of a benchmark.
    """
    yield from _ids(table)
    nobody = absent(table["speaker"])
    if nobody.any():
        message = f"no speaker: {some(table[nobody])}; say who speaks, to keep speakers apart"
        yield Finding("no_speaker", "error", message)
    if isinstance(task, Classification):
        yield from _labels(task, table)
    else:
        yield from _values(task, table)


def _ids(table: DataFrame) -> Iterator[Finding]:
    doubled = table[table["utterance"].duplicated(keep=False)]
    for utterance, rows in doubled.groupby("utterance", sort=False):
        message = f"the same id: {some(rows)}; give each utterance its own"
        yield Finding("duplicate_id", "error", message, str(utterance))


def _labels(task: Classification, table: DataFrame) -> Iterator[Finding]:
    column = table[task.column]
    missing = absent(column)
    if missing.any():
        message = f"no label in '{task.column}': {some(table[missing])}; give one or drop the row"
        yield Finding("no_target", "error", message)
    foreign = table[~missing & ~column.isin(task.labels)]
    for label, rows in foreign.groupby(task.column, sort=False):
        message = f"{unknown('label', str(label), task.labels)}; {some(rows)}"
        yield Finding("unknown_label", "error", message)
    speakers = table.groupby(task.column)["speaker"].nunique()
    for label in task.labels:
        count = speakers.get(label, 0)
        if count == 0:
            message = f"no utterance has the label '{label}'; take it out of the labels"
            yield Finding("empty_class", "warning", message)
        elif count == 1:
            message = (
                f"one speaker alone has the label '{label}': where that speaker is tested, nobody "
                "teaches it; take the label out, or use a speaker-dependent protocol"
            )
            yield Finding("one_speaker_class", "warning", message)


def _values(task: Regression, table: DataFrame) -> Iterator[Finding]:
    for dimension in task.dimensions:
        values = pd.to_numeric(table[dimension], errors="coerce")
        missing = values.isna()
        if missing.any():
            message = (
                f"no number in '{dimension}': {some(table[missing])}; give one or drop the row"
            )
            yield Finding("no_target", "error", message)
        off = ~missing & ~values.between(task.low, task.high)
        if off.any():
            message = (
                f"'{dimension}' is off the scale {task.low:g} to {task.high:g}: "
                f"{some(table[off])}, first {values[off].iloc[0]:g}; correct values or scale"
            )
            yield Finding("off_scale", "error", message)
