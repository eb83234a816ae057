"""The engine of one machine: warm processes, one thread each for what is small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from serbench.devices import cores, gpus
from serbench.runs.grids.sweep import Size
from serbench.runs.workers import Done, Heard, Pool, Task


class Local(AbstractContextManager["Local"]):
    """Does tasks in processes of this machine, which a cell that dies does not end.

    Args:
        jobs: small runs at once; None: as many as there are cores, or GPUs.
        device: torch device.
    """

    def __init__(self, jobs: int | None, device: str) -> None:
        self._gpus = gpus(device)
        usual = len(self._gpus) or (cores() if device == "cpu" else 1)
        self.jobs = jobs or usual
        self._pool = Pool(self._gpus)

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
        self, tasks: Iterator[Task], size: Size, hear: Callable[[Heard], None]
    ) -> Iterator[Done]:
        """Yield how each task ended; what wants all cores is done one after the other."""
        alone = min(self.jobs, max(1, len(self._gpus)))
        yield from self._pool.each(tasks, self.jobs if size == "small" else alone, hear)
