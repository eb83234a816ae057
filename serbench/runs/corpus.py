"""From a corpus on disk to rows and folds that can be trusted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench.benchmarks import labelled
from serbench.benchmarks.auditing import audit, folds, sharing
from serbench.benchmarks.reading.names import as_texts, unknown
from serbench.benchmarks.splitting import hashes
from serbench.benchmarks.tasks.findings import gathered
from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.home import data_root
from serbench.leaderboard.record import Enrolled, FoldRecord, Split
from serbench.progress import Silent, each
from serbench.runs.fitting import too_short
from serbench.runs.parts import ACROSS, Part

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark, Fold, Protocol, Task
    from serbench.progress import Progress
    from serbench.runs.job import Job


@dataclass(frozen=True)
class Prepared:
    """A corpus that passed its audit, with the folds of a protocol.

    Attributes:
        table: the utterances that are used, with `recording` and `seconds`.
        folds: of the protocol on that table.
        split: the folds in numbers, for the record.
        left_out: utterances that are not used, with the reason.
        known_defects: how many used utterances have a defect that the benchmark lists.
        unknown_speakers: of how many used utterances with truths nobody knows who speaks.
        shared: of what the parts of a fold have in common, see `sharing.shares`.
        warnings: what the audits doubt, a sentence a kind.
    """

    table: DataFrame
    folds: list[Fold]
    split: Split
    left_out: Mapping[str, str]
    known_defects: int
    unknown_speakers: int = 0
    shared: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def prepare_for(job: Job, data: Path | None) -> Prepared:
    """Prepare the corpus that a run asks for, as `prepare` does."""
    return prepare(
        job.benchmark,
        job.protocol,
        called=_typed(job.recipe.benchmark),
        data=data,
        leave_out_broken=job.recipe.leave_out_broken,
        short=partial(too_short, job),
        enrol=job.recipe.enrol,
        progress=job.progress,
        anew=job.anew,
    )


def _typed(part: Part) -> str:
    """Return what of a recipe's benchmark is written after `serbench data check`."""
    said = {k: value for k, value in part.options.items() if value != part.defaults.get(k)}
    words = [part.name]
    if part.name == ACROSS:
        words = [",".join(said.pop("test"))]
        if trained := said.pop("train", None):
            words += ["--train-on", ",".join(trained)]
    for key, value in said.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words += ["--set", f"benchmark.{key}={text}"]
    return shlex.join(words)


def prepare(
    benchmark: Benchmark,
    protocol: Protocol,
    *,
    called: str = "",
    data: Path | None,
    leave_out_broken: bool,
    progress: Progress,
    short: Callable[[DataFrame], Mapping[str, str]] | None = None,
    enrol: Enrolled | None = None,
    anew: bool = False,
) -> Prepared:
    """Read and audit a corpus, split it and audit the folds.

    Args:
        benchmark: the corpus.
        protocol: how to split it.
        called: how a shell takes what the user calls the corpus, for messages, if not by its name.
        data: folder of the corpora; None: `SERBENCH_DATA`.
        leave_out_broken: go on without recordings that cannot be used.
        progress: where the work is shown.
        short: which of some utterances the upstreams cannot encode, with the reason.
        enrol: what of each test speaker is given away and not scored.
        anew: believe nothing that an earlier audit remembers.

    Raises:
        SerbenchError: the corpus is not there, has errors, or the folds leak.
    """
    found = audit.audit_corpus(benchmark, read_corpus(benchmark, data), progress, anew=anew)
    table = found.usable(called, leave_out_broken=leave_out_broken)
    unfit = short(table) if short is not None else {}
    table = _without(table, unfit, leave_out=leave_out_broken)
    split, doubts = folds.sound_folds(table, protocol, benchmark.task, progress)
    doubts += folds.doubts(table, split, protocol)
    if enrol is not None:
        split, more = folds.enrolled_folds(
            table, split, benchmark.task, enrol.amount, enrol.unit, enrol.aside
        )
        doubts += more
    warnings = gathered([f for f in found.findings if f.severity == "warning"] + doubts)
    for warning in warnings:
        progress.tell(f"warning: {warning}")
    known = sum(f.severity == "known" for f in found.findings)
    nobody = int(unknown(labelled(table)["speaker"]).sum())
    common = sharing.shares(table, split, progress)
    numbers = _in_numbers(table, split, benchmark.task, progress)
    left_out = {**found.broken, **unfit}
    return Prepared(table, split, numbers, left_out, known, nobody, common, tuple(warnings))


