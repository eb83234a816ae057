"""Several corpora as one benchmark: learnt from some and tested on others, or all together.

Utterances, speakers and sessions are told apart by the name of their benchmark, `emodb/03`; the
column `corpus` says where a row comes from. What a label means is said by the user, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serbench.benchmarks import (
    UNLABELLED,
    Benchmark,
    Classification,
    Protocol,
    Regression,
    Task,
)
from serbench.benchmarks.reading.layout import COLUMNS, LEFT_OUT, as_table, only
from serbench.benchmarks.reading.names import as_texts
from serbench.benchmarks.reading.names import unknown as unknown_speakers
from serbench.benchmarks.reading.targets import Union, check_targets
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from pandas import DataFrame

_APART = ("utterance", "speaker", "session")
# Names of benchmarks in the name of one that is made of them.
_NAMED = 3


def unite(
    tested: Mapping[str, Benchmark],
    trained: Mapping[str, Benchmark],
    *,
    renamed: Iterable[str] = (),
    rescale: bool = False,
) -> Benchmark:
    """Return several corpora as one benchmark.

    Args:
        tested: benchmarks by what the column `corpus` calls them.
        trained: those that are learnt from; none: the protocol says who learns from whom.
        renamed: "happy=happiness" for the labels or dimensions of all corpora, "demo.happy=" for
            one; what gets no name is left out.
        rescale: bring numbers to the scale of the first tested corpus, linearly.

    Raises:
        SerbenchError: the corpora have other tasks, or targets or scales that nobody reconciled.
    """
    renamed = tuple(renamed)
    renames = _renames({**tested, **trained}, renamed)
    union = Union(tested, trained, renames, rescale, renamed)
    members = list(union.all.values())
    return Benchmark(
        name="_to_".join(_called(side) for side in (trained, tested) if side),
        version=", ".join(f"{m.name} {m.version}" for m in members),
        task=_task(union),
        read=partial(_read, union=union),
        protocols=_protocols(union),
        folder=None if all(m.folder is None for m in members) else ".",
        licence="; ".join(dict.fromkeys(m.licence for m in members)),
        citation="; ".join(dict.fromkeys(m.citation for m in members)),
        obtain="; ".join(dict.fromkeys(m.obtain for m in members)),
        synthetic=any(m.synthetic for m in members),
        known_defects={
            f"{m.name}/{clip}": what for m in members for clip, what in m.known_defects.items()
        },
    )


def _called(side: Mapping[str, Benchmark]) -> str:
    names = list(dict.fromkeys(m.name for m in side.values()))
    return "_and_".join(names) if len(names) <= _NAMED else f"{len(names)}_corpora"


def _protocols(union: Union) -> dict[str, Any]:
    if union.trained:
        return {"across_corpora": partial(protocols.across_corpora, tests=tuple(union.tested))}
    return {
        "leave_one_corpus_out": partial(_left_out, union),
        "speaker_folds": partial(protocols.speaker_folds, balance=("corpus",)),
        "leave_one_speaker_out": protocols.leave_one_speaker_out,
        "sentence_folds": partial(protocols.sentence_folds, balance=("corpus",)),
        "speaker_dependent_random": protocols.speaker_dependent_random,
        "random_clips": protocols.random_clips,
    }


def _left_out(union: Union) -> Protocol:
    """Return `leave_one_corpus_out`, for which every label must be taught by another corpus."""
    check_targets(union)
    return protocols.leave_one_corpus_out()


def _renames(members: Mapping[str, Benchmark], given: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what each corpus' targets are called, from lines such as "demo.happy=happiness"."""
    found: dict[str, dict[str, str]] = {corpus: {} for corpus in members}
    for line in given:
        old, equals, new = (part.strip() for part in line.partition("="))
        if not equals or not old:
            msg = f"'{line}' in benchmark.map is not OLD=NEW, such as happy=happiness"
            raise SerbenchError(msg)
        corpus, dot, target = old.partition(".")
        corpora = [corpus] if dot and corpus in members else list(members)
        target = target if dot and corpus in members else old
        having = [name for name in corpora if target in members[name].task.outputs]
        if not having:
            known = sorted({t for name in corpora for t in members[name].task.outputs})
            raise unknown("target in benchmark.map", target, known, f"of {', '.join(corpora)}")
        for name in having:
            found[name][target] = new
    return found


