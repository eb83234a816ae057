"""Fusion of finished runs: from their predictions, a result like any other."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from datetime import UTC, datetime
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from pydantic import JsonValue as Json

from serbench import devices
from serbench.durable import makeable
from serbench.errors import SerbenchError, unknown
from serbench.leaderboard import agreement, beside, store
from serbench.leaderboard.identity import FUSED, Method, digest_of, fused_labels
from serbench.leaderboard.marks import was_sent
from serbench.leaderboard.notes import to_hand_on
from serbench.leaderboard.reading import read_record
from serbench.leaderboard.record import (
    Conditioning,
    Encoder,
    Labels,
    Member,
    Result,
    Weighted,
)
from serbench.leaderboard.store import Entry
from serbench.runs import derived
from serbench.runs.result import Outcome
from serbench.scoring import predictions as tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task


class _Run(NamedTuple):
    """A finished run: its record, its predictions in the order of all, where it lies."""

    result: Result
    predictions: DataFrame
    path: Path

    @property
    def short(self) -> str:
        """How a sentence calls it."""
        return self.result.digest[:8]


def fuse(
    *runs: str | PathLike[str],
    method: Method = "mean",
    results: str | PathLike[str] = "results",
) -> Outcome:
    """Fuse finished runs, fold by fold and seed by seed, into a new result beside them.

    Args:
        *runs: two or more: how a digest begins, or the path of a record.
        method: "mean" of posteriors or of predicted values; "stack" learns on the predictions for
            the validation parts how far each run is to be believed, see
            `serbench.scoring.ensembles`.
        results: folder of the result files.

    Returns:
        The record (`result`), its scores (`scores`), and where it lies (`path`).

    Raises:
        SerbenchError: there are no such runs, or they do not agree in benchmark, protocol, folds,
            recordings, labels or seeds.

    Example:
        fused = serbench.fuse("1a2b3c4d", "5e6f7a8b", method="stack")
        fused.scores.by_fold["ua"].mean_of_folds
    """
    from serbench.scoring.scores import score

    if method not in get_args(Method):
        raise unknown("method of fusion", method, get_args(Method))
    start = time.monotonic()
    root = Path(results).expanduser()
    makeable(root)
    paths = [store.look_up(root, fspath(run)) for run in runs]
    members = _members([_run(path, derived.source(path)) for path in paths])
    task = members[0].result.benchmark.task
    predictions, validation = _fused(task, members, method)
    scores = score(task, predictions)
    sent = {member.result.digest for member in members if was_sent(member.path)}
    result = _record([member.result for member in members], method, sent).model_copy(
        update={
            "scores": scores.to_json(),
            "seconds": {"fuse": round(time.monotonic() - start, 1)},
        }
    )
    path = derived.keep(result, predictions, root, beside.Beside(validation))
    return Outcome(read_record(path), scores, path)


def fused_of(paths: Sequence[Path], method: Method) -> DataFrame:
    """Return the predictions for the test parts that finished runs come to together.

    Args:
        paths: of their records.
        method: as of `fuse`.

    Raises:
        SerbenchError: they cannot be fused.
    """
    members = _members([_run(path, store.load_result(path)) for path in paths])
    return _fused(members[0].result.benchmark.task, members, method)[0]


def _run(path: Path, entry: Entry) -> _Run:
    return _Run(entry.result, _ordered(entry.predictions, entry.result), path)


def _ordered(predictions: DataFrame, result: Result) -> DataFrame:
    """Return predictions by fold, as these stand in the record, by seed and by utterance."""
    place = {fold.name: number for number, fold in enumerate(result.split.folds)}
    tests = [test for fold in result.split.folds for test in fold.tests]
    order = predictions[tables.TEST].map(tests.index) if tables.TEST in predictions else 0
    keyed = predictions.assign(_place=predictions["fold"].map(place), _test=order)
    keyed = keyed.sort_values(["_place", "seed", "_test", "utterance"], ignore_index=True)
    return keyed.drop(columns=["_place", "_test"])


def _members(runs: Sequence[_Run]) -> list[_Run]:
    """Return the runs in an order that does not depend on the one they were given in.

    Raises:
        SerbenchError: they cannot be fused.
    """
    if len(runs) < 2:
        msg = f"fusion takes two finished runs or more, not {len(runs)}; give another digest"
        raise SerbenchError(msg)
    first, *others = runs
    for place, run in enumerate(runs):
        earlier = {digest for other in runs[:place] for digest in _inside(other)}
        if twice := _inside(run) & earlier:
            msg = f"result {min(twice)[:8]} is given twice; a run is not fused with itself"
            raise SerbenchError(msg)
        _check_whole(run)
    for other in others:
        if reason := agreement.disagreement(Entry(*first[:2]), Entry(*other[:2])):
            msg = f"results {first.short} and {other.short} cannot be fused: {reason}"
            raise SerbenchError(msg)
    return sorted(runs, key=lambda run: (*_called(run.result.labels), run.result.digest))


def _inside(run: _Run) -> set[str]:
    """Return the digests of a result and of all that it was fused of, which lie beside it."""
    found, waiting = {run.result.digest}, [run.result]
    while waiting:
        for member in waiting.pop().members:
            found.add(member.digest)
            path = run.path.with_name(f"{member.digest}.json")
            if path.exists():
                waiting.append(read_record(path))
    return found


def _check_whole(run: _Run) -> None:
    """Refuse a run that does not have a number for every clip of every fold and seed."""
    import numpy as np

    task = run.result.benchmark.task
    if not run.result.complete:
        msg = f"result {run.short} is incomplete; run its recipe again, so that it goes on"
        raise SerbenchError(msg)
    if not np.isfinite(tables.values(task, run.predictions)).all():
        msg = f"result {run.short} has predictions that are not finite; leave it out"
        raise SerbenchError(msg)


def _fused(
    task: Task, members: Sequence[_Run], method: Method
) -> tuple[DataFrame, DataFrame | None]:
    """Return the predictions for the test parts, and those for the validation parts if any.

    A stack has seen the truths of all validation parts, so that what it gives for them says little.
    """
    from serbench.scoring import ensembles

    tests = [member.predictions for member in members]
    if method == "stack":
        return ensembles.stack(task, tests, _validation(task, members)), None
    if not all(beside.has_part(member.path, "valid") for member in members):
        return ensembles.mean(task, tests), None
    return ensembles.mean(task, tests), ensembles.mean(task, _validation(task, members))


def _validation(task: Task, members: Sequence[_Run]) -> list[DataFrame]:
    """Return what the runs predict for the validation parts, in one order.

    Raises:
        SerbenchError: one has none, or they are not about the same.
    """
    for member in members:
        if not beside.has_part(member.path, "valid"):
            again = "run its recipe again (--again)"
            instead = "give its members in its place" if member.result.members else again
            msg = (
                f"result {member.short} has no predictions for its validation parts, of which a "
                f"stack learns; {instead}, or --method mean"
            )
            raise SerbenchError(msg)
    first, *others = [
        _ordered(beside.load_part(member.path, member.result, "valid"), member.result)
        for member in members
    ]
    for member, other in zip(members[1:], others, strict=True):
        if reason := agreement.other_rows(task, first, other):
            msg = (
                f"the validation parts of {members[0].short} and {member.short} cannot be fused: "
                f"{reason}"
            )
            raise SerbenchError(msg)
    return [first, *others]


def _record(members: Sequence[Result], method: Method, sent: Set[str]) -> Result:
    """Return the record without what is computed; of `sent` digests it says that they were."""
    named: list[Json] = [{"digest": each.digest} for each in members]
    recipe: dict[str, Json] = {FUSED: method, "members": named}
    first, *others = _once([encoder for each in members for encoder in each.encoders])
    left_out = {left.utterance: left for each in members for left in each.left_out}
    return Result(
        digest=digest_of(recipe),
        recipe=recipe,
        labels=fused_labels([each.labels for each in members], method),
        benchmark=members[0].benchmark,
        protocol=members[0].protocol,
        split=members[0].split,
        seeds=tuple(sorted(members[0].seeds)),
        left_out=tuple(left_out.values()),
        known_defects=members[0].known_defects,
        warnings=tuple(dict.fromkeys(doubt for each in members for doubt in each.warnings)),
        provenance=first.provenance,
        adaptation=first.adaptation,
        finetuned=first.finetuned,
        fused_with=tuple(others),
        members=tuple(
            Member(digest=each.digest, labels=each.labels, oracle=each.saw_truths)
            for each in members
        ),
        noted=tuple(
            dict.fromkeys(
                said for each in members for said in to_hand_on(each, sent=each.digest in sent)
            )
        ),
        conditioning=_conditioning(members),
        weighted=_weighted(members),
        versions=devices.versions(),
        created=datetime.now(UTC),
        complete=True,
        scores={},
    )


def _once(encoders: Sequence[Encoder]) -> list[Encoder]:
    """Return the upstreams without those that several runs share."""
    return [each for place, each in enumerate(encoders) if each not in encoders[:place]]


def _conditioning(members: Sequence[Result]) -> Conditioning | None:
    """Return what heads were told of who speaks, and of two ways the one that leans on more."""
    told = [each.conditioning for each in members if each.conditioning is not None]
    return max(told, key=lambda each: each.on == "mfcc", default=None)


def _weighted(members: Sequence[Result]) -> Weighted | None:
    """Return by whom trainings were led, and of two ways the one that heard the test part."""
    led = [each.weighted for each in members if each.weighted is not None]
    return max(led, key=lambda each: each.heard == "test", default=None)


def _called(labels: Labels) -> tuple[str, str, str]:
    return labels.upstream, labels.weights, labels.downstream
