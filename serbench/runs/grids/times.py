"""How long the training of a sweep will take, by what results of the same kind took."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from serbench import bounds
from serbench.errors import SerbenchError, counted
from serbench.leaderboard.reading import RECORD_BYTES

if TYPE_CHECKING:
    from serbench.runs.recipe import Recipe

_RECORD = bounds.Limit(RECORD_BYTES, "bytes of a record")
_SAMPLED = 300  # results of a corpus that tell how long a run takes


class Kind(NamedTuple):
    """What the time of a training depends on most.

    Attributes:
        benchmark: name of the corpus.
        downstream: name of the head.
        learns: whether the upstreams are trained with it.
        upstreams: their names.
    """

    benchmark: str
    downstream: str
    learns: bool
    upstreams: tuple[str, ...]

    @property
    def alike(self) -> Kind:
        """The same whatever the upstreams are, of which the number of frames differs."""
        return self._replace(upstreams=())


class Work(NamedTuple):
    """The trainings of a run.

    Attributes:
        kind: of each.
        trainings: of all folds: one a seed, learning rate and, if they are fused late, upstream.
    """

    kind: Kind
    trainings: int


def work_of(recipe: Recipe) -> Work:
    """Return the trainings of a run."""
    names = (recipe.benchmark.name, recipe.downstream.name, *(p.name for p in recipe.upstreams))
    training = recipe.training
    learns, rates = bool(training.finetune), len(training.learning_rates)
    return _work(names, learns, len(recipe.seeds) * rates, recipe.fusion)


def _work(names: Sequence[str], learns: bool, trainings: int, fusion: str | None) -> Work:
    # records have the names of files without their folders
    benchmark, downstream, *upstreams = (Path(name).name for name in names)
    heads = len(upstreams) if fusion == "late" else 1
    return Work(Kind(benchmark, downstream, learns, tuple(upstreams)), trainings * heads)


def told(works: Mapping[Work, int], results: Path) -> str:
    """Return how long training takes in all.

    Args:
        works: what is to do, and how many runs have that much to do.
        results: folder of the result files.
    """
    took = _took(results)
    likest = {work: took.get(work.kind) or took.get(work.kind.alike) for work in works}
    known = {work: found for work, found in likest.items() if found}
    if not known:
        return "nothing is known of the time before a first result of the same heads and corpora"
    seconds = sum(
        median(found.values()) * work.trainings * works[work] for work, found in known.items()
    )
    asked = set[Path]().union(*known.values())
    by = (
        f"{counted(len(asked), 'result')} here of the same head and corpus took, on whatever device"
    )
    runs, whole = sum(works[work] for work in known), sum(works.values())
    if runs == whole:
        return f"about {_long(seconds)} on one process, as {by}"
    return (
        f"about {_long(seconds)} on one process for {runs} of {whole} runs, as {by}; nothing is "
        "known of the others"
    )


def _took(results: Path) -> dict[Kind, dict[Path, float]]:
    """Return the seconds that a training took in some results, by its kind and by its like."""
    found: dict[Kind, dict[Path, float]] = defaultdict(dict)
    for file in _some(results):
        if (told := _read(file)) is not None:
            kind, seconds = told
            found[kind][file] = found[kind.alike][file] = seconds
    return found


def _some(results: Path) -> Iterator[Path]:
    """Yield the same few results of each corpus every time."""
    seen = Counter[Path]()
    for file in sorted(results.glob("*/*.json")):
        seen[file.parent] += 1
        if seen[file.parent] <= _SAMPLED:
            yield file


def _read(file: Path) -> tuple[Kind, float] | None:
    """Return the kind of a result's trainings, and the seconds of one."""
    try:
        record = json.loads(bounds.read_text(file, _RECORD))
        recipe, seconds = record["recipe"], float(record["seconds"]["train"])
        parts = (recipe["benchmark"], recipe["downstream"], *recipe["upstreams"])
        training = recipe["training"]
        learns, rates = bool(training.get("finetune")), len(training["learning_rates"])
        trainings = len(recipe["seeds"]) * rates
        work = _work([part["name"] for part in parts], learns, trainings, recipe.get("fusion"))
        each = seconds / work.trainings
    except (OSError, SerbenchError, ValueError, LookupError, TypeError, AttributeError):
        return None
    except ArithmeticError:  # of no trainings at all
        return None
    except RecursionError:  # of thousands of brackets
        return None
    return (work.kind, each) if 0 <= each < math.inf else None


def _long(seconds: float) -> str:
    """Return a time in the unit in which it has few digits.

    >>> _long(0.2), _long(59), _long(400), _long(9000)
    ('1 s', '59 s', '7 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
