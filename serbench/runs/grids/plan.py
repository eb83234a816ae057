"""What a sweep will do: which runs are finished, what they share, what they cost."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.errors import SerbenchError, counted
from serbench.runs import recipe as recipes
from serbench.runs.finished import kept_of_runs
from serbench.runs.grids.shared import Sharing, Together
from serbench.runs.grids.times import Work, work_of
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
        works: how many of them have the same trainings to do.
        begun: how many of these have finished trials.
        trials: how many trials that are.
    """

    grid: Grid
    finished: array[int] = field(default_factory=partial(array, "I"))
    changed: dict[int, str] = field(default_factory=dict)
    doubled: int = 0
    groups: dict[Together, array[int]] = field(default_factory=dict)
    works: Counter[Work] = field(default_factory=Counter)
    begun: int = 0
    trials: int = 0

    @property
    def valid(self) -> int:
        """How many finished runs count, as far as their data were looked at."""
        return len(self.finished) - len(self.changed)

    @property
    def count(self) -> int:
        """How many runs are to do."""
        return sum(map(len, self.groups.values()))

    def add(self, number: int, recipe: Recipe, sharing: Sharing) -> None:
        """Put a run to what is to do."""
        self.groups.setdefault(sharing.of(recipe), array("I")).append(number)
        self.works[work_of(recipe)] += 1

    def resume(self, numbers: Collection[int]) -> None:
        """Put finished runs back to what is to do."""
        gone, sharing = {*numbers}, Sharing()
        self.finished = array("I", [each for each in self.finished if each not in gone])
        with remembering():
            for number in numbers:
                self.add(number, recipes.resolve(self.grid.raw(number)), sharing)

    def leaders(self) -> Iterator[int]:
        """Yield the first run of each group."""
        yield from (numbers[0] for numbers in self.groups.values())

    def lots(self) -> Iterator[Sequence[Together]]:
        """Yield what is prepared, in lots: nothing is made in two places of one lot.

        What has fewer upstreams comes first, so that those of a fusion are there if others ask for
        them, too.
        """
        after: dict[tuple[str, ...], int] = {}
        lots: dict[int, list[Together]] = defaultdict(list)
        for together in sorted(self.groups, key=lambda each: len(each.upstreams)):
            keys = [made.key for made in together.made]
            place = max((after.get(key, 0) for key in keys), default=0)
            lots[place].append(together)
            after |= dict.fromkeys(keys, place + 1)
        yield from (lots[place] for place in sorted(lots))


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
    sharing, kept = Sharing(), kept_of_runs()
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
                made.add(number, recipe, sharing)
                if kept and (trials := kept[recipe.trained.digest()[:32]]):
                    made.begun, made.trials = made.begun + 1, made.trials + trials
            seen.add(digest)
    if wrong:
        raise impossible(grid, wrong)
    return made


def _shelf(results: Path, recipe: Recipe, shelves: dict[int, set[int]]) -> set[int]:
    """Return the digests of the results that are there of a benchmark, the first 16 digits."""
    part = recipe.benchmark
    if (key := id(part)) not in shelves:
        name = recipes.make_benchmark(part).name
        files = (results / name).glob("*.json")
        shelves[key] = {int(path.stem[:16], 16) for path in files if len(path.stem) == 64}
    return shelves[key]


def impossible(grid: Grid, wrong: Mapping[str, array[int]]) -> SerbenchError:
    """Return the error for runs that cannot be made, by what is wrong with them."""
    lines = []
    for message, numbers in list(wrong.items())[:_SHOWN]:
        more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        lines.append(f"{grid.name(numbers[0])}{more}: {message}")
    if len(wrong) > _SHOWN:
        lines.append(f"and {len(wrong) - _SHOWN} other problems")
    bad = sum(map(len, wrong.values()))
    return SerbenchError(
        "\n".join(
            [f"{bad} of {counted(len(grid), 'run')} cannot be made; nothing was started:", *lines]
        )
    )