def _task(union: Union) -> Task:
    kinds = {corpus: m.task.kind for corpus, m in union.all.items()}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{corpus}: {kind}" for corpus, kind in kinds.items())
        msg = f"these corpora have different tasks ({told}); take those of one kind"
        raise SerbenchError(msg)
    first = next(iter(union.tested.values())).task
    targets = tuple(union.targets(union.tested))
    if union.trained or isinstance(first, Regression):
        check_targets(union)
    if isinstance(first, Regression):
        _check_scales(union)
        return Regression(targets, first.low, first.high, min_utterances=first.min_utterances)
    if isinstance(first, Classification):
        return Classification(targets)
    msg = f"corpora whose task is '{first.kind}' cannot be joined; take labels or dimensions"
    raise SerbenchError(msg)


def _check_scales(union: Union) -> None:
    ends = {corpus: m.task.ends for corpus, m in union.all.items()}
    if len(set(ends.values())) > 1 and not union.rescale:
        told = ", ".join(f"{c}: {e[0]:g} to {e[1]:g}" for c, e in ends.items() if e)
        msg = (
            f"the scales of these corpora differ ({told}); --set benchmark.rescale=true brings all "
            "to that of the first tested one, linearly"
        )
        raise SerbenchError(msg)


def _read(root: Path | None, *, union: Union) -> DataFrame:
    """Return the rows of all corpora that have a target here."""
    task = _task(union)
    parts = [_rows(corpus, m, root, union, task) for corpus, m in union.all.items()]
    columns = [*COLUMNS, "corpus", *task.columns]
    joined = {
        c: np.concatenate([part[c].to_numpy(dtype=object) for part in parts]) for c in columns
    }
    for column in ("start", "end", *task.scales):
        joined[column] = joined[column].astype(np.float64)
    table = as_table(joined)
    for corpus, part in zip(union.all, parts, strict=True):
        left = part.attrs.get(LEFT_OUT, {})
        table.attrs[LEFT_OUT] = table.attrs.get(LEFT_OUT, {}) | {
            f"{corpus} {word}": count for word, count in left.items()
        }
    return table


def _rows(corpus: str, member: Benchmark, root: Path | None, union: Union, task: Task) -> DataFrame:
    folder = None if member.folder is None or root is None else root / member.folder
    # what a corpus keeps back without labels teaches nobody, and nothing of it can be scored
    table = as_texts(member.read(folder)).reset_index(drop=True)
    taught = table["split"] != UNLABELLED
    table = only(table, taught, table["split"]).assign(corpus=corpus, split=None)
    for column in _APART:
        kept = table[column].isna()
        if column == "speaker":
            kept |= unknown_speakers(table[column])  # nobody is nobody in all corpora
        table[column] = table[column].where(kept, f"{member.name}/" + table[column].astype(str))
    renamed = union.renamed[corpus]
    if isinstance(member.task, Regression):
        ends = task.ends or (0.0, 1.0)
        table = table.rename(columns={old: new for old, new in renamed.items() if new})
        for dimension in task.scales:
            table[dimension] = _scaled(table[dimension], member.task, *ends)
        return table
    (column,) = member.task.columns
    labels = table[column].map(lambda label: renamed.get(label, label), na_action="ignore")
    return only(table.assign(**{task.columns[0]: labels}), labels.ne(""), table[column])


def _scaled(values: Any, task: Regression, low: float, high: float) -> Any:
    if (task.low, task.high) == (low, high):
        return values
    return low + (values - task.low) * (high - low) / (task.high - task.low)
