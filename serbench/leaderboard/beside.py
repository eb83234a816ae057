"""The tables of a result: predictions for each part of its folds, and the voices of its speakers.

`DIGEST.parquet` has those for the test parts, which are scored. `DIGEST.valid.parquet` and
`DIGEST.train.parquet` have what the same trainings predict for the other two,
`DIGEST.enrol.parquet` for what is enrolled of the test speakers, if anything is, and
`DIGEST.voices.parquet` the vectors of the speakers; of classes, `DIGEST.embedded.parquet` has what
the output saw of each utterance. Fusion and post-processors look at these.
`DIGEST.unlabelled.csv` is for whoever has the truths: predictions for utterances without any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from serbench.errors import SerbenchError
from serbench.leaderboard.reading import (
    BrokenResultError,
    read_embedded,
    read_predictions,
    read_voices,
)
from serbench.leaderboard.record import Result
from serbench.scoring import embedded
from serbench.scoring import predictions as tables
from serbench.scoring import voices as speakers

if TYPE_CHECKING:
    from pandas import DataFrame

Part: TypeAlias = Literal["test", "valid", "train", "enrol"]
"""Of the folds, that predictions are for."""

_CALLED = {"valid": "validation", "train": "training", "enrol": "enrolled"}
VOICES = ".voices.parquet"
EMBEDDED = ".embedded.parquet"
UNLABELLED = ".unlabelled.csv"
TABLES = (
    ".parquet",
    *(f".{part}.parquet" for part in _CALLED),
    *(VOICES, EMBEDDED, UNLABELLED),
)
"""How the names of a result's tables go on after its digest; the first is always there."""


class Beside(NamedTuple):
    """What lies beside a result and its predictions, as far as there is any.

    valid: predictions for the validation parts.
    train: predictions for the training parts.
    voices: one row a speaker x fold x seed.
    enrol: predictions for what is enrolled of those who are tested.
    unlabelled: predictions for what has no truth.
    embedded: what the output saw of each utterance x fold x seed.
    """

    valid: DataFrame | None = None
    train: DataFrame | None = None
    voices: DataFrame | None = None
    enrol: DataFrame | None = None
    unlabelled: DataFrame | None = None
    embedded: DataFrame | None = None


def place(path: Path, part: Part) -> Path:
    """Return where the predictions for a part lie.

    Args:
        path: of the record.
        part: of the folds.
    """
    return path.with_suffix(".parquet" if part == "test" else f".{part}.parquet")


def files(path: Path, predictions: DataFrame, beside: Beside) -> dict[Path, DataFrame]:
    """Return where each table of a result belongs."""
    found = {place(path, "test"): predictions, place(path, "valid"): beside.valid}
    found |= {place(path, "train"): beside.train, path.with_suffix(VOICES): beside.voices}
    found |= {place(path, "enrol"): beside.enrol, path.with_suffix(EMBEDDED): beside.embedded}
    found[path.with_suffix(UNLABELLED)] = beside.unlabelled
    return {where: table for where, table in found.items() if table is not None}


def problem(result: Result, predictions: DataFrame, beside: Beside) -> str | None:
    """Return the first reason why tables cannot be those of a result, or None."""
    parts: Mapping[Part, DataFrame | None] = {
        "test": predictions,
        "valid": beside.valid,
        "train": beside.train,
        "enrol": beside.enrol,
    }
    for part, table in parts.items():
        if table is not None and (reason := unlike(result, table, part)):
            return reason
    if beside.voices is not None and (reason := speakers.problem(beside.voices)):
        return reason
    return None if beside.embedded is None else embedded.problem(beside.embedded)


