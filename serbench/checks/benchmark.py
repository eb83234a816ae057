"""The contract of a benchmark: what it declares, how it is made, its protocols, its corpus."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from serbench import plugins
from serbench.benchmarks import NAME, SHAREABLE, Benchmark, Protocol, Task
from serbench.benchmarks.reading.layout import COLUMNS, RESERVED
from serbench.benchmarks.tasks import KINDS
from serbench.checks.corpus import check_corpus
from serbench.errors import SerbenchError
from serbench.plugins.blame import PluginError
from serbench.progress import Progress, Silent
from serbench.runs import recipe as recipes
from serbench.runs.corpus import is_there
from serbench.vetting.observing import sentences, watched

_TEXTS = ("version", "licence", "citation", "obtain")
_SHARED = frozenset({*SHAREABLE, *(f"valid {column}" for column in SHAREABLE)})
_APART = frozenset({"text"})
_CALLED = ("NAMES", "NAMESAKES", "HOLDS")
# The exit code of a process in which a benchmark has loaded torch.
_HEAVY = 3
_PROCESS = f"""
import pathlib, sys
from serbench.runs import corpus, recipe

benchmark = recipe.make_benchmark(recipe.Part.model_validate_json(sys.argv[1]))
[build() for build in benchmark.protocols.values()]
data = pathlib.Path(sys.argv[2]) if sys.argv[2:] else None
if corpus.is_there(benchmark, data):
    corpus.read_corpus(benchmark, data)
sys.exit({_HEAVY} if "torch" in sys.modules else 0)
"""


def check_benchmark(
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    data: Path | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Return what a benchmark does against its contract (see `serbench.benchmarks`).

    What it declares, how it is made and whether it refuses an empty folder is checked without its
    corpus, its table and the folds of its protocols only where the corpus is there. No audio is
    opened: that is `serbench data check`.

    Args:
        name: as the user writes it: a name, or the path of a Python or TOML file.
        options: of its `make`; those left out have their defaults.
        data: folder of the corpora; None: `SERBENCH_DATA`.
        progress: where it is told that the corpus is not there.

    Returns:
        One sentence a failure; empty if it passes.

    Raises:
        SerbenchError: no such benchmark, a wrong option, or what it says when it is made.
    """
    part = recipes.benchmark_part({**(options or {}), "name": name})
    with watched() as changed:
        failures = _failures(part, data, progress or Silent())
    failures += [
        f"it changes the global random state of {library}; use a generator of its own"
        for library in changed
    ]
    # A new process takes a second: only for one that is sound so far.
    return failures or list(_weight(part, data))


def _failures(part: recipes.Part, data: Path | None, progress: Progress) -> list[str]:
    try:
        benchmark = _make(part)
    except PluginError as error:
        return [str(error)]
    except SerbenchError:
        raise
    except Exception as error:
        return [f"making the benchmark ends in {type(error).__name__}: {error}"]
    if not isinstance(benchmark, Benchmark):
        return [f"make returns a {type(benchmark).__name__}, not a Benchmark"]
    failures = [
        *sentences("reading its attributes", _declared, benchmark, part.name),
        *sentences("looking at its task", _task, benchmark.task),
        *sentences("looking at its protocols", _protocols, benchmark.protocols),
        *sentences("reading what its corpus is called", _called, part.name),
    ]
    if failures:
        return failures
    failures += sentences("making it again", _again, benchmark, part)
    failures += sentences("reading an empty folder", _empty, benchmark)
    if is_there(benchmark, data):
        return failures + check_corpus(benchmark, data)
    progress.tell(
        f"not checked, as the corpus of '{benchmark.name}' is not there: its table and folds; give "
        f"--data DIR or set SERBENCH_DATA to the folder that holds '{benchmark.folder}'. "
        f"{benchmark.obtain}"
    )
    return failures


def _make(part: recipes.Part) -> Benchmark:
    benchmark = recipes.make_benchmark(part)
    if not part.name.endswith(".toml"):
        return benchmark
    # Its author names one. The others are what the columns allow, and the audit of a run refuses
    # those that do not fit.
    (name, build), *_ = benchmark.protocols.items()
    return dataclasses.replace(benchmark, protocols={name: build})


def _declared(benchmark: Benchmark, given: str) -> Iterator[str]:
    name, folder = benchmark.name, benchmark.folder
    if not (isinstance(name, str) and re.fullmatch(NAME, name)):
        yield f"name is {name!r}; it must be letters, digits, _ and -, as results lie under it"
    elif not given.endswith(".toml") and name != (called := Path(given).stem):
        yield f"name is '{name}', but it is found as '{called}'; give both one name"
    for field in _TEXTS:
        text = getattr(benchmark, field)
        if not (isinstance(text, str) and text.strip()):
            yield f"{field} is {text!r}; it must be a text"
    if folder is not None and (not folder or Path(folder).is_absolute() or ".." in folder):
        yield f"folder is {folder!r}; it must be one below the data folder, or None"
    for utterance, defect in benchmark.known_defects.items():
        if not all(isinstance(text, str) and text.strip() for text in (utterance, defect)):
            yield f"known defect {utterance!r}: {defect!r} must be an id and a sentence, both texts"


