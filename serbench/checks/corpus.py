"""The contract of a benchmark whose corpus is there: its table, and the folds of its protocols."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pandas import DataFrame
from pandas.api.types import is_float_dtype, is_numeric_dtype

from serbench.benchmarks import Benchmark, Fold
from serbench.benchmarks.auditing.audit import check_columns
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.auditing.table import check_parts, check_table, check_types
from serbench.benchmarks.splitting.hashes import parts, split_hash
from serbench.benchmarks.tasks.findings import Finding, named, some
from serbench.errors import SerbenchError
from serbench.runs.corpus import read_corpus
from serbench.vetting.observing import sentences

# Columns that the audit adds.
_ADDED = ("recording", "seconds", "rate", "copy", "overlap")


def check_corpus(benchmark: Benchmark, data: Path | None) -> list[str]:
    """Return what the table and the folds of a benchmark have against its contract.

    Args:
        benchmark: what it declares is sound.
        data: folder of the corpora; None: `SERBENCH_DATA`.

    Returns:
        One sentence a failure; the folds are looked at only if the table is sound.
    """
    try:
        table, again = read_corpus(benchmark, data), read_corpus(benchmark, data)
    except SerbenchError as error:
        return [str(error)]
    except Exception as error:
        told = f"reading the corpus ends in {type(error).__name__}: {error}"
        return [f"{told}; raise SerbenchError with a remedy"]
    failures = sentences("looking at the table", _table, benchmark, table)
    if not failures and not table.equals(again):
        failures.append("read again, the table is another one; it must be the same each time")
    if failures:
        return failures
    for name in benchmark.protocols:
        failures += sentences(f"splitting by '{name}'", _folds, benchmark, table, name)
    return failures


def _table(benchmark: Benchmark, table: DataFrame) -> Iterator[str]:
    try:
        check_columns(benchmark, table)
    except SerbenchError as error:
        yield str(error)
        return
    wrong = [*_numbers(table, benchmark.task.quantities)]
    wrong += [f.message for f in check_types(table)]
    wrong += [f.message for f in check_parts(table)]
    yield from wrong
    if wrong:
        return
    for column in _ADDED:
        if column in table:
            yield f"the table has a column '{column}', which serbench adds; use another name"
    yield from _paths(table)
    yield from (f.message for f in check_table(benchmark.task, table) if f.severity == "error")
    unknown = set(benchmark.known_defects) - set(table["utterance"])
    if unknown:
        yield f"known defects of utterances that do not exist: {named(unknown)}"


def _numbers(table: DataFrame, scales: Sequence[str]) -> Iterator[str]:
    for column in ("start", "end"):
        if not is_float_dtype(table[column]):
            yield f"'{column}' is of {table[column].dtype}; it must be float, NaN if unknown"
    for column in scales:
        if not is_numeric_dtype(table[column]):
            yield f"'{column}' is of {table[column].dtype}; it must be numbers"


def _paths(table: DataFrame) -> Iterator[str]:
    absolute = table["path"].map(os.path.isabs).astype(bool)
    if not absolute.all():
        yield f"paths are not absolute: {some(table[~absolute])}"
        return
    there = table["path"].map(os.path.isfile).astype(bool)
    if not there.all():
        first = table.loc[~there, "path"].iloc[0]
        yield f"files do not exist: {some(table[~there])}, first '{first}'"


def _folds(benchmark: Benchmark, table: DataFrame, name: str) -> Iterator[str]:
    protocol, task = benchmark.protocols[name](), benchmark.task
    given = table.copy()
    folds = protocol.split(given, task)
    if not given.equals(table):
        yield f"protocol '{name}' changes the table that it is given; work on a copy"
        return
    if not _same(folds, protocol.split(table, task)):
        yield f"protocol '{name}' gives other folds the second time; it must be a pure function"
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = table.iloc[order].reset_index(drop=True)
    if _named(shuffled, protocol.split(shuffled, task)) != _named(table, folds):
        yield f"protocol '{name}' gives other folds if the rows come in another order"
    for finding in _errors(audit_folds(table, folds, protocol, task)):
        yield f"protocol '{name}': {finding}"


def _same(folds: Sequence[Fold], others: Sequence[Fold]) -> bool:
    """Return whether folds have the same names and the same rows in the same order."""
    return list(map(_rows, folds)) == list(map(_rows, others))


def _rows(fold: Fold) -> tuple[str, list[list[int]]]:
    return fold.name, [rows.tolist() for _, rows in parts(fold)]


def _named(table: DataFrame, folds: Sequence[Fold]) -> list[tuple[str, str]]:
    return [(fold.name, split_hash(table, fold)) for fold in folds]


def _errors(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the first error of each kind: one fault of a protocol often shows in every fold."""
    kinds = Counter(finding.kind for finding in findings if finding.severity == "error")
    for kind, count in kinds.items():
        first = next(finding.message for finding in findings if finding.kind == kind)
        yield first + (f" ({count} such errors)" if count > 1 else "")
