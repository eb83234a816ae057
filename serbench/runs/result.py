"""The result of a run: what it was asked, what it found, and where it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serbench import devices
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.beside import Beside
from serbench.leaderboard.marks import said_of, was_sent
from serbench.leaderboard.reading import BrokenResultError, read_record
from serbench.leaderboard.record import Encoder, Fit, LeftOut, Result
from serbench.runs.conditioning import conditioning
from serbench.runs.contamination import seen_before
from serbench.runs.identity import changes, described
from serbench.runs.publishing import folders_of, publishable
from serbench.runs.systems import parameters, speed
from serbench.runs.weighting import weighted
from serbench.scoring import embedded, voices
from serbench.scoring.scores import score

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.leaderboard.store import Entry
    from serbench.runs.adapting import Adapted
    from serbench.runs.corpus import Prepared
    from serbench.runs.encoding import Sources
    from serbench.runs.job import Job
    from serbench.runs.recipe import Recipe
    from serbench.runs.trials import AllTrained
    from serbench.scoring.scores import Scores


Overwrite = Literal["always", "only-missing", "never"]
"""What becomes of an older result: it is computed anew; or shown, if it is of the data that are
here; or only looked up, whatever the data are."""

UNSEEN = "the stored result is shown as it is: nobody looked at the corpus"


@dataclass(frozen=True)
class Outcome:
    """What a run gives: the record, its scores, and where it lies."""

    result: Result
    scores: Scores
    path: Path


def find(job: Job, results: Path) -> Entry | None:
    """Return the stored result of a recipe, whatever it was computed from.

    Raises:
        SerbenchError: it is there, but broken.
    """
    return store.find(results, job.benchmark.name, job.digest)


def outcome_of(entry: Entry, results: Path) -> Outcome:
    """Return a stored result with the scores of its predictions."""
    result = entry.result
    scores = score(result.benchmark.task, entry.predictions)
    return Outcome(result, scores, _place(result, results))


def looked_up(job: Job, recipe: Recipe, results: Path) -> Outcome:
    """Return the stored result of a recipe as it is, and say that nobody looked at the corpus.

    Args:
        job: what is run.
        recipe: of it, with what corrects its predictions.
        results: folder of the result files.

    Raises:
        SerbenchError: there is none, or there are several that leave out other utterances.
    """
    left_out = [()] + (_left_out(job, results) if job.recipe.leave_out_broken else [])
    digests = (recipe.digest(without) for without in left_out)
    found = [e for digest in digests if (e := store.find(results, job.benchmark.name, digest))]
    if not found:
        msg = f"there is no result of this recipe in '{results}', and 'never' computes none"
        raise SerbenchError(msg)
    if len(found) > 1:
        named = ", ".join(entry.result.digest[:8] for entry in found)
        msg = (
            f"the results {named} are of this recipe, on a corpus of which other utterances were "
            "left out; `serbench show` shows one of them"
        )
        raise SerbenchError(msg)
    job.progress.tell(UNSEEN)
    outcome = outcome_of(found[0], results)
    if said := said_of(outcome.path):
        job.progress.tell(said)
    return outcome


def _left_out(job: Job, results: Path) -> list[tuple[str, ...]]:
    """Return which utterances each stored result of a recipe was computed without, if any."""
    plain, found = job.recipe.plain(), []
    for path in sorted((results / job.benchmark.name).glob("*.json")):
        with suppress(BrokenResultError):  # what is damaged is no result of this recipe
            record = read_record(path)
            if record.left_out and record.recipe == plain:
                found.append(tuple(each.utterance for each in record.left_out))
    return found


def current(
    job: Job, prepared: Prepared, results: Path, stored: Entry | None = None
) -> Outcome | None:
    """Return the stored result of a recipe if it is all that a run of these data would give.

    Args:
        job: what is asked, on the corpus as it is.
        prepared: the corpus.
        results: folder of the result files.
        stored: what was there before, perhaps of a corpus of which nothing is left out.

    Raises:
        SerbenchError: it is broken, of other data than are here, or was sent in.
    """
    if job.anew:
        return None
    if stored is None or not stored.result.complete or stored.result.digest != job.digest:
        stored = find(job, results)  # another process may have finished it
    if stored is None or not holds(job, stored.result, prepared):
        return None
    if reason := sent(_place(stored.result, results)):
        remedy = "--overwrite always computes one here in its place, --results FOLDER elsewhere"
        raise SerbenchError(f"{reason} {remedy}")
    job.progress.tell("this recipe has been run on the same data; --again computes it anew")
    return outcome_of(stored, results)


def sent(path: Path) -> str:
    """Return why a finished result is nobody's run here; empty: it is one.

    Args:
        path: of the record.
    """
    if not was_sent(path):
        return ""
    short = path.stem[:8]
    return (
        f"there is a result of this recipe, {short}, but it was sent in: nobody trained it here. "
        f"`serbench show {short}` shows it;"
    )


def _place(result: Result, results: Path) -> Path:
    return store.place(results, result.benchmark.name, result.digest)


def holds(job: Job, stored: Result, prepared: Prepared) -> bool:
    """Return whether a stored result is all that a run would give: if not, the run goes on.

    What an older record does not tell cannot be compared; this is said, and counts as equal.

    Raises:
        SerbenchError: it is of other data than are here.
    """
    then, now = (stored.benchmark, stored.split), (described(job)[0], prepared.split)
    changed, unknown = changes(then, now)
    if changed:
        msg = (
            f"there is a result of this recipe, {stored.digest[:8]}, but of other data: not the "
            f"same {' and '.join(changed)}. `serbench show {stored.digest[:8]}` shows it; "
            "--overwrite always computes one of the data here in its place, and "
            "--results FOLDER elsewhere"
        )
        raise SerbenchError(msg)
    if unknown:
        job.progress.tell(
            f"the stored result is of an older serbench and does not say of which "
            f"{', '.join(unknown)}: not compared"
        )
    if not stored.complete:
        job.progress.tell("the stored result is incomplete; the run goes on")
    return stored.complete


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
    scores = score(job.benchmark.task, trained.tables.tested)
    result = _record(job, prepared, adapted, sources, trained.fits, scores)
    tables = trained.tables
    beside = Beside(
        valid=tables.validated,
        train=tables.trained,
        voices=_sound(job, tables.voices, voices.problem),
        enrol=None if tables.enrolled.empty else tables.enrolled,
        unlabelled=None if tables.unlabelled.empty else tables.unlabelled,
        embedded=None if tables.embedded.empty else _sound(job, tables.embedded, embedded.problem),
    )
    path = store.save(result, tables.tested, results, beside)
    return Outcome(read_record(path), scores, path)


def _sound(
    job: Job, table: DataFrame, problem: Callable[[DataFrame], str | None]
) -> DataFrame | None:
    """Return a table of vectors; None, and a word, if it cannot be kept: no run is lost for it."""
    reason = problem(table)
    if reason is None:
        return table
    job.progress.tell(
        f"warning: {reason}: they are not kept, and no post-processor that looks at them can "
        "correct the run"
    )
    return None


def _record(
    job: Job,
    prepared: Prepared,
    adapted: Sequence[Adapted],
    sources: Sources,
    fits: Sequence[Fit],
    scores: Scores,
) -> Result:
    """Return what is kept of a run beside its predictions; the arguments are those of `save`."""
    benchmark, protocol = described(job)
    idle = {"adapt"} if all(each.idle for each in adapted) else set()
    idle |= {"finetune"} if job.recipe.finetune is None else set()
    steps = {name: value for name, value in job.seconds.items() if name not in idle}
    folders = folders_of(prepared.table["path"])
    first, *others = (
        _encoder(each, source.provenance, seen_before(part, prepared), folders)
        for each, source, part in zip(adapted, sources, job.recipe.upstreams, strict=True)
    )
    return Result(
        digest=job.digest,
        recipe=job.recipe.plain(),
        labels=job.recipe.labels,
        benchmark=benchmark,
        protocol=protocol,
        split=prepared.split,
        seeds=job.recipe.seeds,
        left_out=tuple(
            LeftOut(utterance=each, reason=publishable(reason, folders))
            for each, reason in prepared.left_out.items()
        ),
        known_defects=prepared.known_defects,
        unknown_speakers=prepared.unknown_speakers,
        shared=dict(prepared.shared),
        warnings=tuple(publishable(each, folders) for each in prepared.warnings),
        provenance=first.provenance,
        adaptation=first.adaptation,
        finetuned=first.finetuned,
        fused_with=tuple(others),
        conditioning=conditioning(job, prepared),
        weighted=weighted(job),
        training=tuple(fits),
        seconds={name: round(value, 1) for name, value in steps.items()},
        threads={name: count for name, count in job.threads.items() if name in steps},
        parameters=parameters(job, sources),
        speed=speed(sources),
        versions=devices.versions(),
        device=devices.described(job.device),
        created=datetime.now(UTC),
        complete=True,
        scores=scores.to_json(),
    )


def _encoder(
    adapted: Adapted, origin: Mapping[str, str], seen: Mapping[str, str], folders: Sequence[Path]
) -> Encoder:
    """Return what an upstream was before the run, and what the run made of it."""
    known = {**(origin if adapted.base is None else adapted.base), **seen}
    provenance = {key: publishable(text, folders) for key, text in known.items()}
    return Encoder(provenance=provenance, adaptation=adapted.record, finetuned=adapted.tuned)
