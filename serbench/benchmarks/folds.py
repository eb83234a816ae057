"""Whether folds can be trusted: what their parts share, what they lack, and their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from pandas import DataFrame

from serbench.benchmarks import Classification, Fold, Protocol, Regression, Rows, Task
from serbench.benchmarks.audit import Finding

_PARTS = ("train", "valid", "test")
_SHOWN = 5


def audit_folds(
    table: DataFrame, folds: Sequence[Fold], protocol: Protocol, task: Task
) -> list[Finding]:
    """Check the folds of a protocol; whatever is an error must stop a run.

    Errors: a speaker, a session or a recording (the same samples under another id) in two parts
    of a fold, unless it is in `protocol.shares`; an empty part; a class that is not trained on, a
    dimension that has only one value in training; an utterance that is tested twice. Warnings:
    a class or a spread of values that is missing in the validation or test part; utterances that
    are never tested though there are several folds, or that a single fold does not use. A class
    that the whole corpus lacks is left to the audit of the corpus.

    Args:
        table: the utterances; `recording` (SHA-256 of the samples) is checked if it is there.
        folds: row numbers of this table.
        protocol: the one that made the folds.
        task: what is predicted.

    Returns:
        Errors first, then warnings, each in the order of the folds.
    """
    if not folds:
        message = f"protocol '{protocol.name}' gives no folds; use another one"
        return [Finding("no_folds", "error", message)]
    findings = [finding for fold in folds for finding in _empty(fold)]
    for column in ("speaker", "session", "recording"):
        if column in table and column not in protocol.shares:
            findings += _shared(table, folds, column)
    if isinstance(task, Classification):
        findings += _absent_classes(table, folds, task)
    else:
        findings += _constant_targets(table, folds, task)
    findings += _coverage(table, folds)
    return sorted(findings, key=lambda finding: finding.severity != "error")


def part_hash(table: DataFrame, rows: Rows) -> str:
    """Return 16 hex digits of the SHA-256 over the sorted utterance ids, joined by newlines."""
    return _hash(sorted(table["utterance"].iloc[rows].astype(str)))


def split_hash(table: DataFrame, folds: Fold | Sequence[Fold]) -> str:
    """Return 16 hex digits for a fold, or for all folds: equal hashes mean the same split.

    That of a fold is the hash of the `part_hash` of train, valid and test; that of several is
    the hash of theirs, in order. The order of the rows does not matter.
    """
    if isinstance(folds, Fold):
        return _hash(part_hash(table, rows) for _, rows in _parts(folds))
    return _hash(split_hash(table, fold) for fold in folds)


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _empty(fold: Fold) -> Iterator[Finding]:
    for part, rows in _parts(fold):
        if len(rows) == 0:
            message = f"fold '{fold.name}': no utterance in {part}; use another protocol"
            yield Finding("empty_part", "error", message)


def _shared(table: DataFrame, folds: Sequence[Fold], column: str) -> Iterator[Finding]:
    codes, names = pd.factorize(table[column].mask(table[column] == ""))
    for fold in folds:
        found = {part: np.unique(codes[rows]) for part, rows in _parts(fold)}
        for one, other in combinations(_PARTS, 2):
            common = np.intersect1d(found[one], found[other])
            common = common[common >= 0]
            if len(common) == 0:
                continue
            shown = names[common] if column != "recording" else _ids(table, fold, codes, common)
            what = f"{len(common)} {column}s" if len(common) > 1 else f"a {column}"
            message = (
                f"fold '{fold.name}': {one} and {other} share {what} ({_some(shown)}); "
                "use a protocol that keeps them apart, or one that declares it"
            )
            yield Finding(f"shared_{column}", "error", message)


def _ids(table: DataFrame, fold: Fold, codes: Rows, common: Rows) -> Iterable[str]:
    """Return the ids of the utterances of a fold whose recording is one of `common`."""
    rows = np.concatenate([rows for _, rows in _parts(fold)])
    return table["utterance"].iloc[rows[np.isin(codes[rows], common)]]


def _absent_classes(
    table: DataFrame, folds: Sequence[Fold], task: Classification
) -> Iterator[Finding]:
    labels = table[task.column]
    occurring = [label for label in task.labels if (labels == label).any()]
    for fold in folds:
        for part, rows in _parts(fold):
            there = set(labels.iloc[rows])
            absent = [_who(table, task, label) for label in occurring if label not in there]
            if absent and len(rows):
                message = (
                    f"fold '{fold.name}': no utterance in {part} is labelled {', '.join(absent)}; "
                    "use fewer folds or another protocol, or take the label out"
                )
                yield Finding("absent_class", "error" if part == "train" else "warning", message)


def _who(table: DataFrame, task: Classification, label: str) -> str:
    speakers = table["speaker"][table[task.column] == label].unique()
    return f"'{label}'" + (f" (only speaker {_some(speakers)} has it)" if len(speakers) < 3 else "")


def _constant_targets(
    table: DataFrame, folds: Sequence[Fold], task: Regression
) -> Iterator[Finding]:
    for fold in folds:
        for part, rows in _parts(fold):
            constant = [d for d in task.dimensions if table[d].iloc[rows].nunique() < 2]
            if constant and len(rows):
                message = (
                    f"fold '{fold.name}': all of {part} has one value of {', '.join(constant)}, "
                    "so that its CCC is 0 or undefined; use fewer folds or another protocol"
                )
                yield Finding("constant_target", "error" if part == "train" else "warning", message)


def _coverage(table: DataFrame, folds: Sequence[Fold]) -> Iterator[Finding]:
    ids = table["utterance"].to_numpy()
    tested = np.bincount(np.concatenate([f.test for f in folds]), minlength=len(table))
    if (tested > 1).any():
        message = (
            f"{(tested > 1).sum()} utterances are in the test part of several folds "
            f"({_some(ids[tested > 1])}); pooled scores would count them as often; test each once"
        )
        yield Finding("tested_twice", "error", message)
    unused = tested == 0
    if len(folds) == 1:
        for _, rows in _parts(folds[0]):
            unused[rows] = False
    if unused.any():
        what = "are never tested" if len(folds) > 1 else "are in no part of the fold"
        message = (
            f"{unused.sum()} utterances {what} ({_some(ids[unused])}); "
            "use another protocol if that is not meant"
        )
        yield Finding("never_tested", "warning", message)


def _parts(fold: Fold) -> list[tuple[str, Rows]]:
    return [("train", fold.train), ("valid", fold.valid), ("test", fold.test)]


def _some(names: Iterable[str]) -> str:
    shown = sorted(str(name) for name in names)
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