def _called(given: str) -> Iterator[str]:
    """Yield which constants cannot be read without importing the file."""
    if given.endswith(".toml"):
        return
    plugin = plugins.find("benchmarks", given)
    for name in _CALLED:
        said = getattr(plugins.module(plugin), name, ())
        if not isinstance(said, tuple) or said != plugin.constants.get(name, ()):
            yield f'{name} is read without importing; write it as a literal tuple, ("My Corpus",)'
        elif not all(isinstance(each, str) and each.strip("= ") for each in said):
            yield f"{name} is {said!r}; it must hold texts"


def _task(task: Task) -> Iterator[str]:
    if not isinstance(task, KINDS):
        kinds = " or ".join(kind.__name__ for kind in get_args(KINDS))
        yield f"task is a {type(task).__name__}; it must be a {kinds}"
        return
    yield from task.faults()
    for column in task.columns:
        if column in (*COLUMNS, *RESERVED):
            yield f"the target column '{column}' means something else; use another name"
    if not _can_be_stored(task):
        yield f"results cannot hold its task, {task}; give tuples of texts, and numbers"


def _can_be_stored(task: Task) -> bool:
    adapter = TypeAdapter(type(task))
    try:
        return adapter.validate_json(adapter.dump_json(task, warnings=False)) == task
    except ValidationError:
        return False


def _protocols(protocols: Mapping[str, Callable[..., Protocol]]) -> Iterator[str]:
    if not protocols:
        yield "it has no protocol; give one at least, the default first"
    for name, build in protocols.items():
        yield from sentences(f"making protocol '{name}'", _protocol, name, build)


def _protocol(name: str, build: Callable[..., Protocol]) -> Iterator[str]:
    for option in inspect.signature(build).parameters.values():
        named = option.kind is option.KEYWORD_ONLY and option.name != "name"
        if not (named and _is_literal(option.default)):
            yield (
                f"option '{option.name}' of protocol '{name}' cannot stand in a recipe; it must be "
                "keyword-only, have a literal default, and another name than 'name'"
            )
    protocol = build()
    if not isinstance(protocol, Protocol):
        yield f"the factory of protocol '{name}' returns a {type(protocol).__name__}, no Protocol"
        return
    if protocol.name != name:
        yield f"protocol '{name}' calls itself '{protocol.name}'; give both one name"
    if unknown := protocol.shares - _SHARED:
        known = ", ".join(sorted(_SHARED))
        yield f"protocol '{name}' shares {', '.join(sorted(unknown))}; it can share {known}"
    if unknown := protocol.apart - _APART:
        yield f"protocol '{name}' keeps {', '.join(sorted(unknown))} apart; it can so keep text"


def _is_literal(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_literal, value))
    return value is None or isinstance(value, bool | int | float | str)


def _again(benchmark: Benchmark, part: recipes.Part) -> Iterator[str]:
    first, second = _facts(benchmark), _facts(_make(part))
    for field in first:
        if first[field] != second[field]:
            yield f"made again, it differs in its {field}; make must give the same each time"


def _facts(benchmark: Benchmark) -> dict[str, Any]:
    """Return what can be compared: all but functions."""
    facts = {field.name: getattr(benchmark, field.name) for field in dataclasses.fields(benchmark)}
    made = {name: (build(), build) for name, build in benchmark.protocols.items()}
    described = [(n, p.shares, str(inspect.signature(b))) for n, (p, b) in made.items()]
    return facts | {"read": None, "protocols": described}


def _empty(benchmark: Benchmark) -> Iterator[str]:
    if benchmark.folder is None:
        return
    with TemporaryDirectory() as folder:
        try:
            benchmark.read(Path(folder))
        except SerbenchError:
            return
        except Exception as error:
            yield (
                f"reading an empty folder ends in {type(error).__name__}: {error}; raise "
                "SerbenchError that says what is missing"
            )
        else:
            yield "an empty folder is read as if it were the corpus; raise SerbenchError"


def _weight(part: recipes.Part, data: Path | None) -> Iterator[str]:
    """Make and read it in a new process, as this one has loaded torch itself."""
    arguments = [part.model_dump_json(), *([] if data is None else [str(data)])]
    command = [sys.executable, "-c", _PROCESS, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode == _HEAVY:
        yield "it loads torch, which takes long to start; benchmarks do without"
    elif ended.returncode:
        said = ended.stderr.strip().splitlines()[-1:]
        yield f"made in a new process, it ends in {''.join(said) or ended.returncode}"
