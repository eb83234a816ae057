"""What a sweep will do: which runs are finished, what they share, what they cost."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench.errors import SerbenchError
from serbench.runs import recipe as recipes
from serbench.runs.conditioning import head_like
from serbench.runs.remembering import remembering

if TYPE_CHECKING:
    from serbench.runs.grids.grid import Grid
    from serbench.runs.recipe import Recipe

_SHOWN = 10


@dataclass
class Plan:
    """What is to be done of a grid.

    Attributes:
        grid: all of it.
        finished: the numbers of the runs that have a result.
        changed: why the results of some of these do not count (broken, or of other data), by their
            numbers.
        doubled: how many are another one once more.
        groups: the numbers of the runs to do, by what is prepared for them together.
    """

    grid: Grid
    finished: array[int] = field(default_factory=partial(array, "I"))
    changed: dict[int, str] = field(default_factory=dict)
    doubled: int = 0
    groups: dict[tuple[Any, ...], array[int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many runs are to do."""
        return sum(map(len, self.groups.values()))

    def leaders(self) -> Iterator[int]:
        """Yield the first run of each group."""
        yield from (numbers[0] for numbers in self.groups.values())


def plan(grid: Grid, results: Path) -> Plan:
    """Look at every run of a grid before any of them starts.

    Args:
        grid: the runs.
        results: folder of the result files.

    Raises:
        SerbenchError: runs that mean nothing; the first few are named.
    """
    made = Plan(grid)
    seen: set[int] = set()
    wrong: dict[str, array[int]] = {}
    shelves: dict[int, set[int]] = {}
    needs: dict[int, str] = {}
    with remembering():
        for number in grid.numbers():
            try:
                recipe = recipes.resolve(grid.raw(number))
            except SerbenchError as error:
                wrong.setdefault(str(error), array("I")).append(number)
                continue
            digest = int(recipe.digest()[:16], 16)
            if digest in seen:
                made.doubled += 1
            elif digest in _shelf(results, recipe, shelves):
                made.finished.append(number)
            else:
                made.groups.setdefault(_together(recipe, needs), array("I")).append(number)
            seen.add(digest)
    if wrong:
        raise _wrong(grid, wrong)
    return made


def _shelf(results: Path, recipe: Recipe, shelves: dict[int, set[int]]) -> set[int]:
    """Return the digests of the results that are there of a benchmark, the first 16 digits."""
    part = recipe.benchmark
    if (key := id(part)) not in shelves:
        name = recipes.make_benchmark(part).name
        files = (results / name).glob("*.json")
        shelves[key] = {int(path.stem[:16], 16) for path in files if len(path.stem) == 64}
    return shelves[key]


def _together(recipe: Recipe, needs: dict[int, str]) -> tuple[Any, ...]:
    """Return what is the same where corpus, adaptation, fine-tuning and encoding are the same.

    While recipes are remembered, equal parts are the same object.

    Args:
        recipe: of a run.
        needs: what heads use of time, by the part; grows.
    """
    head = recipe.downstream
    if id(head) not in needs:
        needs[id(head)] = head_like(head).needs
    of_folds = recipe.finetune or any(
        part.options.get("adapt_on") == "train" for part in recipe.upstreams
    )
    return (
        *(id(part) for part in (recipe.benchmark, *recipe.upstreams)),
        id(recipe.protocol) if of_folds else None,
        recipe.finetune and recipe.finetune.model_dump_json(),
        recipe.precision,
        recipe.leave_out_broken,
        recipe.training.finetune or needs[id(head)],
    )


def _wrong(grid: Grid, wrong: Mapping[str, array[int]]) -> SerbenchError:
    """Return the error for runs that mean nothing."""
    lines = []
    for message, numbers in list(wrong.items())[:_SHOWN]:
        more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        lines.append(f"{grid.name(numbers[0])}{more}: {message}")
    if len(wrong) > _SHOWN:
        lines.append(f"and {len(wrong) - _SHOWN} other problems")
    bad = sum(map(len, wrong.values()))
    return SerbenchError(
        "\n".join([f"{bad} of {len(grid)} runs cannot be made; nothing was started:", *lines])
    )
