"""What a machine must have to take part in a sweep: the same code, the same corpora, room."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench import devices
from serbench.digests import digest_path, digest_rows, rows_of
from serbench.durable import writable
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.remotes import check_store

if TYPE_CHECKING:
    from serbench.runs.grids.plan import Plan

# What a machine that says nothing itself takes from the one that asks.
_TAKEN = ("SERBENCH_", "HF_")
_THREADS = "OMP_NUM_THREADS"


class Expected(NamedTuple):
    """What one machine has, and so must all.

    Attributes:
        versions: of the libraries that decide numbers.
        code: digest of serbench itself.
        corpora: what each is, as in a recipe, and the digest of its table and files.
        data: folder of the corpora; None: `SERBENCH_DATA`.
        environment: variables that hold where nothing else is said.
        folder: that paths are relative to, where it is there.
    """

    versions: Mapping[str, str]
    code: str
    corpora: Sequence[tuple[Any, str]]
    data: Path | None
    environment: Mapping[str, str]
    folder: Path = Path()


def expected(plan: Plan, data: Path | None) -> Expected:
    """Return what all machines must have for what is to be done of a grid.

    Raises:
        SerbenchError: a corpus is not here.
    """
    named: dict[str, Any] = {}
    for number in plan.leaders():
        benchmark = plan.grid.raw(number).get("benchmark")
        named.setdefault(str(benchmark), benchmark)
    corpora = [(benchmark, _content(benchmark, data)) for benchmark in named.values()]
    taken = {key: value for key, value in os.environ.items() if key.startswith(_TAKEN)}
    if _THREADS in os.environ:
        taken[_THREADS] = os.environ[_THREADS]
    return Expected(devices.versions(), _code(), corpora, data, taken, Path.cwd())


def settle(environment: Mapping[str, str]) -> None:
    """Take over what the environment of this process does not say; threads in any case."""
    os.environ.pop(_THREADS, None)  # a cluster sets it to the processors that a task asks for
    for key, value in environment.items():
        os.environ.setdefault(key, value)


class Looked(NamedTuple):
    """What this machine has otherwise, in words, and whether its `SERBENCH_HOME` is the same."""

    lacks: list[str]
    shares: bool


def look(wanted: Expected, mark: str) -> Looked:
    """Compare this machine with another one.

    Args:
        wanted: what the other has.
        mark: name of a file in its `SERBENCH_HOME`.
    """
    settle(wanted.environment)
    with chdir(wanted.folder if wanted.folder.is_dir() else Path()):
        found = [*_other_code(wanted), *_other_corpora(wanted), *_no_room()]
    return Looked(found, (home() / mark).is_file())


def _other_code(wanted: Expected) -> Iterator[str]:
    found = devices.versions()
    for name, version in wanted.versions.items():
        if (has := found.get(name)) != version:
            yield f"it has {name} {has}, not {version}" if has else f"it has no {name}"
    if _code() != wanted.code and found["serbench"] == wanted.versions["serbench"]:
        yield f"its code of serbench {found['serbench']} is not the same"


def _other_corpora(wanted: Expected) -> Iterator[str]:
    for benchmark, content in wanted.corpora:
        try:
            found = _content(benchmark, wanted.data)
        except (SerbenchError, OSError) as error:
            yield str(error)
        else:
            if found != content:
                yield f"its benchmark '{benchmark}' has other utterances, labels or files"


def _no_room() -> Iterator[str]:
    try:
        writable(home())
        check_store()
    except SerbenchError as error:
        yield str(error)


def _code() -> str:
    import serbench

    return digest_path(Path(serbench.__file__).parent)


def _content(benchmark: Any, data: Path | None) -> str:
    """Return the digest of a corpus: utterances, speakers, truths, sizes of files; not where."""
    from serbench.runs import recipe as recipes
    from serbench.runs.corpus import read_corpus

    made = recipes.make_benchmark(recipes.resolve_data({"benchmark": benchmark})[0])
    table = read_corpus(made, data)
    sizes = {path: Path(path).stat().st_size for path in set(table["path"])}
    columns = ["utterance", "speaker", *made.task.columns]
    told = [table[column].astype(str) for column in columns]
    return digest_rows(rows_of(*told, [sizes[path] for path in table["path"]]))