def _without(table: DataFrame, unfit: Mapping[str, str], *, leave_out: bool) -> DataFrame:
    """Return the utterances that can be encoded, or refuse those that cannot, all at once."""
    if not unfit:
        return table
    if not leave_out or len(unfit) == len(table):
        raise SerbenchError(
            "\n".join(
                [
                    f"{len(unfit)} of {len(table)} utterances cannot be encoded:",
                    *(f"- {name}: {why}" for name, why in unfit.items()),
                    "`--leave-out-broken` goes on without them, or take another upstream",
                ]
            )
        )
    return table[~table["utterance"].isin([*unfit])].reset_index(drop=True)


def _in_numbers(table: DataFrame, split: list[Fold], task: Task, progress: Progress) -> Split:
    """Return the sizes and the hashes of folds, and of what is in them."""
    own, folds = in_numbers(table, split, task, progress)
    recordings = digest_json(sorted(table["recording"]))[:16]
    return Split(hash=own, recordings=recordings, folds=folds, **hashes.contents(table, task))


def in_numbers(
    table: DataFrame, split: list[Fold], task: Task, progress: Progress | None = None
) -> tuple[str, tuple[FoldRecord, ...]]:
    """Return the hash of all folds, and the sizes and the hashes of each.

    Args:
        table: the utterances.
        split: row numbers of this table.
        task: what is predicted.
        progress: advances by one a fold, twice.
    """
    progress = progress or Silent()
    ids, truths = hashes.id_lines(table), hashes.truth_lines(table, task)
    own = [hashes.fold_hash(ids, fold) for fold in each(progress, "hash ids of folds", split)]
    folds = tuple(
        FoldRecord(
            name=fold.name,
            train=len(fold.train),
            valid=len(fold.valid),
            test=len(fold.test),
            enrol=len(fold.enrol),
            hash=hashes.together([digest]),
            truths=dict(hashes.part_truths(truths, fold)),
            tests={test: len(rows) for test, rows in fold.tests.items()},
            unlabelled=len(fold.unlabelled),
        )
        for fold, digest in zip(each(progress, "hash labels of folds", split), own, strict=True)
    )
    return hashes.together(own), folds


def is_there(benchmark: Benchmark, data: Path | None) -> bool:
    """Return whether the folder of a corpus exists, or the package makes the corpus.

    Args:
        benchmark: the corpus.
        data: folder of the corpora; None: `SERBENCH_DATA`.
    """
    if benchmark.folder is None:
        return True
    root = data_root(data)
    return root is not None and (root / benchmark.folder).is_dir()


def read_corpus(benchmark: Benchmark, data: Path | None) -> DataFrame:
    """Return the table of a corpus, from its folder below the data folder.

    Args:
        benchmark: the corpus.
        data: folder of the corpora; None: `SERBENCH_DATA`.

    Raises:
        SerbenchError: the corpus is not there, or its tables cannot be read.
    """
    if benchmark.folder is None:
        return _table_of(benchmark.name, benchmark.read(None))
    root = data_root(data)
    if root is None:
        msg = (
            f"benchmark '{benchmark.name}' needs its corpus; give --data DIR or set SERBENCH_DATA "
            f"to the folder that holds '{benchmark.folder}'; {benchmark.obtain}"
        )
        raise SerbenchError(msg)
    return _table_of(benchmark.name, benchmark.read(root / benchmark.folder))


def _table_of(name: str, read: Any) -> DataFrame:
    """Return what a benchmark read, with its names as texts."""
    from pandas import DataFrame

    if not isinstance(read, DataFrame):
        msg = f"read of benchmark '{name}' returns a {type(read).__name__}, not a DataFrame"
        raise SerbenchError(msg)
    if (doubled := read.columns[read.columns.duplicated()]).any():
        msg = f"read of benchmark '{name}' gives the column '{doubled[0]}' twice; give it once"
        raise SerbenchError(msg)
    return as_texts(read)
