"""A sweep: what runs share is made first, each once; then the runs, whoever dies among them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from serbench.digests import digest_json
from serbench.home import home
from serbench.runs import recipe as recipes
from serbench.runs.grids import cells
from serbench.runs.grids.noted import note, noted
from serbench.runs.remembering import remembering
from serbench.runs.workers import Done, Heard, Task

if TYPE_CHECKING:
    from serbench.progress import Progress, Step
    from serbench.runs.grids.cells import Where
    from serbench.runs.grids.plan import Plan
    from serbench.runs.grids.shared import Together

Size = Literal["shared", "small", "large"]
"""Of tasks: what runs share (all cores), small runs (a core each), and large ones (all cores)."""

_Run = Literal["small", "large"]

# How lines begin that are told of a task that went well, too.
_WARNINGS = ("warning: ", "damaged and made anew: ")


class Engine(Protocol):
    """Where tasks are done.

    Attributes:
        jobs: small tasks at once.
        where: the data and the results, as the engine needs them.
        apart: on other machines, too, so that the trials of a run are tasks of their own where runs
            are few or large.
    """

    where: Where
    apart: bool

    @property
    def jobs(self) -> int:
        """How many."""

    def each(
        self, tasks: Iterator[Task], count: int, size: Size, hear: Callable[[Heard], None]
    ) -> Iterator[Done]:
        """Yield how each task ended, as they end; `count` is how many there are."""


class Failed(NamedTuple):
    """A run that has no result: its name, why, and the file that tells more."""

    name: str
    reason: str
    log: Path | None


@dataclass
class Report:
    """What became of a sweep.

    Attributes:
        done: how many runs it did.
        skipped: how many were finished before.
        doubled: how many are another one once more.
        failed: those that have no result.
        warnings: what others told, and how often.
    """

    done: int = 0
    skipped: int = 0
    doubled: int = 0
    failed: list[Failed] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)


def sweep(plan: Plan, engine: Engine, progress: Progress) -> Report:
    """Do what is to be done of a grid.

    Interrupted, the same sweep goes on: what is finished, down to trials and shards, is kept.

    Args:
        plan: what is to be done.
        engine: does it.
        progress: where it is shown.
    """
    return _Sweep(plan, engine, progress).all()


class _Group(NamedTuple):
    """Runs that share what is prepared.

    numbers: of the runs.
    folds: how many each has.
    made: what was prepared, by paths in `SERBENCH_HOME`.
    """

    numbers: Sequence[int]
    folds: int
    made: tuple[str, ...]


_There = defaultdict[tuple[str, ...], tuple[str, ...]]
"""Paths in `SERBENCH_HOME` of what was made, by the key of a `Made`."""

_Work = Iterable[tuple[int, Task]]
"""Tasks, each with the number of the run that it is of."""


class _Sweep:
    def __init__(self, plan: Plan, engine: Engine, progress: Progress) -> None:
        self.plan, self.engine, self.progress = plan, engine, progress
        self.where = engine.where
        self.report = Report(skipped=plan.valid, doubled=plan.doubled)
        self.said: dict[str, list[str]] = defaultdict(list)
        which = digest_json([str(plan.grid), *map(str, self.where[:3])])
        self.logs = home() / "logs" / "sweeps" / which[:12]

    def all(self) -> Report:
        for number, reason in self.plan.changed.items():
            self.report.failed.append(Failed(self._name(number), reason, None))
        groups = self._prepared()
        runs = {number: group for group in groups for number in group.numbers}
        with self.progress.step("run", len(runs)) as step:
            large = self._done(runs, "small", step)
            self._done(large, "large", step)
        return self.report

    def _prepared(self) -> list[_Group]:
        """Make what runs share, and return the groups of runs for which that went well."""
        ready: list[_Group] = []
        there: _There = defaultdict(tuple)
        with self.progress.step("prepare", len(self.plan.groups)) as step:
            for lot in self.plan.lots():
                ready += self._made(lot, there, step)
        return ready

    def _made(self, lot: Sequence[Together], there: _There, step: Step) -> Iterator[_Group]:
        """Make what runs share, of which nothing is made twice, and yield what went well.

        Args:
            lot: what is prepared.
            there: what was made before, by what it is; grows.
            step: advances by one for each of the lot.
        """
        waiting = {together: [*self.plan.groups[together]] for together in lot}
        reasons: defaultdict[Together, set[str]] = defaultdict(set)
        while waiting:
            first = {numbers[0]: together for together, numbers in waiting.items()}
            work = (
                (number, self._preparing(number, each, there)) for number, each in first.items()
            )
            again: dict[Together, list[int]] = {}
            for number, done in self._each(work, len(first), "shared", step):
                together, cell = first[number], done.value
                if done.error is not None:
                    again[together] = self._others(waiting[together], done, reasons[together])
                    continue
                step.advance()
                for made in together.made:
                    there[made.key] += made.among(cell.made)
                    note(made, there[made.key])
                yield _Group(waiting[together], cell.folds, cell.made)
            waiting = {together: numbers for together, numbers in again.items() if numbers}
            step.advance(len(again) - len(waiting))

    def _others(self, numbers: Sequence[int], done: Done, reasons: set[str]) -> list[int]:
        """Return the runs for which one of them prepares once more, and fail the others.

        Whether it was the head of the run that prepared for all, or what they share, nobody knows:
        those with other heads are tried once more, until a second head ends in the same words.

        Args:
            numbers: of the runs; the first prepared for all of them.
            done: how that ended.
            reasons: how it ended before; grows.
        """
        reason = str(done.error).replace(done.task.name, "")
        others: list[int] = []
        if reason not in reasons:
            with remembering():
                head = self._head(numbers[0])
                others = [each for each in numbers[1:] if self._head(each) != head]
        reasons.add(reason)
        for number in sorted({*numbers} - {*others}):
            self._failed(number, done)
        return others

    def _head(self, number: int) -> object:
        return recipes.resolve(self._raw(number)).downstream

    def _preparing(self, first: int, together: Together, there: _There) -> Task:
        needs = dict.fromkeys(
            path for made in together.made for path in there[made.key] or noted(made)
        )
        work = partial(cells.prepare, self._raw(first), self.where)
        return Task(self._name(first), work, tuple(needs))

    def _done(self, runs: Mapping[int, _Group], size: _Run, step: Step) -> dict[int, _Group]:
        """Do runs, and return those that are not done as they are large."""
        made = {number: group.made for number, group in runs.items()}
        large = self._trained(runs, made, size, step) if self._in_trials(runs, size) else {}
        todo = [number for number in made if number not in large]
        work = ((number, self._run(number, made[number], len(todo), size)) for number in todo)
        for number, done in self._each(work, len(todo), size, step):
            if done.error is None and not done.value.done:
                large[number] = runs[number]
                continue
            step.advance()
            if done.error is None:
                self.report.done += 1
            else:
                self._failed(number, done)
        return large

    def _in_trials(self, runs: Mapping[int, _Group], size: _Run) -> bool:
        return self.engine.apart and (size == "large" or len(runs) < self.engine.jobs)

    def _trained(
        self, runs: Mapping[int, _Group], made: dict[int, tuple[str, ...]], size: _Run, step: Step
    ) -> dict[int, _Group]:
        """Do the trials of runs, each a task of its own, and return the runs that are large.

        Args:
            runs: by their numbers.
            made: what is there for each run; grows by its trials, and loses those that failed.
            size: of the tasks.
            step: is told of runs that failed.
        """
        large: dict[int, _Group] = {}
        keys = {number: self._trials(number, group) for number, group in runs.items()}
        work = (
            (number, self._trial(number, key, made[number], size))
            for number in runs
            for key in keys[number]
        )
        for number, done in self._each(work, sum(map(len, keys.values())), size, step):
            if number not in made:
                continue
            if done.error is not None:
                del made[number]
                self._failed(number, done)
                step.advance()
            elif done.value.done:
                made[number] += done.value.made
            else:
                large[number] = runs[number]
        return large

    def _trials(self, number: int, group: _Group) -> list[tuple[int, int]]:
        """Return the fold and the seed of each trial of a run."""
        return [*product(range(group.folds), recipes.resolve(self._raw(number)).seeds)]

    def _trial(self, number: int, key: tuple[int, int], needs: tuple[str, ...], size: _Run) -> Task:
        name = f"{self._name(number)}, fold {key[0] + 1}, seed {key[1]}"
        work = partial(cells.trial, self._raw(number), self.where, key, self._only_small(size))
        return Task(name, work, needs)

    def _run(self, number: int, needs: tuple[str, ...], count: int, size: _Run) -> Task:
        """Return a run as a task; if there are few of them, each may have several processes."""
        few = size == "small" and not self.engine.apart
        jobs = max(1, self.engine.jobs // count) if few else 1
        work = partial(cells.run, self._raw(number), self.where, jobs, self._only_small(size))
        return Task(self._name(number), work, needs)

    def _only_small(self, size: _Run) -> bool:
        return size == "small" and self.engine.jobs > 1

    def _raw(self, number: int) -> dict[str, Any]:
        return self.plan.grid.raw(number)

    def _name(self, number: int) -> str:
        return self.plan.grid.name(number)

    def _each(self, work: _Work, count: int, size: Size, step: Step) -> Iterator[tuple[int, Done]]:
        """Yield the number of a run and how a task of it ended, as they end."""
        numbers: dict[str, int] = {}

        def tasks() -> Iterator[Task]:
            for number, task in work:
                numbers[task.name] = number
                yield task

        for done in self.engine.each(tasks(), count, size, self._hear(step)):
            yield numbers.pop(done.task.name), done
            said = self.said.pop(done.task.name, [])
            if done.error is None and done.value.done:  # else it is in the log, or told once more
                self.report.warnings.update(line for line in said if line.startswith(_WARNINGS))

    def _hear(self, step: Step) -> Callable[[Heard], None]:
        def hear(heard: Heard) -> None:
            if heard.kind == "tell":
                self.said[heard.task.name].append(heard.value)
            elif heard.kind == "note":
                step.note(f"{heard.task.name}: {heard.value}")

        return hear

    def _failed(self, number: int, done: Done) -> None:
        """Keep what a run said before it failed, and say that it did."""
        path: Path | None = self.logs / f"row-{number}.log"
        name, task = self._name(number), done.task.name
        of = task if task.startswith(name) else f"{name}, prepared together with {task}"
        text = "\n".join([of, *self.said[task], f"error: {done.error}", ""])
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            (self.logs / f"row-{number}.log").write_text(text, encoding="utf-8")
        except OSError:
            path = None
        reason = str(done.error)
        for named in (f"{name}: ", f"{name}, ", f"{task}: "):
            reason = reason.removeprefix(named)
        self.report.failed.append(Failed(name, reason, path))
        with suppress(IndexError):
            self.progress.tell(f"{name} failed: {reason.splitlines()[0]}")
