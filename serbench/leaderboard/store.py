"""Results on disk: `ROOT/BENCHMARK/DIGEST.json` with its predictions in `DIGEST.parquet`."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, overload

from serbench.durable import replacing
from serbench.errors import SerbenchError
from serbench.leaderboard import identity
from serbench.leaderboard.beside import Beside, contained, files, problem, read
from serbench.leaderboard.reading import BrokenResultError, read_record, unfit
from serbench.leaderboard.record import Result, summed
from serbench.remotes import publish

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN = 5
# A list of numbers, a line each; in a text there are no line breaks.
_NUMBERS = re.compile(r"(?<=\[)\n\s+[-+.\de]+(?:,\n\s+[-+.\de]+)*\n\s*(?=\])")


class Entry(NamedTuple):
    """A result and its predictions: one row an utterance x fold x seed."""

    result: Result
    predictions: DataFrame


class _OfResult(Protocol):
    @property
    def result(self) -> Result: ...


Read = TypeVar("Read", bound=_OfResult)
"""What a result is read as: an `Entry`, or something else that has its record."""


class Shelf(NamedTuple, Generic[Read]):
    """What a results folder holds: the sound results, and what is wrong with the others."""

    entries: list[Read]
    problems: list[BrokenResultError]


def place(root: Path, benchmark: str, digest: str) -> Path:
    """Return where the record of a recipe's digest lies, whether it exists or not."""
    return root / benchmark / f"{digest}.json"


def save(result: Result, predictions: DataFrame, root: Path, beside: Beside | None = None) -> Path:
    """Write a result, replacing an older one of the same digest, and return the record's path.

    All files are written to a temporary name first; the record appears last, so that there is
    never a record without its own predictions, whatever interrupts this.

    Args:
        result: the record.
        predictions: for the test parts.
        root: the results folder.
        beside: what else there is.

    Raises:
        SerbenchError: the tables do not belong to the result, or the folder is not writable.
    """
    path = place(root, result.benchmark.name, result.digest)
    beside = beside or Beside()
    if reason := unfit(result) or problem(result, predictions, beside):
        msg = f"result {result.digest[:8]} is not written: {reason}"
        raise SerbenchError(msg)
    _write(path, result, files(path, predictions, beside))
    publish(path)
    return path


def _write(path: Path, result: Result, written: Mapping[Path, DataFrame]) -> None:
    """Write a record and its tables; what is opened first ends last."""
    with ExitStack() as stack:
        record = stack.enter_context(replacing(path))
        for where, table in written.items():
            temporary = stack.enter_context(replacing(where))
            if where.suffix == ".csv":
                table.to_csv(temporary, index=False)
            else:
                table.to_parquet(
                    temporary, index=False, compression="zstd", write_page_checksum=True
                )
        record.write_text(_to_json(summed(result)), encoding="utf-8")
        path.unlink(missing_ok=True)
        for older in path.parent.glob(f"{path.stem}.*"):
            if older.suffix in (".parquet", ".csv"):
                older.unlink()


def load_result(path: Path) -> Entry:
    """Read a record and its predictions.

    Raises:
        BrokenResultError: a file is missing, damaged, misnamed or of another format, or the
            predictions are not those of the record.
    """
    with contained(path):
        return _load(path)


def _load(path: Path) -> Entry:
    result = read_record(path)
    if path.stem != result.digest:
        remedy = f"rename it and its .parquet to {result.digest}"
        raise BrokenResultError(path, f"it holds the result {result.digest}", remedy)
    if path.absolute().parent.name != result.benchmark.name:
        remedy = f"move it and its .parquet into a folder {result.benchmark.name}"
        raise BrokenResultError(path, f"it is a result on '{result.benchmark.name}'", remedy)
    if reason := _misnamed(result):
        raise BrokenResultError(path, reason)
    return Entry(result, read(path, result))