def unlike(result: Result, predictions: DataFrame, part: Part = "test") -> str | None:
    """Return the first reason why predictions for a part cannot be those of a result, or None."""
    tests = {fold.name: fold.tests for fold in result.split.folds} if part == "test" else {}
    hashes = {fold.name: fold.truths.get(part, "") for fold in result.split.folds}
    return (
        tables.problem(result.benchmark.task, predictions)
        or tables.lack(predictions, _sizes(result, part), result.seeds, complete=result.complete)
        or tables.other_tests(predictions, tests)
        or tables.untrue(result.benchmark.task, predictions, hashes)
    )


def read(path: Path, result: Result, part: Part = "test") -> DataFrame:
    """Read the predictions for a part, no more than the record promises.

    Args:
        path: of the record.
        result: the record.
        part: of the folds.

    Raises:
        BrokenResultError: they are missing, damaged, or not those of the record.
    """
    file = place(path, part)
    promised = sum(_sizes(result, part).values()) * len(result.seeds)
    with contained(file):
        predictions = read_predictions(file, result.benchmark.task, promised)
        if reason := unlike(result, predictions, part):
            raise BrokenResultError(file, reason)
    return predictions


def load_part(path: Path, result: Result, part: Literal["valid", "train", "enrol"]) -> DataFrame:
    """Read what a result's trainings predict for another part of its folds than the test part.

    Args:
        path: of the record.
        result: the record.
        part: which.

    Raises:
        BrokenResultError: they are missing, damaged, or not those of the record.
    """
    if not has_part(path, part):
        raise _missing(path, result, f"predictions for its {_CALLED[part]} parts")
    return read(path, result, part)


def has_part(path: Path, part: Literal["valid", "train", "enrol"]) -> bool:
    """Return whether a record has predictions for a part beside it."""
    return place(path, part).exists()


def load_voices(path: Path, result: Result) -> DataFrame:
    """Read the vectors of a result's speakers (see `serbench.scoring.voices`).

    Args:
        path: of the record.
        result: the record.

    Raises:
        BrokenResultError: they are missing or damaged.
    """
    file = path.with_suffix(VOICES)
    if not file.exists():
        raise _missing(path, result, "vectors of its speakers")
    clips = sum(fold.train + fold.valid + fold.test + fold.enrol for fold in result.split.folds)
    with contained(file):
        voices = read_voices(file, clips * len(result.seeds))
        if wrong := speakers.problem(voices):
            raise BrokenResultError(file, wrong)
    return voices


def load_embedded(path: Path, result: Result) -> DataFrame:
    """Read what a result's outputs saw (see `serbench.scoring.embedded`); no rows if not kept.

    Args:
        path: of the record.
        result: the record.

    Raises:
        BrokenResultError: it is damaged.
    """
    file = path.with_suffix(EMBEDDED)
    if not file.exists():
        return embedded.empty()
    clips = sum(fold.train + fold.valid + fold.test + fold.enrol for fold in result.split.folds)
    with contained(file):
        found = read_embedded(file, clips * len(result.seeds))
        if wrong := embedded.problem(found):
            raise BrokenResultError(file, wrong)
    return found


def _missing(path: Path, result: Result, what: str) -> BrokenResultError:
    """Return what is to be said of a result that did not keep what post-processors look at."""
    remedy = "repeat the run with --again, which says so if they cannot be kept"
    if result.members:
        runs = ", ".join(member.digest[:8] for member in result.members)
        remedy = f"take the runs that were fused to it, {runs}; what comes out can be fused again"
    return BrokenResultError(path, f"it has no {what}", remedy)


@contextmanager
def contained(path: Path) -> Iterator[None]:
    """Let no file of a stranger end more than its own reading, whatever is wrong with it."""
    try:
        yield
    except BrokenResultError:
        raise
    except SerbenchError as error:
        raise BrokenResultError(path, f"cannot be scored ({error})") from error
    except Exception as error:
        reason = f"cannot be read ({type(error).__name__}: {error})"
        raise BrokenResultError(path, reason) from error


def _sizes(result: Result, part: Part) -> dict[str, int]:
    """Return how many utterances a part of each fold has."""
    return {fold.name: getattr(fold, part) for fold in result.split.folds}
