"""How the protocols split: each function takes the table and the task, and gives folds.

All of them bring the table into the order of the utterance ids first, so that the order of its
rows does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from serbench.benchmarks import UNKNOWN, UNLABELLED, Chosen, Fold, Rows, Task
from serbench.benchmarks.reading.layout import RESERVED
from serbench.benchmarks.reading.names import HOW_TO_DROP
from serbench.benchmarks.splitting import sentences as said
from serbench.benchmarks.splitting.balance import balanced_folds
from serbench.errors import SerbenchError, unknown

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
Names = NDArray[np.object_]

# Sets of speakers of which leave_one_speaker_out takes one to validate.
_SPEAKER_SETS = 5
# Columns that say nothing of a corpus: every table has them, or serbench adds them.
_UNTOLD = ("utterance", "path", "start", "end", *RESERVED)


def leave_one_session_out(table: DataFrame, task: Task) -> list[Fold]:
    """Test each session, validate on the next."""
    table, order = _in_id_order(table)
    remedy = "use leave_one_speaker_out or speaker_folds"
    sessions = _column(table, "session", "leave_one_session_out", remedy)
    names = natural(sessions)
    if len(names) < 3:
        raise _too_few("leave_one_session_out", 3, "sessions", names, remedy)
    return [
        _fold(f"session {tested}", order, valid=sessions == following, test=sessions == tested)
        for tested, following in pairwise([*names, names[0]])
    ]


def leave_one_speaker_out(
    table: DataFrame,
    task: Task,
    *,
    sessions: Literal["apart", "validate", "shared"],
    balance: tuple[str, ...],
) -> list[Fold]:
    """Test each speaker, validate on a balanced set of others, or on the partners."""
    table, order = _in_id_order(table)
    speakers = _speakers(table, "leave_one_speaker_out")
    group = _groups(table, speakers, apart=sessions != "shared")
    if sessions == "validate":
        _check_partners(speakers, group)
        return [
            _fold(f"speaker {name}", order, valid=(group == own) & ~test, test=test)
            for name, test, own in _each(speakers, group)
        ]
    _check_groups("leave_one_speaker_out", 3, speakers, group)
    k = min(_SPEAKER_SETS, int(group.max()) + 1)
    sets = _balanced("leave_one_speaker_out", table, task, balance, group, k)
    return [
        _fold(
            f"speaker {name}",
            order,
            valid=sets == (sets[test][0] + 1) % k,
            test=test,
            left_out=(group == own) & ~test,
        )
        for name, test, own in _each(speakers, group)
    ]


def speaker_folds(
    table: DataFrame,
    task: Task,
    *,
    k: int,
    balance: tuple[str, ...],
    sessions: Literal["apart", "shared"],
    called: str = "speaker_folds",
) -> list[Fold]:
    """Test each of k balanced sets of speakers, validate on the next; `called` by messages."""
    table, order = _in_id_order(table)
    speakers = _speakers(table, called)
    group = _groups(table, speakers, apart=sessions == "apart")
    _check_groups(called, k, speakers, group)
    number = _balanced(called, table, task, balance, group, k)
    return _rotated(order, number, k)


def across_corpora(table: DataFrame, task: Task, *, tests: tuple[str, ...]) -> list[Fold]:
    """Test each of some corpora on what is learnt from the others."""
    corpora = _corpora(table, "across_corpora")
    for name in tests:
        if name not in corpora:
            raise unknown("corpus", name, corpora)
    if not tests or len(tests) == len(corpora):
        msg = "protocol 'across_corpora' needs corpora to test, and others to learn from"
        raise SerbenchError(msg)
    fold = _from_others("across_corpora", table, task, tests)
    if len(tests) == 1:
        return [fold]
    corpus = table["corpus"].to_numpy(dtype=object)
    named = {name: fold.test[corpus[fold.test] == name] for name in tests}
    # one training, each corpus with scores of its own, the first of which ranks
    return [fold.but(test=np.concatenate([*named.values()]), tests=named)]


def leave_one_corpus_out(table: DataFrame, task: Task) -> list[Fold]:
    """Test each corpus on what is learnt from the others."""
    names = _corpora(table, "leave_one_corpus_out")
    if len(names) < 2:
        remedy = "name several, as in --benchmark emodb,crema_d"
        raise _too_few("leave_one_corpus_out", 2, "corpora", names, remedy)
    return [_from_others("leave_one_corpus_out", table, task, (name,)) for name in names]


def _corpora(table: DataFrame, protocol: str) -> list[str]:
    remedy = "name several corpora, as in --benchmark emodb --train-on crema_d"
    return natural(_column(table, "corpus", protocol, remedy))


def _from_others(protocol: str, table: DataFrame, task: Task, tested: tuple[str, ...]) -> Fold:
    """Return the fold that tests some corpora; a balanced fifth of other speakers validates."""
    table, order = _in_id_order(table)
    corpus = table["corpus"].to_numpy(dtype=object)
    heard = ~np.isin(corpus.astype(str), tested)
    known = table[heard]
    group = _groups(known, _speakers(known, protocol), apart=True)
    _check_groups(protocol, 2, known["speaker"].to_numpy(dtype=object), group)
    sets = min(_SPEAKER_SETS, int(group.max()) + 1)
    valid = np.zeros(len(table), dtype=np.bool_)
    valid[heard] = _balanced(protocol, known, task, ("corpus",), group, sets) == 0
    return _fold(" and ".join(tested), order, valid=valid, test=~heard)


def corpus_split(table: DataFrame, task: Task) -> list[Fold]:
    """Take the parts that the table names; several tests are each one of their own."""
    whole = table
    table, order = _in_id_order(table)
    remedy = "use a protocol that draws the parts, such as speaker_folds"
    parts = _column(table, "split", "corpus_split", remedy)
    tests = [name for name in natural(parts) if name.startswith("test")]
    if not tests or {"train", "valid", *tests} != set(parts):
        there = ", ".join(sorted(set(parts)))
        msg = (
            "protocol 'corpus_split': column 'split' must have train, valid and test; "
            f"it has {there}; {remedy}"
        )
        raise SerbenchError(msg)
    fold = _fold("corpus", order, valid=parts == "valid", test=np.isin(parts, tests))
    rest = np.flatnonzero((whole["split"] == UNLABELLED).to_numpy())
    ids = whole["utterance"].to_numpy(dtype=str)[rest]
    fold = fold.but(unlabelled=rest[np.argsort(ids, kind="stable")])
    if tests == ["test"]:
        return [fold]
    named = {name: order[parts == name] for name in tests}
    return [fold.but(test=np.concatenate([*named.values()]), tests=named)]


def speaker_dependent_random(
    table: DataFrame, task: Task, *, k: int, fractions: tuple[float, ...], seed: int
) -> list[Fold]:
    """Deal the utterances of each label in random order to k folds, or to the three parts."""
    table, order = _in_id_order(table)
    strata = stratum(table, task)
    shuffled = np.random.default_rng(seed).permutation(len(table))
    shuffled = shuffled[np.argsort(strata[shuffled], kind="stable")]
    dealt = np.empty(len(table), dtype=np.int64)
    dealt[shuffled] = _deal(len(table), fractions or (1 / k,) * k)
    if fractions:
        return [_fold("random", order, valid=dealt == 1, test=dealt == 2)]
    return _rotated(order, dealt, k)


def random_clips(table: DataFrame, task: Task, *, k: int, seed: int) -> list[Fold]:
    """Test each of the k parts that scikit-learn's shuffled KFold makes, validate on the next."""
    table, order = _in_id_order(table)
    if len(table) < k:
        there = list(map(str, table["utterance"]))
        raise _too_few("random_clips", k, "utterances", there, "ask for fewer folds")
    number = np.empty(len(table), dtype=np.int64)
    # without its import, which takes seconds and draws from Python's global generator
    shuffled = np.arange(len(table))
    np.random.RandomState(seed).shuffle(shuffled)
    for i, tested in enumerate(np.array_split(shuffled, k)):
        number[tested] = i
    return _rotated(order, number, k)