def _misnamed(result: Result) -> str | None:
    """Return in what a record differs from what its recipe says, or None.

    Of recipes that another version digested in another way nothing is said.
    """
    derived = {identity.FUSED, identity.CORRECTED} & result.recipe.keys()
    if not derived and result.recipe.get("format") != identity.FORMAT:
        return None
    try:
        digest = identity.digest_of(result.recipe, [each.utterance for each in result.left_out])
        labels = result.labels if derived else identity.labels_of(result.recipe)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return f"its recipe is not whole ({type(error).__name__}: {error})"
    if digest != result.digest:
        return f"its recipe has the digest {digest[:8]}, not {result.digest[:8]}"
    if labels != result.labels:
        said, meant = (" ".join(each.model_dump().values()) for each in (result.labels, labels))
        return f"its row is called '{said}', but its recipe is '{meant}'"
    return None


def find(root: Path, benchmark: str, digest: str) -> Entry | None:
    """Return the stored result of a recipe, or None; raises like `load_result` for a broken one."""
    path = place(root, benchmark, digest)
    return load_result(path) if path.exists() else None


def look_up(root: Path, name: str) -> Path:
    """Return where the record lies that a user means.

    Args:
        root: the results folder.
        name: the path of a record, or how its digest begins.

    Raises:
        SerbenchError: there is none, or there are several.
    """
    if name.endswith(".json") or "/" in name:
        return _existing(Path(name).expanduser())
    found = sorted(root.glob(f"*/{glob.escape(name.lower())}*.json")) if name else []
    if not found:
        msg = (
            f"no result in '{root}' begins with '{name}'; `serbench leaderboard` shows the digests"
        )
        raise SerbenchError(msg)
    if len(found) > 1:
        begin = ", ".join(path.stem[: len(name) + 4] for path in found[:3])
        msg = f"{len(found)} results in '{root}' begin with '{name}' ({begin}); give more digits"
        raise SerbenchError(msg)
    return found[0]


def _existing(path: Path) -> Path:
    if path.suffix != ".json" or not path.is_file():
        msg = f"'{path}' is no record of a result; give its .json, or how its digest begins"
        raise SerbenchError(msg)
    return path


@overload
def read_all(root: Path) -> Shelf[Entry]: ...
@overload
def read_all(root: Path, read: Callable[[Path], Read]) -> Shelf[Read]: ...
def read_all(root: Path, read: Callable[[Path], Any] = load_result) -> Shelf[Any]:
    """Read every result below `root`, in the order of the file names; none is skipped silently.

    Args:
        root: the results folder.
        read: from a path the result and whatever is needed of its predictions; raises
            `BrokenResultError`.
    """
    shelf: Shelf[Any] = Shelf([], [])
    for path in sorted(root.glob("*/*.json")):
        try:
            shelf.entries.append(read(path))
        except BrokenResultError as problem:
            shelf.problems.append(problem)
    for path in sorted(root.glob("*/*.parquet")):
        if not path.with_name(f"{path.name.split('.')[0]}.json").exists():
            reason = "predictions without their record, as a run that was stopped leaves them"
            shelf.problems.append(BrokenResultError(path, reason))
    return shelf


def on_benchmark(shelf: Shelf[Read], root: Path, benchmark: str | None) -> list[Read]:
    """Return the sound results on a benchmark, or all of them.

    Args:
        shelf: what `root` holds.
        root: the results folder.
        benchmark: its name; None for any.

    Raises:
        SerbenchError: there are none.
    """
    entries = [e for e in shelf.entries if benchmark in (None, e.result.benchmark.name)]
    if not entries:
        of = f" of {benchmark}" if benchmark else ""
        msg = f"no results{of} in '{root}'; `serbench run` makes them"
        raise SerbenchError(msg)
    return entries


def _to_json(result: Result) -> str:
    # pydantic writes NaN as null, which JSON has, but does not sort
    plain = json.loads(result.model_dump_json())
    text = json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n"
