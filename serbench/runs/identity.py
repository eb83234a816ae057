"""What numbers were computed from: whether a stored result is one of the data that are here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from serbench import devices
from serbench.benchmarks.tasks.findings import unseen
from serbench.errors import SerbenchError
from serbench.leaderboard.record import BenchmarkRecord, ProtocolRecord, Split

if TYPE_CHECKING:
    from serbench.runs.corpus import Prepared
    from serbench.runs.encoding import Sources
    from serbench.runs.job import Job

# What is compared of two splits, as people call it.
_CONTENTS = {"audio": "audio", "labels": "labels", "speakers": "speakers", "texts": "transcripts"}


class Changes(NamedTuple):
    """What two corpora differ in, and what an older record does not tell of its own."""

    changed: list[str]
    unknown: list[str]


def described(job: Job) -> tuple[BenchmarkRecord, ProtocolRecord]:
    """Return what a record says of a run's benchmark and protocol.

    Raises:
        SerbenchError: they do not keep their contract, so that no record can hold them.
    """
    made, protocol = job.benchmark, job.protocol
    plain = {"name": made.name, "version": made.version, "synthetic": made.synthetic}
    options = job.recipe.protocol.model_dump(mode="json")["options"]
    common = {"shares": tuple(protocol.shares), "apart": tuple(sorted(protocol.apart))}
    for fault in (*made.task.faults(), *unseen([made.version])):
        raise SerbenchError(f"benchmark '{made.name}' has a task that cannot be run: {fault}")
    try:
        return (
            BenchmarkRecord.model_validate(plain | {"task": made.task}),
            ProtocolRecord(
                name=protocol.name, options=options, enrolled=job.recipe.enrol, **common
            ),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = (
            f"benchmark '{made.name}' cannot be recorded: its {where} is {first['input']!r} "
            f"({first['msg']}); `serbench check benchmark` tests all that it declares"
        )
        raise SerbenchError(msg) from error


def computed_from(job: Job, prepared: Prepared, sources: Sequence[Sources]) -> dict[str, Any]:
    """Return all that decides the numbers of a trial, as JSON values.

    Args:
        job: what is run.
        prepared: the corpus and its folds.
        sources: what each fold learns from.
    """
    tuning = job.recipe.training.tuning if job.recipe.training.finetune else None
    return {
        "recipe": job.digest,
        "benchmark": described(job)[0].model_dump(mode="json"),
        "split": prepared.split.model_dump(mode="json"),
        "weights": [[dict(source.provenance) for source in several] for several in sources],
        "versions": devices.versions(),
        "device": devices.rounds_as(job.device, job.threads["train"]),
        "bf16": tuning is not None and tuning.mixed and devices.has_bf16(job.device),
    }


def changes(before: tuple[BenchmarkRecord, Split], after: tuple[BenchmarkRecord, Split]) -> Changes:
    """Compare what two results were computed from.

    What an older record does not tell counts as equal.
    """
    (benchmark, split), (now, there) = before, after
    changed = [*_definition(benchmark, now)]
    if split.ids != there.ids and split.ids and there.ids:
        # everything else is tied to the ids
        return Changes([*changed, "utterances"], [])
    told = {key: (getattr(split, key), getattr(there, key)) for key in _CONTENTS}
    if not all(told["audio"]):
        told["audio"] = (split.recordings, there.recordings)
    changed += [_CONTENTS[key] for key, pair in told.items() if all(pair) and len({*pair}) > 1]
    if _folds(split) != _folds(there):
        changed.append("folds")
    return Changes(changed, [_CONTENTS[key] for key, pair in told.items() if not all(pair)])


def _definition(before: BenchmarkRecord, after: BenchmarkRecord) -> Iterator[str]:
    """Yield what a benchmark itself says otherwise now."""
    if before.version != after.version:
        yield f"version {before.version} of the benchmark (now {after.version})"
    if before.task != after.task:
        yield "task"
    if before.synthetic != after.synthetic:
        yield "kind of speech (synthetic or real)"


def _folds(split: Split) -> tuple[str, list[str]]:
    return split.hash, [fold.name for fold in split.folds]