def sentence_folds(
    table: DataFrame,
    task: Task,
    *,
    k: int,
    sentences: int,
    balance: tuple[str, ...],
    sessions: Literal["apart", "shared"],
    knows: said.Knows,
) -> list[Fold]:
    """Test each of k balanced sets of speakers on each set of sentences."""
    table, order = _in_id_order(table)
    remedy = "use speaker_folds, which needs none"
    texts = said.sentence_codes(_column(table, "text", "sentence_folds", remedy))
    speakers = _speakers(table, "sentence_folds")
    group = _groups(table, speakers, apart=sessions == "apart")
    _check_groups("sentence_folds", k, speakers, group)
    what = said.sentence_sets(texts, _codes(speakers), task.strata(table), sentences)
    who = _balanced("sentence_folds", table, task, balance, group, k)
    return list(said.crossed(order, who, what, texts, stratum(table, task), knows))


def stratum(table: DataFrame, task: Task) -> Codes:
    """Return (N,) one number for all that folds are balanced by."""
    strata = np.zeros(len(table), dtype=np.int64)
    for codes in task.strata(table):
        strata = strata * (codes.max() + 1) + codes
    return strata


def _deal(cards: int, fractions: tuple[float, ...]) -> Codes:
    """Return who gets each card, so that all have their fraction at any time, within one card."""
    owed = np.zeros(len(fractions))
    dealt = np.empty(cards, dtype=np.int64)
    for card in range(cards):
        owed += fractions
        dealt[card] = owed.argmax()
        owed[dealt[card]] -= 1
    return dealt


