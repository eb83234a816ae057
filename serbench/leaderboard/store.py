"""Results on disk: `ROOT/BENCHMARK/DIGEST.json` with its predictions in `DIGEST.parquet`."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, overload

from serbench.digests import digest_path
from serbench.durable import replacing, same, unwritable
from serbench.errors import SerbenchError
from serbench.leaderboard.beside import Beside, contained, files, problem, read
from serbench.leaderboard.naming import misnamed, unasked
from serbench.leaderboard.reading import BrokenResultError, read_record, unfit
from serbench.leaderboard.record import Result, summed
from serbench.remotes import ADDED, publish

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


def check_replaceable(path: Path) -> None:
    """Refuse to begin where a result could not be put.

    Args:
        path: of its record, whether there is one or not.

    Raises:
        SerbenchError: a folder is in the place of one of its files.
    """
    for each in _files_of(path):
        if each.is_dir():
            raise unwritable(each, IsADirectoryError())


def put(path: Path, contents: Mapping[Path, bytes]) -> None:
    """Put a result that another machine saved in the place of an older one, unless it is the same.

    Args:
        path: of the record.
        contents: of the record and its tables, by where they belong.

    Raises:
        SerbenchError: the folder is not writable.
    """
    if all(same(where, content) for where, content in contents.items()):
        return
    with _replacing(path, contents.keys() - {path}) as fresh:
        for where, content in contents.items():
            fresh[where].write_bytes(content)


def _write(path: Path, result: Result, written: Mapping[Path, DataFrame]) -> None:
    """Write a record and its tables."""
    with _replacing(path, written) as fresh:
        sums = {}
        for where, table in written.items():
            if where.suffix == ".csv":
                table.to_csv(fresh[where], index=False)
            else:
                table.to_parquet(
                    fresh[where], index=False, compression="zstd", write_page_checksum=True
                )
            sums[where.name.removeprefix(path.stem)] = digest_path(fresh[where])
        whole = summed(result.model_copy(update={"tables": sums}))
        fresh[path].write_text(_to_json(whole), encoding="utf-8")


@contextmanager
def _replacing(path: Path, tables: Iterable[Path]) -> Iterator[Mapping[Path, Path]]:
    """Give temporary names for a record and its tables, which then replace all that was there.

    Raises:
        SerbenchError: a folder is in the place of a file; all that was there still is.
    """
    check_replaceable(path)
    with ExitStack() as stack:  # what is opened first, the record, ends last
        yield {where: stack.enter_context(replacing(where)) for where in (path, *tables)}
        path.unlink(missing_ok=True)
        for older in _files_of(path):
            older.unlink()


def _files_of(path: Path) -> list[Path]:
    """Return the files of a result that are there, by the path of its record."""
    kinds = (".json", ".parquet", ".csv", ADDED)
    return [each for each in path.parent.glob(f"{path.stem}.*") if each.suffix in kinds]


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
    if reason := misnamed(result):
        raise BrokenResultError(path, reason)
    # one that is not whole has no rank, and says how much there is
    if result.complete and (reason := next(unasked(result), None)):
        raise BrokenResultError(path, reason)
    return Entry(result, read(path, result))


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
        there = sorted({entry.result.benchmark.name for entry in shelf.entries})
        remedy = f"there are some of {', '.join(there)}" if there else "`serbench run` makes them"
        msg = f"no results{of} in '{root}'; {remedy}"
        raise SerbenchError(msg)
    return entries


def _to_json(result: Result) -> str:
    # pydantic writes NaN as null, which JSON has, but does not sort
    plain = json.loads(result.model_dump_json())
    text = json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n"
