"""The result of a run: what it was asked, what it found, and where it is kept."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from serbench.benchmarks.tasks.findings import unseen
from serbench.errors import SerbenchError, shown
from serbench.leaderboard import store
from serbench.leaderboard.record import BenchmarkRecord, Encoder, LeftOut, ProtocolRecord, Result
from serbench.runs.conditioning import conditioning
from serbench.scoring.scores import score

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark
    from serbench.runs.adapting import Adapted
    from serbench.runs.corpus import Prepared
    from serbench.runs.encoding import Sources
    from serbench.runs.job import Job
    from serbench.runs.trials import AllTrained
    from serbench.scoring.scores import Scores

_VERSIONS = ("serbench", "torch", "torchaudio", "transformers", "speechbrain", "numpy")


@dataclass(frozen=True)
class Outcome:
    """What a run gives: the record, its scores, and where it lies."""

    result: Result
    scores: Scores
    path: Path


def find(job: Job, results: Path) -> Outcome | None:
    """Return the result of a recipe if it is there.

    Raises:
        SerbenchError: it is there, but broken.
    """
    entry = store.find(results, job.benchmark.name, job.digest)
    if entry is None:
        return None
    job.progress.tell("this recipe has been run; --again computes it anew")
    path = store.place(results, job.benchmark.name, job.digest)
    return Outcome(entry.result, score(job.benchmark.task, entry.predictions), path)


def benchmark_record(benchmark: Benchmark) -> BenchmarkRecord:
    """Return what a result says of its benchmark.

    Raises:
        SerbenchError: results cannot hold its name or its task.
    """
    plain = {key: getattr(benchmark, key) for key in BenchmarkRecord.model_fields}
    faults = [*benchmark.task.faults(), *unseen([benchmark.version])]
    try:
        made = BenchmarkRecord.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        faults = [f"{'.'.join(map(str, first['loc']))} is {first['input']!r}: {first['msg']}"]
    if faults:
        raise SerbenchError(f"results cannot hold benchmark '{benchmark.name}': {faults[0]}")
    return made


def save(
    job: Job,
    prepared: Prepared,
    adapted: Sequence[Adapted],
    sources: Sources,
    trained: AllTrained,
    results: Path,
) -> Outcome:
    """Score a run and keep its result.

    Args:
        job: what was asked.
        prepared: the corpus and its folds.
        adapted: the upstreams.
        sources: what a fold learnt from, one an upstream.
        trained: choices and predictions of all trials.
        results: folder of the result files.

    Raises:
        SerbenchError: the folder cannot be written to.
    """
    scores = score(job.benchmark.task, trained.predictions)
    shares = tuple(sorted(job.protocol.shares))
    options = job.recipe.protocol.model_dump(mode="json")["options"]
    idle = {"adapt"} if all(each.idle for each in adapted) else set()
    idle |= {"finetune"} if job.recipe.finetune is None else set()
    steps = {name: value for name, value in job.seconds.items() if name not in idle}
    pairs = zip(adapted, sources, strict=True)
    first, *others = (_encoder(each, source.provenance) for each, source in pairs)
    result = Result(
        digest=job.digest,
        recipe=job.recipe.plain(),
        labels=job.recipe.labels,
        benchmark=benchmark_record(job.benchmark),
        protocol=ProtocolRecord(name=job.protocol.name, options=options, shares=shares),
        split=prepared.split,
        seeds=job.recipe.seeds,
        left_out=tuple(LeftOut(utterance=u, reason=_line(r)) for u, r in prepared.left_out.items()),
        known_defects=prepared.known_defects,
        provenance=first.provenance,
        adaptation=first.adaptation,
        finetuned=first.finetuned,
        fused_with=tuple(others),
        conditioning=conditioning(job, prepared),
        training=trained.fits,
        seconds={name: round(value, 1) for name, value in steps.items()},
        threads={name: count for name, count in job.threads.items() if name in steps},
        versions={name: version(name) for name in _VERSIONS}
        | {"python": platform.python_version()},
        created=datetime.now(UTC),
        complete=True,
        scores=scores.to_json(),
    )
    path = store.save(result, trained.predictions, results, trained.validation)
    return Outcome(result, scores, path)


def _encoder(adapted: Adapted, origin: Mapping[str, str]) -> Encoder:
    """Return what an upstream was before the run, and what the run made of it."""
    known = origin if adapted.base is None else adapted.base
    provenance = {key: _line(text) for key, text in known.items()}
    return Encoder(provenance=provenance, adaptation=adapted.record, finetuned=adapted.tuned)


def _line(text: str) -> str:
    """Return a text of others, such as a card's, in one line that a record takes."""
    return shown(" ".join(text.split()))
