"""Several corpora as one benchmark: learnt from some and tested on others, or all together.

Utterances, speakers and sessions are told apart by the name of their benchmark, `emodb/03`; the
column `corpus` says where a row comes from. What a label means is said by the user, never guessed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serbench.benchmarks import Benchmark, Classification, Regression, Task
from serbench.benchmarks.reading.layout import COLUMNS, as_table
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from pandas import DataFrame

_APART = ("utterance", "speaker", "session")
# Names of benchmarks in the name of one that is made of them.
_NAMED = 3


@dataclass(frozen=True)
class _Union:
    """Corpora by what the column `corpus` calls them; their targets' names to those they get.

    Attributes:
        tested: what is tested.
        trained: what is learnt from; empty: the protocol decides.
        renamed: corpus to target to its name here; "" leaves it out.
        rescale: whether numbers are brought to the scale of the first one, linearly.
    """

    tested: Mapping[str, Benchmark]
    trained: Mapping[str, Benchmark]
    renamed: Mapping[str, Mapping[str, str]]
    rescale: bool

    @property
    def all(self) -> dict[str, Benchmark]:
        """All corpora, those that are tested first."""
        return {**self.tested, **self.trained}

    def targets(self, corpora: Iterable[str]) -> list[str]:
        """Return the labels or dimensions of some corpora, by the names that they get."""
        names = [
            self.renamed[corpus].get(target, target)
            for corpus in corpora
            for target in self.all[corpus].task.outputs
        ]
        return [name for name in dict.fromkeys(names) if name]


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
    renames = _renames({**tested, **trained}, renamed)
    union = _Union(tested, trained, renames, rescale)
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


def _protocols(union: _Union) -> dict[str, Any]:
    if union.trained:
        return {"across_corpora": partial(protocols.across_corpora, tests=tuple(union.tested))}
    return {
        "leave_one_corpus_out": protocols.leave_one_corpus_out,
        "speaker_folds": partial(protocols.speaker_folds, balance=("corpus",)),
        "leave_one_speaker_out": protocols.leave_one_speaker_out,
        "sentence_folds": partial(protocols.sentence_folds, balance=("corpus",)),
        "speaker_dependent_random": protocols.speaker_dependent_random,
        "random_clips": protocols.random_clips,
    }


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


def _task(union: _Union) -> Task:
    kinds = {corpus: m.task.kind for corpus, m in union.all.items()}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{corpus}: {kind}" for corpus, kind in kinds.items())
        msg = f"these corpora have different tasks ({told}); take those of one kind"
        raise SerbenchError(msg)
    first = next(iter(union.tested.values())).task
    targets = tuple(union.targets(union.tested))
    _check_targets(union)
    if isinstance(first, Regression):
        _check_scales(union)
        return Regression(targets, first.low, first.high, min_utterances=first.min_utterances)
    if isinstance(first, Classification):
        return Classification(targets)
    msg = f"corpora whose task is '{first.kind}' cannot be joined; take labels or dimensions"
    raise SerbenchError(msg)


def _check_targets(union: _Union) -> None:
    """Refuse targets that one side alone has, with the setting that says what they are."""
    alone = {corpus: names for corpus in union.all if (names := _alone(union, corpus))}
    if not alone:
        return
    tested = union.targets(union.tested)
    same = {
        f"{corpus}.{name}": near[0]
        for corpus, names in alone.items()
        if corpus in union.trained
        for name in names
        if (near := difflib.get_close_matches(name, set(tested) - {name}, 1, 0.5))
    }
    left = [n for names in alone.values() for n in names if n not in same.values()]
    left = [n for n in dict.fromkeys(left) if all(f"{c}.{n}" not in same for c in alone)]
    lines = [*(f"{old}={new}" for old, new in same.items()), *(f"{name}=" for name in left)]
    told = "; ".join(f"{corpus} alone has {', '.join(names)}" for corpus, names in alone.items())
    msg = (
        f"what is learnt and what is tested have other names: {told}. Say what is the same and "
        f"what is left out: --set 'benchmark.map={json.dumps(lines, ensure_ascii=False)}'"
    )
    raise SerbenchError(msg)


def _alone(union: _Union, corpus: str) -> list[str]:
    """Return which targets of a corpus the other side does not have.

    A row needs a number for each dimension, but a label needs only be taught by one corpus.
    """
    own, tested = union.targets([corpus]), union.targets(union.tested)
    if isinstance(union.all[corpus].task, Regression):
        every = [set(union.targets([other])) for other in union.all]
        return [name for name in own if not all(name in names for names in every)]
    if not union.trained:
        return []
    other = union.targets(union.trained) if corpus in union.tested else tested
    return [name for name in own if name not in other]


def _check_scales(union: _Union) -> None:
    ends = {corpus: m.task.ends for corpus, m in union.all.items()}
    if len(set(ends.values())) > 1 and not union.rescale:
        told = ", ".join(f"{c}: {e[0]:g} to {e[1]:g}" for c, e in ends.items() if e)
        msg = (
            f"the scales of these corpora differ ({told}); --set benchmark.rescale=true brings all "
            "to that of the first tested one, linearly"
        )
        raise SerbenchError(msg)


def _read(root: Path | None, *, union: _Union) -> DataFrame:
    """Return the rows of all corpora that have a target here."""
    task = _task(union)
    parts = [_rows(corpus, m, root, union, task) for corpus, m in union.all.items()]
    columns = [*COLUMNS, "corpus", *task.columns]
    joined = {
        c: np.concatenate([part[c].to_numpy(dtype=object) for part in parts]) for c in columns
    }
    for column in ("start", "end", *task.scales):
        joined[column] = joined[column].astype(np.float64)
    return as_table(joined)


def _rows(
    corpus: str, member: Benchmark, root: Path | None, union: _Union, task: Task
) -> DataFrame:
    folder = None if member.folder is None or root is None else root / member.folder
    table = member.read(folder).assign(corpus=corpus, split=None)
    for column in _APART:
        known = table[column].notna()
        table[column] = (f"{member.name}/" + table[column].astype(str)).where(known, None)
    renamed = union.renamed[corpus]
    if isinstance(member.task, Regression):
        ends = task.ends or (0.0, 1.0)
        table = table.rename(columns={old: new for old, new in renamed.items() if new})
        for dimension in task.scales:
            table[dimension] = _scaled(table[dimension], member.task, *ends)
        return table
    (column,) = member.task.columns
    labels = table[column].map(lambda label: renamed.get(label, label), na_action="ignore")
    return table.assign(**{task.columns[0]: labels})[labels.ne("")].reset_index(drop=True)


def _scaled(values: Any, task: Regression, low: float, high: float) -> Any:
    if (task.low, task.high) == (low, high):
        return values
    return low + (values - task.low) * (high - low) / (task.high - task.low)
