"""Upstreams are prepared for several folds at once, where that gives the bits of one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serbench.devices import cores, gpus
from serbench.runs.workers import Processes, Task, spread

if TYPE_CHECKING:
    from serbench.progress import Step
    from serbench.runs.job import Job


def several(job: Job, name: str) -> Processes:
    """Return over how many processes a step of a run may go, fold by fold.

    Each has a GPU, or as many threads as the step has in one process, which decide how it rounds:
    so on a CPU there are several only where the cores are enough for all.

    Args:
        job: what is run, and over how many processes.
        name: of the step.
    """
    named = gpus(job.device)
    if named:
        return Processes(job.jobs or len(named), named)
    room = max(1, cores() // job.threads.get(name, cores())) if job.device == "cpu" else 1
    return Processes(min(job.jobs or room, room))


def at_once(job: Job, tasks: Sequence[Task], processes: Processes, step: Step) -> bool:
    """Do tasks that keep what they make where the caller will find it, if several go at once.

    Returns:
        Whether they are done.

    Raises:
        SerbenchError: one ended with an error.
    """
    if processes.most == 1 or len(tasks) == 1:
        return False
    for _ in spread(tasks, processes, step, job.progress):
        pass
    return True