def _in_id_order(table: DataFrame) -> tuple[DataFrame, Rows]:
    """Return what has truths, in the order of its ids, and the row number of each of these rows."""
    order = np.argsort(table["utterance"].to_numpy(dtype=str), kind="stable")
    if "split" in table:
        order = order[(table["split"].iloc[order] != UNLABELLED).to_numpy()]
    return table.iloc[order], order


def _fold(name: str, order: Rows, *, valid: Mask, test: Mask, left_out: Mask | None = None) -> Fold:
    """Return a fold of which train is all that is in no other part nor left out."""
    train = ~(valid | test) if left_out is None else ~(valid | test | left_out)
    kept = [Chosen.of(order, mask) for mask in (train, valid, test)]
    return Fold(name, kept[0], kept[1], kept[2])


def _rotated(order: Rows, number: Codes, k: int) -> list[Fold]:
    """Return k folds that test the rows of each number and validate on those of the next."""
    return [
        _fold(f"fold {i + 1}", order, valid=number == (i + 1) % k, test=number == i)
        for i in range(k)
    ]


def _each(speakers: Names, group: Codes) -> Iterator[tuple[str, Mask, int]]:
    """Give each speaker's name, rows and group."""
    codes, names = pd.factorize(speakers)
    number = {name: code for code, name in enumerate(names)}
    for name in natural(speakers):
        rows = codes == number[name]
        yield name, rows, int(group[rows.argmax()])


def _column(table: DataFrame, name: str, protocol: str, remedy: str) -> Names:
    """Return a column as text, or refuse a table that does not have it for every utterance."""
    missing = table[name].isna() if name in table else np.ones(len(table), dtype=np.bool_)
    if missing.all():
        told = [c for c in table if c not in _UNTOLD and table[c].notna().any()]
        msg = (
            f"protocol '{protocol}' needs the column '{name}', which this corpus does not have; "
            f"it has {', '.join(map(str, told))}; {remedy}"
        )
        raise SerbenchError(msg)
    if missing.any():
        first = table.loc[missing, "utterance"].iloc[0]
        msg = (
            f"protocol '{protocol}': {missing.sum()} of {len(table)} utterances have no {name}, "
            f"such as '{first}'; fill it in, leave them out of the corpus, or {remedy}"
        )
        raise SerbenchError(msg)
    return table[name].astype(str).to_numpy(dtype=object)


