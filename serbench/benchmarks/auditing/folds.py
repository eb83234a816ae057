"""Whether folds can be trusted: what their parts share, what they lack, who is tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

from serbench.benchmarks import SHAREABLE, Fold, Protocol, Rows, Task
from serbench.benchmarks.reading.names import HOW_TO_DROP, as_one, known_people, unknown
from serbench.benchmarks.splitting import enrolling
from serbench.benchmarks.splitting.enrolling import Unit
from serbench.benchmarks.splitting.hashes import parts
from serbench.benchmarks.splitting.sentences import sentence
from serbench.benchmarks.tasks.findings import Finding, Severity, named
from serbench.errors import SerbenchError, hidden
from serbench.progress import Progress, Silent, each

FEW = 3
"""Speakers of a validation part, below which their choice is worth a warning."""

_PARTS = ("train", "valid", "test")
Parts: TypeAlias = Sequence[tuple[str, Rows]]
_NOUNS = {
    "text": ("a sentence", "sentences"),
    "copy": ("a near-copy of a recording", "near-copies of recordings"),
    "overlap": ("overlapping segments of a file", "files whose segments overlap"),
}


class _Values(NamedTuple):
    """A column of which parts may have no value in common.

    column: its name.
    codes: (N,) the number of each row's value, -1 for none.
    names: the values.
    validation: whether that part may share values with training.
    """

    column: str
    codes: NDArray[np.int64]
    names: Any
    validation: bool


def sound_folds(
    table: DataFrame, protocol: Protocol, task: Task, progress: Progress | None = None
) -> tuple[list[Fold], list[Finding]]:
    """Return the folds of a protocol, and the doubts about them.

    Args:
        table: the utterances.
        protocol: how to split them.
        task: what is predicted.
        progress: where the work is shown.

    Raises:
        SerbenchError: `audit_folds` finds errors.
    """
    folds = protocol.split(table, task)
    findings = audit_folds(table, folds, protocol, task, progress)
    errors = [finding.message for finding in findings if finding.severity == "error"]
    if errors:
        raise SerbenchError("\n".join(["the folds of this protocol cannot be used:", *errors]))
    return folds, findings


def audit_folds(
    table: DataFrame,
    folds: Sequence[Fold],
    protocol: Protocol,
    task: Task,
    progress: Progress | None = None,
) -> list[Finding]:
    """Check the folds of a protocol; whatever is an error must stop a run.

    Errors: names of folds that are no texts or are given twice; a speaker, a session or a recording
    (the same samples under another id) in two parts of a fold, unless it is in `protocol.shares`;
    a sentence, where the protocol promises to keep them apart; near-copies of a recording, and
    segments of a file that overlap, where recordings (and sessions) are apart;
    an empty part; a class that is not trained on, a dimension that has only one value in training;
    an utterance that is tested twice. Warnings: a class or a spread of values that is missing in
    the validation or test part; utterances that are never tested though there are several folds,
    or that a single fold does not use. A class that the whole corpus lacks is left to the audit of
    the corpus.

    Args:
        table: the utterances; `recording` (SHA-256 of the samples) is checked if it is there.
        folds: row numbers of this table.
        protocol: the one that made the folds.
        task: what is predicted.
        progress: advances by one a fold.

    Returns:
        Errors first, then warnings, each in the order of the folds.
    """
    if not folds:
        message = f"protocol '{protocol.name}' gives no folds; use another one"
        return [Finding("no_folds", "error", message)]
    findings = [*_names(folds)]
    table = table.assign(speaker=known_people(table["speaker"]))
    if "session" in table:
        table = table.assign(session=as_one(table["session"]))
    apart = [_values(table, column, protocol) for column in _kept_apart(table, protocol)]
    # to look for the labels of 1,400 folds takes seconds by numbers, minutes by words
    words = {
        c: table[c].astype("category") for c in task.columns if table[c].dtype.kind not in "fi"
    }
    labelled = table.assign(**words)
    for fold in each(progress or Silent(), "check folds", folds):
        rows = parts(fold)
        findings += _empty(fold.name, rows)
        findings += _empty(fold.name, [(f"its test {name}", r) for name, r in fold.tests.items()])
        for values in apart:
            findings += _shared(table["utterance"], fold.name, rows, values)
        findings += _lacking(labelled, fold.name, rows, task)
    findings += _coverage(table, folds)
    return sorted(findings, key=lambda finding: finding.severity != "error")


def _kept_apart(table: DataFrame, protocol: Protocol) -> list[str]:
    """Return the columns of which no two parts of a fold may have a value in common."""
    columns = [*SHAREABLE, *protocol.apart]
    if "recording" not in protocol.shares:
        columns += ["copy"] if "session" in protocol.shares else ["copy", "overlap"]
    return [column for column in columns if column in table and column not in protocol.shares]


def enrolled_folds(
    table: DataFrame, folds: Sequence[Fold], task: Task, amount: float, unit: Unit, aside: float
) -> tuple[list[Fold], list[Finding]]:
    """Return sound folds with enrolment (see `splitting.enrolling.enrol`), and the doubts.

    Args:
        table: the utterances.
        folds: that passed `sound_folds`.
        task: what is predicted.
        amount: what is enrolled.
        unit: of that.
        aside: what is not scored.

    Raises:
        SerbenchError: nothing is left to score, or a recording is both enrolled and scored.
    """
    made = enrolling.enrol(table, folds, amount, unit, aside)
    told = [f"fold '{f.name}': nothing is left to score" for f in made if not len(f.test)]
    told = [f"{each}; enrol and set aside (enrol.aside) less" for each in told]
    told += _twice(table, made) if "recording" in table else []
    if told:
        raise SerbenchError("\n".join(["the folds cannot be used with this enrolment:", *told]))
    doubts = enrolling.too_few(table, folds, made)
    lacking = [each for f in made for each in _lacking(table, f.name, parts(f), task)]
    return made, [*doubts, *lacking]


def _twice(table: DataFrame, folds: Sequence[Fold]) -> Iterator[str]:
    recordings = table["recording"].to_numpy()
    for fold in folds:
        both = np.intersect1d(recordings[fold.enrol], recordings[fold.test])
        if len(both):
            ids = table["utterance"][np.isin(recordings, both)]
            yield (
                f"fold '{fold.name}': a recording is both enrolled and scored ({named(ids)}); "
                "take it out of the corpus"
            )


def doubts(table: DataFrame, folds: Sequence[Fold], protocol: Protocol) -> list[Finding]:
    """Return, as warnings, what makes folds worth less though they are sound.

    Args:
        table: the utterances.
        folds: row numbers of this table.
        protocol: the one that made the folds.
    """
    return [*few_speakers(table, folds), *unknown_speakers(table, folds, protocol)]


def few_speakers(table: DataFrame, folds: Sequence[Fold]) -> list[Finding]:
    """Return, as a warning, that the validation parts have so few speakers that chance chooses.

    Args:
        table: the utterances.
        folds: row numbers of this table.
    """
    codes, names = pd.factorize(known_people(table["speaker"]))
    counts = [_there(codes[fold.valid], len(names)).sum() for fold in folds]
    few = [count for count in counts if count < FEW]
    if not few:
        return []
    message = (
        f"{len(few)} of {len(folds)} validation parts have fewer than {FEW} speakers: what is "
        "chosen by them may suit nobody else"
    )
    if len(names) >= len(_PARTS) * FEW:
        message += "; use fewer folds if there are more speakers"
    return [Finding("few_speakers", "warning", message)]


def unknown_speakers(table: DataFrame, folds: Sequence[Fold], protocol: Protocol) -> list[Finding]:
    """Return, as a warning, of how many utterances nobody knows who speaks.

    Where the protocol keeps speakers apart, it cannot be checked for these.

    Args:
        table: the utterances.
        folds: row numbers of this table.
        protocol: the one that made the folds.
    """
    nobody = unknown(table["speaker"]).to_numpy()
    placed = np.zeros(len(table), dtype=np.bool_)
    for fold in folds:
        for _, rows in parts(fold):
            placed[rows] = True
    if not nobody[placed].any():
        return []
    apart = "whether the parts share any of them cannot be checked, and "
    message = (
        f"{nobody[placed].sum()} of {placed.sum()} utterances have an unknown speaker: "
        f"{'' if 'speaker' in protocol.shares else apart}they are in no figure by speaker; "
        f"name them, or leave them out ({HOW_TO_DROP})"
    )
    return [Finding("unknown_speakers", "warning", message)]


def _names(folds: Sequence[Fold]) -> Iterator[Finding]:
    names = Counter(fold.name for fold in folds)
    if wrong := [name for name in names if not isinstance(name, str)]:
        message = f"the name of a fold is {wrong[0]!r}; it must be a text"
        yield Finding("fold_name", "error", message)
    if doubled := [name for name, count in names.items() if count > 1]:
        message = f"several folds have one name: {named(doubled)}; give each its own"
        yield Finding("fold_name", "error", message)
    for fold in folds:
        if found := hidden(str(fold.name)):
            message = f"the name of fold '{fold.name}' has the character {found}; take it out"
            yield Finding("unseen_character", "error", message)


def _empty(fold: str, found: Parts) -> Iterator[Finding]:
    for part, rows in found:
        if len(rows) == 0:
            message = f"fold '{fold}': no utterance in {part}; use another protocol"
            yield Finding("empty_part", "error", message)


def _values(table: DataFrame, column: str, protocol: Protocol) -> _Values:
    values = table[column].map(sentence, na_action="ignore") if column == "text" else table[column]
    codes, names = pd.factorize(values.mask(values == ""))
    return _Values(column, codes, names, f"valid {column}" in protocol.shares)


def _shared(ids: Series, fold: str, found: Parts, values: _Values) -> Iterator[Finding]:
    """Yield what parts have in common."""
    there = {part: _there(values.codes[rows], len(values.names)) for part, rows in found}
    for one, other in combinations(_PARTS, 2):
        both = there[one] & there[other]
        if not both.any() or (values.validation and (one, other) == ("train", "valid")):
            continue
        common = np.flatnonzero(both)
        by_id = values.column in ("recording", "copy", "overlap")
        shown = _ids(ids, found, values.codes, common) if by_id else values.names[common]
        noun, plural = _NOUNS.get(values.column, (f"a {values.column}", f"{values.column}s"))
        what = f"{len(common)} {plural}" if len(common) > 1 else noun
        message = (
            f"fold '{fold}': {one} and {other} share {what} ({named(shown)}); "
            "use a protocol that keeps them apart, or one that declares it"
        )
        yield Finding(f"shared_{values.column}", "error", message)


def _there(codes: Rows, count: int) -> NDArray[np.bool_]:
    """Return (count,) which codes occur; -1 is none. Faster than a sort where folds are many."""
    there = np.zeros(count + 1, np.bool_)
    there[codes] = True
    return there[:-1]


def _ids(ids: Series, found: Parts, codes: Rows, common: Rows) -> Iterable[str]:
    """Return the ids of the utterances of a fold whose recording is one of `common`."""
    rows = np.concatenate([rows for _, rows in found])
    return ids.iloc[rows[np.isin(codes[rows], common)]]


def _lacking(table: DataFrame, fold: str, found: Parts, task: Task) -> Iterator[Finding]:
    for part, rows in found:
        # a speaker may be known by clips of one class
        asked = len(rows) and part != "enrol"
        lack = task.lacks(table, rows, part) if asked else None
        if lack is not None:
            kind, sentence = lack
            severity: Severity = "error" if part == "train" else "warning"
            yield Finding(kind, severity, f"fold '{fold}': {sentence}")


def _coverage(table: DataFrame, folds: Sequence[Fold]) -> Iterator[Finding]:
    ids = table["utterance"].to_numpy()
    tested = np.bincount(np.concatenate([f.test for f in folds]), minlength=len(table))
    if (tested > 1).any():
        message = (
            f"{(tested > 1).sum()} utterances are in the test part of several folds "
            f"({named(ids[tested > 1])}); pooled scores would count them as often; test each once"
        )
        yield Finding("tested_twice", "error", message)
    unused = tested == 0
    for fold in folds:
        unused[fold.unlabelled] = False
    if len(folds) == 1:
        for _, rows in parts(folds[0]):
            unused[rows] = False
    if unused.any():
        what = "are never tested" if len(folds) > 1 else "are in no part of the fold"
        message = (
            f"{unused.sum()} utterances {what} ({named(ids[unused])}); "
            "use another protocol if that is not meant"
        )
        yield Finding("never_tested", "warning", message)
