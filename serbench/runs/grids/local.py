"""The engine of one machine: warm processes, one thread each for what is small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from serbench.devices import cores, gpus
from serbench.runs.grids.sweep import Size
from serbench.runs.workers import Done, Heard, Pool, Task

if TYPE_CHECKING:
    from serbench.runs.grids.cells import Where


class Local(AbstractContextManager["Local"]):
    """Does tasks in processes of this machine, which a cell that dies does not end.

    Args:
        where: the data and the results.
        jobs: small runs at once; None: as many as there are cores, or GPUs.
        short: as that of `Pool`.
    """

    apart = False

    def __init__(self, where: Where, jobs: int | None = None, short: str = "") -> None:
        self.where = where
        self._gpus = gpus(where.device)
        usual = len(self._gpus) or (cores() if where.device == "cpu" else 1)
        self.jobs = jobs or usual
        self._pool = Pool(self._gpus, short)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._pool.close()

    def each(
        self, tasks: Iterator[Task], count: int, size: Size, hear: Callable[[Heard], None]
    ) -> Iterator[Done]:
        """Yield how each task ended; what wants all cores is done one after the other."""
        alone = min(self.jobs, max(1, len(self._gpus)))
        yield from self._pool.each(tasks, self.jobs if size == "small" else alone, hear)
