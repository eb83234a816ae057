"""A sweep: what runs share is made first, each once; then the runs, whoever dies among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from serbench.digests import digest_json
from serbench.home import home
from serbench.runs.grids import cells
from serbench.runs.workers import Done, Heard, Task

if TYPE_CHECKING:
    from serbench.progress import Progress, Step
    from serbench.runs.grids.cells import Where
    from serbench.runs.grids.plan import Plan

Size = Literal["shared", "small", "large"]
"""Of tasks: what runs share (all cores), small runs (a core each), and large ones (all cores)."""


class Engine(Protocol):
    """Where tasks are done."""

    jobs: int

    def each(
        self, tasks: Iterator[Task], size: Size, hear: Callable[[Heard], None]
    ) -> Iterator[Done]:
        """Yield how each task ended, as they end."""


class Failed(NamedTuple):
    """A run that has no result: its name, why, and the file that tells more."""

    name: str
    reason: str
    log: Path | None


@dataclass
class Report:
    """What became of a sweep: how many runs are done, were done before, and those that failed."""

    done: int = 0
    skipped: int = 0
    failed: list[Failed] = field(default_factory=list)


def sweep(plan: Plan, where: Where, engine: Engine, progress: Progress) -> Report:
    """Do what is to be done of a grid.

    Interrupted, the same sweep goes on: what is finished, down to trials and shards, is kept.

    Args:
        plan: what is to be done.
        where: the data and the results.
        engine: does it.
        progress: where it is shown.
    """
    return _Sweep(plan, where, engine, progress).all()


class _Sweep:
    def __init__(self, plan: Plan, where: Where, engine: Engine, progress: Progress) -> None:
        self.plan, self.where, self.engine, self.progress = plan, where, engine, progress
        self.report = Report(skipped=plan.finished + plan.doubled)
        self.said: dict[str, list[str]] = defaultdict(list)
        self.logs = home() / "logs" / "sweeps" / digest_json([*map(str, plan.groups)])[:12]

    def all(self) -> Report:
        ready = self._prepared()
        runs = [number for numbers in ready for number in numbers]
        with self.progress.step("run", len(runs)) as step:
            large = self._run(runs, "small", step)
            self._run(large, "large", step)
        return self.report

    def _prepared(self) -> list[Iterable[int]]:
        """Make what runs share, and return the groups of runs for which that went well."""
        groups = {self._name(numbers[0]): numbers for numbers in self.plan.groups.values()}
        ready: list[Iterable[int]] = []
        with self.progress.step("prepare", len(groups)) as step:
            tasks = (
                Task(name, partial(cells.prepare, self.plan.grid.raw(numbers[0]), self.where))
                for name, numbers in groups.items()
            )
            for done in self.engine.each(tasks, "shared", self._hear(step)):
                step.advance()
                if done.error is None:
                    ready.append(groups[done.task.name])
                for number in groups[done.task.name] if done.error else ():
                    self._failed(self._name(number), done)
                self.said.pop(done.task.name, None)
        return ready

    def _run(
        self, numbers: Iterable[int], size: Literal["small", "large"], step: Step
    ) -> list[int]:
        """Do runs, and return those that are not done as they are large."""
        known = {self._name(number): number for number in numbers}
        if not known:
            return []
        inner = max(1, self.engine.jobs // len(known)) if size == "small" else 1
        tasks = (Task(name, self._work(number, inner, size)) for name, number in known.items())
        large = []
        for done in self.engine.each(tasks, size, self._hear(step)):
            if done.error is None and done.value is False:
                large.append(known[done.task.name])
                continue
            step.advance()
            if done.error is None:
                self.report.done += 1
            else:
                self._failed(done.task.name, done)
            self.said.pop(done.task.name, None)
        return large

    def _work(self, number: int, inner: int, size: Size) -> Callable[[Progress], bool]:
        only_small = size == "small" and self.engine.jobs > 1
        return partial(cells.run, self.plan.grid.raw(number), self.where, inner, only_small)

    def _name(self, number: int) -> str:
        return self.plan.grid.name(number)

    def _hear(self, step: Step) -> Callable[[Heard], None]:
        def hear(heard: Heard) -> None:
            if heard.kind == "tell":
                self.said[heard.task.name].append(heard.value)
            elif heard.kind == "note":
                step.note(f"{heard.task.name}: {heard.value}")

        return hear

    def _failed(self, name: str, done: Done) -> None:
        """Keep what a run said before it failed, and say that it did."""
        path: Path | None = self.logs / f"{name.split(' (')[0].replace(' ', '-')}.log"
        text = "\n".join([name, *self.said[done.task.name], f"error: {done.error}", ""])
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            (self.logs / str(path)).write_text(text, encoding="utf-8")
        except OSError:
            path = None
        self.report.failed.append(Failed(name, str(done.error), path))
        with suppress(IndexError):
            self.progress.tell(f"{name} failed: {str(done.error).splitlines()[0]}")
