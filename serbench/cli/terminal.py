"""Progress on a terminal: a bar with what is happening and the time left; lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


class Terminal:
    """Draws progress on stderr, so that stdout holds only what was asked for."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[_Bar]:
        """Open a piece of work: a live bar on a terminal, one line at its start elsewhere."""
        if not self.console.is_terminal:
            self.tell(f"{title} ...")
        columns = (
            TextColumn("{task.description:<7}"),
            BarColumn(bar_width=16),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield _Bar(progress, progress.add_task(title, total=total, note=""))

    def tell(self, text: str) -> None:
        """Print one line that stays."""
        self.console.print(text, markup=False, soft_wrap=not self.console.is_terminal)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: float = 1.0) -> None:
        """Say that `amount` of the total is done."""
        self._progress.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Say what is happening now."""
        self._progress.update(self._task, note=text)
