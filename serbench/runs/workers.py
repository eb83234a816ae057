"""Processes that work for this one: each takes the next task, and one that is killed is replaced.

Several tasks at once, each in a warm process of its own, so that torch is imported once a process.
A process that dies (out of memory, a signal) costs its task another try and nobody else anything.
What tasks make they keep on disk themselves, so that nothing is lost with a process or with this.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from multiprocessing import connection, get_context, parent_process, resource_tracker
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.errors import SerbenchError, brief, no_memory
from serbench.plugins.blame import log
from serbench.progress import Progress, Step, Within

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_TRIES = 3  # of a task whose process dies, that get no further
# Seconds that a process takes to begin, on a busy machine: it imports torch.
_START = 10.0


class Task(NamedTuple):
    """What one process does.

    Attributes:
        name: how messages call it, such as "fold 3, seed 0".
        work: can be pickled; is called with where to show the work, and gives what can be pickled.
        needs: what it finds in `SERBENCH_HOME` that other tasks made, by paths in there.
    """

    name: str
    work: Callable[[Progress], Any]
    needs: tuple[str, ...] = ()


class Done(NamedTuple):
    """How a task ended: with a value, or with an error in one sentence."""

    task: Task
    value: Any = None
    error: str | None = None


class Processes(NamedTuple):
    """Over how many processes tasks go.

    Attributes:
        most: 1 is here, in none but this one.
        gpus: of these, each process sees one, in turn; none: whatever this one sees.
        if_faster: some tasks are done here, and tell whether the others are worth processes.
    """

    most: int
    gpus: Sequence[str] = ()
    if_faster: bool = False


class Heard(NamedTuple):
    """What a task says while it works: "advance" with a number, "note" or "tell" with a text."""

    task: Task
    kind: str
    value: Any


def spread(
    tasks: Sequence[Task], processes: Processes, step: Step, progress: Progress
) -> Iterator[Task]:
    """Do tasks, here or over processes, and yield each that is done.

    Args:
        tasks: in their order.
        processes: over how many.
        step: what they advance.
        progress: where else they are shown.

    Raises:
        SerbenchError: one ended with an error; the others that are under way are stopped.
    """
    count, gpus, if_faster = processes
    waiting, here = deque(tasks), Within(progress.tell, step)
    while waiting and (count == 1 or if_faster):
        start, task = time.monotonic(), waiting.popleft()
        task.work(here)
        yield task
        saved = (time.monotonic() - start) * len(waiting) * (1 - 1 / count)
        if_faster = if_faster and saved < _START

    shown: dict[str, Callable[[Any], None]]
    shown = {"advance": step.advance, "note": step.note, "tell": progress.tell}

    def hear(heard: Heard) -> None:
        shown[heard.kind](heard.value)

    with closing(over_processes(waiting, count, hear, gpus)) as ended:
        for done in ended:
            raised(done)
            yield done.task


def over_processes(
    tasks: Iterable[Task],
    count: int,
    hear: Callable[[Heard], None] = lambda heard: None,
    gpus: Sequence[str] = (),
) -> Generator[Done]:
    """Yield how each task ended, as they end, by processes that are there for these tasks alone.

    Args:
        tasks: are taken in their order, one when a process is free.
        count: of processes, at most.
        hear: is told what tasks say while they work.
        gpus: as those of `Processes`.
    """
    with closing(Pool(gpus)) as pool:
        yield from pool.each(tasks, count, hear)


class Pool:
    """Processes that stay warm from one lot of tasks to the next.

    Args:
        gpus: as those of `Processes`.
        short: what to do where memory is short; empty: what helps on this machine.
    """

    def __init__(self, gpus: Sequence[str] = (), short: str = "") -> None:
        self._places, self._short = gpus or (None,), short
        self._workers: list[_Worker] = []

    def each(
        self, tasks: Iterable[Task], most: int, hear: Callable[[Heard], None]
    ) -> Iterator[Done]:
        """Yield how each task ended, as they end; no more of them at once than `most`."""
        coming = iter(tasks)
        short = self._short or ("give fewer --jobs" if most > 1 else "take a machine with more")
        while True:
            for worker in self._free(most):
                if (task := next(coming, None)) is None:
                    break
                worker.give(task)
            busy = [worker for worker in self._workers if worker.task]
            ready = connection.wait([worker.pipe for worker in busy]) if busy else []
            for worker in busy:
                if worker.pipe in ready and (done := worker.answer(hear, short)):
                    yield done
            if not busy:
                return

    def _free(self, most: int) -> Iterator[_Worker]:
        """Yield processes that have no task: those that are there, then new ones."""
        yield from [worker for worker in self._workers[:most] if worker.task is None]
        while len(self._workers) < most:
            worker = _Worker(self._places[len(self._workers) % len(self._places)])
            self._workers.append(worker)
            yield worker

    def close(self) -> None:
        """End the processes, whatever they do."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()


