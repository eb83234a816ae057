"""How long work tells what it is doing; the command line draws it, the library is silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Step(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float = 1.0) -> None:
        """Say that `amount` of the total is done."""

    def note(self, text: str) -> None:
        """Say what is happening now, in a few words."""


class Progress(Protocol):
    """Where work is shown."""

    def step(self, title: str, total: float | None) -> AbstractContextManager[Step]:
        """Open a piece of work as a context manager; `total` in whatever `advance` counts."""

    def tell(self, text: str) -> None:
        """Print one line that stays."""


def each(progress: Progress, title: str, items: Sequence[T]) -> Iterator[T]:
    """Yield what is worked on one by one, and show how many are done.

    Args:
        progress: where the work is shown.
        title: of the work.
        items: all there are.
    """
    with progress.step(title, len(items)) as step:
        for item in items:
            yield item
            step.advance()


class Named:
    """A step under way that says which part of it speaks."""

    def __init__(self, step: Step, name: str) -> None:
        self._step = step
        self._name = name
        self.advance = step.advance

    def note(self, text: str) -> None:
        """Say what is happening now."""
        self._step.note(f"{self._name}: {text}")


class Within:
    """Shows work in a step that is open, whatever it calls its own.

    Args:
        tell: prints one line that stays.
        step: the one that is open.
    """

    def __init__(self, tell: Callable[[str], object], step: Step) -> None:
        self._tell = tell
        self._step = step

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Step]:
        """Open no other piece of work; one within this one counts something else, and is quiet."""
        shown, self._step = self._step, Quiet()
        try:
            yield shown
        finally:
            self._step = shown

    def tell(self, text: str) -> None:
        """Print one line that stays."""
        self._tell(text)


class Keeping:
    """Shows work elsewhere, and keeps the lines that were told.

    Attributes:
        told: these lines.
    """

    def __init__(self, progress: Progress) -> None:
        self.step = progress.step
        self.told: list[str] = []
        self._tell = progress.tell

    def tell(self, text: str) -> None:
        """Print one line that stays, and keep it."""
        self.told.append(text)
        self._tell(text)


class Quiet:
    """A piece of work that nobody watches."""

    def advance(self, amount: float = 1.0) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Step]:
        """Open a piece of work that nobody watches."""
        yield Quiet()

    def tell(self, text: str) -> None:
        """Say nothing."""


__all__ = ["Keeping", "Named", "Progress", "Quiet", "Silent", "Step", "Within", "each"]
