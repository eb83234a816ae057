"""Results that were made of others: where they are kept, and of which runs they still are."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.intact import altered
from serbench.leaderboard.reading import BrokenResultError, read_record
from serbench.runs.identity import changes

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.leaderboard.beside import Beside
    from serbench.leaderboard.record import Result
    from serbench.leaderboard.store import Entry


def source(path: Path) -> Entry:
    """Return a finished run that something is made of, as it was written.

    Args:
        path: of its record.

    Raises:
        SerbenchError: it is broken, or one of its tables was changed since.
    """
    entry = store.load_result(path)
    if said := next(altered(path, entry.result), None):
        raise SerbenchError(f"{said}; put the file back, or run its recipe again (--again)")
    return entry


def keep(
    result: Result, predictions: DataFrame, root: Path, beside: Beside, *, anew: bool = False
) -> Path:
    """Write a fused or corrected result, and return the record's path.

    Args:
        result: the record.
        predictions: for the test parts.
        root: the results folder.
        beside: what else there is.
        anew: put it in the place of one that was made of other data, too.

    Raises:
        SerbenchError: as `store.save`; or there is one that was made of other data.
    """
    path = store.place(root, result.benchmark.name, result.digest)
    if path.exists() and not anew:
        with suppress(BrokenResultError):  # what is damaged is replaced
            if changed := _changed(read_record(path), result):
                msg = (
                    f"there is a result {result.digest[:8]} already, of a run on other data: not "
                    f"the same {changed}. `serbench show {result.digest[:8]}` shows it; move it "
                    f"out of '{path.parent}', or give another folder with --results"
                )
                raise SerbenchError(msg)
    return store.save(result, predictions, root, beside)


def before(corrected: Result, path: Path) -> Entry | None:
    """Return the run that a corrected result was made of, if it lies beside it.

    Args:
        corrected: the record.
        path: of it.

    Raises:
        SerbenchError: it is broken, or is of other data now.
    """
    if corrected.corrected is None:
        return None
    lies = path.with_name(f"{corrected.corrected.digest}.json")
    if not lies.exists():
        return None
    found = store.load_result(lies)
    if changed := _changed(found.result, corrected):
        msg = (
            f"the run {found.result.digest[:8]} was computed again on other data: not the same "
            f"{changed}; move result {corrected.digest[:8]} away, and `serbench postprocess` "
            "corrects the run as it is now"
        )
        raise SerbenchError(msg)
    return found


def _changed(one: Result, other: Result) -> str:
    found = changes((one.benchmark, one.split), (other.benchmark, other.split)).changed
    return " and ".join(found)
