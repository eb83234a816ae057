"""Progress on a terminal: a bar, what is happening, the time left. Elsewhere, a few lines."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from rich.console import Console, Group
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

if TYPE_CHECKING:
    from rich.console import RenderableType

    from serbench.leaderboard.store import Entry
    from serbench.runs.result import Outcome

# Takes what room there is, so that it is the note that is cut on a narrow terminal.
_LAST = Column(ratio=1, no_wrap=True, overflow="ellipsis")

# Seconds between the lines of a piece of work where nobody watches a bar.
_QUIET = 20.0

# Seconds in which resumed work counts what was finished before, which tells nothing of its speed.
_COUNTING = 1.0


class _Trimmed:
    """Standard output without the blanks with which tables fill their lines."""

    def __init__(self) -> None:
        self._file = sys.stdout

    def write(self, text: str) -> int:
        """Write whole lines, as rich does."""
        return self._file.write(re.sub(r" +(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def printer() -> Console:
    """Return what prints tables: nothing in them is markup, and no line ends in blanks."""
    return Console(file=cast(IO[str], _Trimmed()), highlight=False, markup=False)


def show(outcome: Outcome) -> None:
    """Print a result, and where it lies."""
    from serbench.leaderboard.render import render_run

    console = printer()
    console.print()
    console.print(render_run(outcome.result, outcome.scores))
    if (before := _before(outcome)) is not None:
        console.print(_correction(outcome, before))
    console.print(f"result: {outcome.path}", soft_wrap=True)


def _before(outcome: Outcome) -> Entry | None:
    """Return the result that one was made of by post-processing, if it lies beside it."""
    from serbench.errors import SerbenchError
    from serbench.runs import derived

    try:
        return derived.before(outcome.result, outcome.path)
    except SerbenchError as error:
        Terminal().tell(f"serbench: scores before post-processing are not shown: {error}")
        return None


def _correction(outcome: Outcome, before: Entry) -> RenderableType:
    from serbench.leaderboard import store
    from serbench.leaderboard.correcting import correction
    from serbench.leaderboard.render_comparison import render_correction

    found = correction(store.load_result(outcome.path), before)
    return Group(render_correction(found), "")


class Terminal:
    """Draws progress on stderr, so that stdout holds only what was asked for."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[_Bar | _Lines]:
        """Open a piece of work: a live bar on a terminal, a line now and then elsewhere."""
        if not self.console.is_terminal:
            yield _Lines(title, total, self.tell)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=8, table_column=Column(min_width=8)),
            TaskProgressColumn(table_column=Column(min_width=4, no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(min_width=5, no_wrap=True)),
            TextColumn("{task.fields[note]}", style="dim", markup=False, table_column=_LAST),
        )
        with Progress(*columns, console=self.console, transient=True, expand=True) as progress:
            yield _Bar(progress, progress.add_task(title, total=total, note=""))

    def tell(self, text: str) -> None:
        """Print one line that stays."""
        self.console.print(text, markup=False, soft_wrap=not self.console.is_terminal)


class _Bar:
    """A bar of rich."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: float = 1.0) -> None:
        """Say that `amount` of the total is done."""
        self._progress.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Say what is happening now."""
        self._progress.update(self._task, note=text)


class _Lines:
    """Lines for a log file: how far the work is, and how long it will take."""

    def __init__(self, title: str, total: float | None, tell: Callable[[str], None]) -> None:
        self._title = title
        self._total = total
        self._tell = tell
        self._done = self._found = 0.0
        self._note = ""
        self._start = self._told = time.monotonic()

    def advance(self, amount: float = 1.0) -> None:
        """Say that `amount` of the total is done."""
        self._done += amount
        now = time.monotonic()
        if now - self._start < _COUNTING:
            self._found = self._done
        elif now - self._told >= _QUIET and self._total and self._done > self._found:
            self._told = now
            share = min(1.0, self._done / self._total)
            speed = (self._done - self._found) / (now - self._start)
            left = max(0.0, self._total - self._done) / speed
            clock = f"{int(left // 60)}:{int(left % 60):02d}"
            self._tell(f"{self._title}: {share:.0%}, about {clock} left  {self._note}".rstrip())

    def note(self, text: str) -> None:
        """Say what is happening now."""
        self._note = text