def raised(done: Done) -> Any:
    """Return the value of a task.

    Raises:
        SerbenchError: it ended with an error.
    """
    if done.error is not None:
        raise SerbenchError(done.error)
    return done.value


class _Worker:
    """A process, from this side."""

    def __init__(self, gpu: str | None) -> None:
        self.gpu = gpu
        self.task: Task | None = None
        self.tries = 0
        self._told = 0  # lines of this try
        self._furthest: int | None = None  # lines of the try that got furthest, of those before
        self._begun = False

    def begin(self) -> None:
        _start_tracker()
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        # not a daemon, which might have no processes of its own
        self.process = context.Process(target=_serve, args=(other, self.gpu), name="serbench")
        self.process.start()
        self._begun = True
        other.close()

    def end(self) -> None:
        if self._begun:
            self._begun = False
            self.process.kill()
            self.process.join()
            self.process.close()
            self.pipe.close()

    def give(self, task: Task, tries: int = 1, furthest: int | None = None) -> None:
        if not self._begun:
            self.begin()
        self.task, self.tries, self._told, self._furthest = task, tries, 0, furthest
        with suppress(OSError):  # one that is dead is found so by who waits for it
            self.pipe.send_bytes(pickle.dumps(task.work))

    def answer(self, hear: Callable[[Heard], None], short: str) -> Done | None:
        """Return how the task ended; None: it is still at work, or begins once more.

        Args:
            hear: is told what it says.
            short: what to do where memory is short.
        """
        assert self.task is not None
        try:
            kind, value = pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return self._died(short)
        if kind not in ("done", "failed"):
            self._told += kind == "tell"
            hear(Heard(self.task, kind, value))
            return None
        task, self.task = self.task, None
        return Done(task, value) if kind == "done" else Done(task, error=value)

    def _died(self, short: str) -> Done | None:
        """Put a new process in the place of one that is no more, and let it try the same task."""
        assert self.task is not None
        self.process.join()
        code, task, self.task = self.process.exitcode or 0, self.task, None
        self.end()
        before, told = self._furthest, self._told
        further = before is not None and told > before  # what it finished is kept: it told of more
        if further or self.tries < _TRIES:
            furthest = told if before is None else max(told, before)
            self.give(task, self.tries + (not further), furthest)
            return None
        error = f"{task.name}: its process was ended {_TRIES} times and got no further, at last "
        return Done(task, error=error + _ending(code, short))


def _ending(code: int, short: str) -> str:
    """Return how a process ended, by the code of which those below zero are signals.

    Who lacks memory is killed, which other signals do not tell of.
    """
    if code >= 0:
        return f"with code {code}"
    told = f"by signal {-code}, {signal.Signals(-code).name}"
    return told + f"; if memory is short, {short}" * (-code == signal.SIGKILL)


def _start_tracker() -> None:
    """Start the process that clears up semaphores, which would warn of those of whom we kill."""
    silent = "ignore:resource_tracker"
    sys.warnoptions.append(silent)  # they reach its command line
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(silent)


def _serve(pipe: Connection, gpu: str | None) -> None:
    """Do what comes through a pipe, until it is closed; the other side decides about Ctrl-C."""

    def say(kind: str, value: Any) -> None:
        said = pickle.dumps((kind, value))
        try:
            pipe.send_bytes(said)
        except OSError:  # nobody hears it any more
            os._exit(1)

    os.dup2(2, 1)  # what plugins print is none of what a command was asked for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    while True:
        try:
            work = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        say(*_outcome(work, told(say)))


def _end_with_parent() -> None:
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)


def _outcome(work: bytes, progress: Progress) -> tuple[str, Any]:
    """Return what a task gives, or what went wrong in one sentence."""
    try:
        return "done", pickle.loads(work)(progress)
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # Ctrl-C does not come here
        return "failed", sentence(error)


def sentence(error: BaseException) -> str:
    """Return an error in one sentence; if nobody foresaw it, its traceback goes into a file."""
    if isinstance(error, SerbenchError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"'{error.filename}': " if error.filename else ""
        return f"{where}{error.strerror}; what is finished is kept, the same command goes on"
    if full := no_memory(error):
        return full
    place = log("worker", error)
    return brief(error) + (f"; traceback: {place}" if place else "")


def told(say: Callable[[str, Any], None]) -> Progress:
    """Return what shows work to whoever is told of it; the other side knows in which step it is.

    Args:
        say: is called with the kind of a `Heard` and its value.
    """
    return Within(partial(say, "tell"), _ToldStep(say))


class _ToldStep:
    def __init__(self, say: Callable[[str, Any], None]) -> None:
        self._say = say

    def advance(self, amount: float = 1.0) -> None:
        """Say that `amount` of the total is done."""
        self._say("advance", amount)

    def note(self, text: str) -> None:
        """Say what is happening now."""
        self._say("note", text)