def _speakers(table: DataFrame, protocol: str) -> Names:
    remedy = "use corpus_split, or speaker_dependent_random, which is for comparison alone"
    speakers = _column(table, "speaker", protocol, remedy)
    if (nobody := speakers == UNKNOWN).any():
        first = table.loc[nobody, "utterance"].iloc[0]
        raise SerbenchError(
            f"protocol '{protocol}' makes folds of speakers, but {nobody.sum()} of {len(table)} "
            f"utterances have an unknown one, such as '{first}': they may be anybody, tested or "
            f"trained on; take them out of the table ({HOW_TO_DROP}), or {remedy}"
        )
    return speakers


def _groups(table: DataFrame, speakers: Names, *, apart: bool) -> Codes:
    """Return each row's group of speakers, numbered in natural order.

    Speakers who share a session are in one group, and so are those linked by a chain of shared
    sessions; with `apart` false, or without sessions, each speaker is a group.
    """
    number = {name: i for i, name in enumerate(natural(speakers))}
    group = np.array([number[name] for name in speakers], dtype=np.int64)
    if apart and "session" in table:
        for rows in pd.Series(group).groupby(table["session"].to_numpy()).indices.values():
            linked = np.unique(group[rows])
            group[np.isin(group, linked)] = linked[0]
    return np.unique(group, return_inverse=True)[1]


def _balanced(
    protocol: str, table: DataFrame, task: Task, balance: tuple[str, ...], group: Codes, k: int
) -> Codes:
    """Return each row's fold out of k: groups stay whole, labels and columns are balanced."""
    once_a_speaker = np.full(len(table), -1)
    once_a_speaker[~table["speaker"].duplicated()] = 0
    once_an_utterance = np.zeros(len(table), dtype=np.int64)
    named = [_codes(_column(table, c, protocol, "balance another column")) for c in balance]
    aspects = [once_a_speaker, once_an_utterance, *task.strata(table), *named]
    return balanced_folds(group, aspects, k)


def _codes(values: Names) -> Codes:
    return np.unique(values.astype(str), return_inverse=True)[1]


def _check_groups(protocol: str, needed: int, speakers: Names, group: Codes) -> None:
    groups = _described(speakers, group)
    if len(groups) >= needed:
        return
    linked = len(groups) < len(set(speakers))
    what = "groups of speakers without a common session" if linked else "speakers"
    remedy = f"ask for at most k={len(groups)}" if needed > 3 and len(groups) >= 3 else ""
    if linked:
        remedy += f"{remedy and ', or '}ignore sessions with sessions='shared'"
    elif not remedy:
        remedy = (
            "no claim about new speakers can be made of so few: use speaker_dependent_random, "
            "which says that it shares speakers, or a larger corpus"
        )
    raise _too_few(protocol, needed, what, groups, remedy)


def _check_partners(speakers: Names, group: Codes) -> None:
    groups = _described(speakers, group)
    alone = [name for name in groups if " + " not in name]
    if alone or len(groups) < 2:
        reason = f"{alone[0]} has none" if alone else "all are linked by sessions"
        msg = (
            "protocol 'leave_one_speaker_out' with sessions='validate' needs partners in the "
            f"session of each speaker, and others to train on; {reason}; use sessions='apart'"
        )
        raise SerbenchError(msg)


def _described(speakers: Names, group: Codes) -> list[str]:
    groups = (natural(speakers[group == i]) for i in range(group.max() + 1))
    return [" + ".join([*g[:4], *(["..."] if len(g) > 4 else [])]) for g in groups]


def _too_few(protocol: str, needed: int, what: str, there: list[str], remedy: str) -> SerbenchError:
    named = ", ".join(there[:20]) + (", ..." if len(there) > 20 else "")
    msg = f"protocol '{protocol}' needs {needed} {what}; there are {len(there)}: {named}; {remedy}"
    return SerbenchError(msg)


def natural(values: Iterable[str]) -> list[str]:
    """Return the different values in the order that people expect: 2 before 10."""
    return sorted(set(values), key=lambda text: (_numbers_apart(text), text))


def _numbers_apart(text: str) -> list[str | int]:
    return [int(p) if i % 2 else p for i, p in enumerate(re.split(r"([0-9]+)", text))]
