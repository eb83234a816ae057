"""The engine of a queue: jobs of SLURM, by submitit, each of which does some of the tasks.

`SERBENCH_HOME`, the results folder and the corpora are on storage that all machines share. A job is
the engine of one machine on another: it does as many small tasks at once as it has processors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from serbench.errors import SerbenchError, brief
from serbench.home import home
from serbench.runs.grids.local import Local
from serbench.runs.workers import Done, Heard, Task

if TYPE_CHECKING:
    from types import TracebackType

    from serbench.runs.grids.cells import Where
    from serbench.runs.grids.sweep import Size

_TRIES = 3  # of a job that ends before its tasks
_JOBS = 8
_MOST = 16  # small tasks of a job for each of its processors
_LOOK = 1.0  # seconds between looks at the jobs
_SHORT = "ask for more with --slurm mem_gb=GIB"
_USUAL = {"cpus_per_task": 4, "timeout_min": 240}


@dataclass(frozen=True)
class Batch:
    """What a job does.

    Attributes:
        tasks: in their order.
        size: of all of them.
        where: the data and the results.
    """

    tasks: Sequence[Task]
    size: Size
    where: Where

    def __call__(self) -> list[tuple[Done, list[Heard]]]:
        """Return how each task ended, and what it told."""
        heard: dict[str, list[Heard]] = {task.name: [] for task in self.tasks}

        def hear(each: Heard) -> None:
            if each.kind == "tell":
                heard[each.task.name].append(each._replace(task=Task(each.task.name, _nothing)))

        with Local(self.where, short=_SHORT) as engine:
            ended = [*engine.each(iter(self.tasks), len(self.tasks), self.size, hear)]
        return [
            (done._replace(task=Task(done.task.name, _nothing)), heard[done.task.name])
            for done in ended
        ]

    def checkpoint(self) -> Any:
        """Return what goes on where this was stopped by the queue: all, as what is done is kept."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def _nothing(progress: object) -> None:
    """Stand for the work of a task that was done."""


class _Job(NamedTuple):
    handle: Any
    batch: Batch
    tries: int


class OnSlurm(AbstractContextManager["OnSlurm"]):
    """Does tasks in jobs of SLURM.

    Args:
        where: the data and the results; each job gets a GPU if the device is one.
        jobs: at once; None: eight.
        asked: parameters of submitit: `cpus_per_task`, `timeout_min`, `mem_gb`; with `slurm_`
            before them those of `sbatch`.
        cluster: of submitit: "slurm", or "local" for processes of this machine.
    """

    apart = True

    def __init__(
        self,
        where: Where,
        jobs: int | None = None,
        asked: Mapping[str, Any] | None = None,
        cluster: str = "slurm",
    ) -> None:
        self.where, self._count = where, jobs or _JOBS
        gpu = {"gpus_per_node": 1} if where.device.startswith("cuda") else {}
        self._asked = _USUAL | gpu | dict(asked or {})
        self._cluster = cluster
        self._under_way: list[_Job] = []

    def __enter__(self) -> Self:
        """Find the queue.

        Raises:
            SerbenchError: there is none here, or it knows no such parameter.
        """
        try:
            import submitit
        except ImportError as error:
            msg = "submitit is not installed; pip install 'serbench[slurm]'"
            raise SerbenchError(msg) from error
        folder = home() / "logs" / "slurm" / "%j"
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=self._cluster)
            self._executor.update_parameters(name="serbench", **self._asked)
        except RuntimeError as error:
            msg = (
                f"no SLURM here ({brief(error)}); --engine slurm goes where `sbatch` is, --engine "
            )
            raise SerbenchError(f"{msg}local does without") from error
        except (NameError, AssertionError, TypeError, ValueError) as error:
            msg = f"--slurm cannot be used ({brief(error)}); give KEY=VALUE as submitit knows them"
            raise SerbenchError(msg) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Cancel what is under way."""
        for job in self._under_way:
            with suppress(Exception):  # one that has just ended
                job.handle.cancel()

    @property
    def jobs(self) -> int:
        """How many small tasks there may be at once."""
        return self._count * int(self._asked["cpus_per_task"])

    def each(
        self, tasks: Iterator[Task], count: int, size: Size, hear: Callable[[Heard], None]
    ) -> Iterator[Done]:
        """Yield how each task ended, when its job has ended."""
        most = _MOST * int(self._asked["cpus_per_task"]) if size == "small" else 1
        together = max(1, min(most, ceil(count / self._count)))
        while True:
            while len(self._under_way) < self._count and (some := [*islice(tasks, together)]):
                self._submit(Batch(some, size, self.where), 1)
            if not self._under_way:
                return
            ended = [job for job in self._under_way if job.handle.done()]
            for job in ended:
                self._under_way.remove(job)
                yield from self._outcomes(job, hear)
            if not ended:
                time.sleep(_LOOK)

    def _submit(self, batch: Batch, tries: int) -> None:
        try:
            handle = self._executor.submit(batch)
        except Exception as error:  # submitit's own, with what sbatch says
            msg = f"SLURM takes no job: {brief(error)}; see --slurm, and `sinfo` for partitions"
            raise SerbenchError(msg) from error
        self._under_way.append(_Job(handle, batch, tries))

    def _outcomes(self, job: _Job, hear: Callable[[Heard], None]) -> Iterator[Done]:
        """Yield how the tasks of a job ended, unless it died: then it is tried again."""
        known = {task.name: task for task in job.batch.tasks}
        try:
            outcomes = job.handle.result()
        except Exception as error:  # submitit's own, or what the job raised
            if job.tries < _TRIES:
                self._submit(job.batch, job.tries + 1)
                return
            reason = f"its job {job.handle.job_id} ended {_TRIES} times, at last: {brief(error)}"
            for task in known.values():
                yield Done(task, error=f"{task.name}: {reason}; log: {job.handle.paths.stderr}")
            return
        for done, heard in outcomes:
            for each in heard:
                hear(each._replace(task=known[done.task.name]))
            yield done._replace(task=known[done.task.name])
