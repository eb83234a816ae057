"""Processes that work for this one: each takes the next task, and one that is killed is replaced.

Several tasks at once, each in a warm process of its own, so that torch is imported once a process.
A process that dies (out of memory, a signal) costs its task another try and nobody else anything.
What tasks make they keep on disk themselves, so that nothing is lost with a process or with this.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.errors import SerbenchError, brief
from serbench.plugins.blame import log
from serbench.progress import Progress, Step, Within

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_TRIES = 3
# Seconds that a process takes to begin, on a busy machine: it imports torch.
_START = 10.0


class Task(NamedTuple):
    """What one process does.

    Attributes:
        name: how messages call it, such as "fold 3, seed 0".
        work: can be pickled; is called with where to show the work, and gives what can be pickled.
    """

    name: str
    work: Callable[[Progress], Any]


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
    waiting, here = deque(tasks), Within(progress, step)
    while waiting and (count == 1 or if_faster):
        start, task = time.monotonic(), waiting.popleft()
        task.work(here)
        yield task
        saved = (time.monotonic() - start) * len(waiting) * (1 - 1 / count)
        if_faster = if_faster and saved < _START

    shown: dict[str, Callable[[Any], None]]
    shown = {"advance": step.advance, "note": step.note, "tell": progress.tell}

    for done in over_processes(waiting, count, lambda said: shown[said.kind](said.value), gpus):
        raised(done)
        yield done.task


def over_processes(
    tasks: Iterable[Task],
    count: int,
    hear: Callable[[Heard], None] = lambda heard: None,
    gpus: Sequence[str] = (),
) -> Iterator[Done]:
    """Yield how each task ended, as they end; processes that are left over are stopped.

    Args:
        tasks: are taken in their order, one when a process is free.
        count: of processes, at most.
        hear: is told what tasks say while they work.
        gpus: as those of `Processes`.
    """
    waiting, places = deque(tasks), gpus or (None,)
    with ExitStack() as stack:
        workers = [
            stack.enter_context(_Worker(places[number % len(places)]))
            for number in range(min(count, len(waiting)))
        ]
        while waiting or any(worker.task for worker in workers):
            for worker in workers:
                if waiting and worker.task is None:
                    worker.give(waiting.popleft())
            for worker in _ready(workers):
                if done := worker.answer(hear):
                    yield done


def raised(done: Done) -> Any:
    """Return the value of a task.

    Raises:
        SerbenchError: it ended with an error.
    """
    if done.error is not None:
        raise SerbenchError(done.error)
    return done.value


def _ready(workers: Iterable[_Worker]) -> list[_Worker]:
    """Wait until a process says something or dies, and return those that did."""
    busy = {worker.pipe: worker for worker in workers if worker.task}
    return [busy[pipe] for pipe in connection.wait([*busy]) if pipe in busy]


class _Worker:
    """A process, from this side."""

    def __init__(self, gpu: str | None) -> None:
        self.gpu = gpu
        self.task: Task | None = None
        self.tries = 0

    def __enter__(self) -> _Worker:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        # not a daemon, which might have no processes of its own
        self.process = context.Process(target=_serve, args=(other, self.gpu), name="serbench")
        self.process.start()
        other.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()
        self.process.close()

    def give(self, task: Task, tries: int = 1) -> None:
        self.task, self.tries = task, tries
        with suppress(OSError):  # one that is dead is found so by who waits for it
            self.pipe.send_bytes(pickle.dumps(task.work))

    def answer(self, hear: Callable[[Heard], None]) -> Done | None:
        """Return how the task ended; None: it is still at work, or begins once more."""
        assert self.task is not None
        try:
            kind, value = pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return self._died()
        if kind not in ("done", "failed"):
            hear(Heard(self.task, kind, value))
            return None
        task, self.task = self.task, None
        return Done(task, value) if kind == "done" else Done(task, error=value)

    def _died(self) -> Done | None:
        """Put a new process in the place of one that is no more, and let it try the same task."""
        assert self.task is not None
        self.process.join()
        code, task, self.task = self.process.exitcode or 0, self.task, None
        self.__exit__()
        self.__enter__()
        if self.tries < _TRIES:
            self.give(task, self.tries + 1)
            return None
        how = (
            f"by signal {-code}, {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        )
        error = (
            f"{task.name}: its process was ended {_TRIES} times, at last {how}; if memory is "
            "short, give fewer --jobs"
        )
        return Done(task, error=error)


def _serve(pipe: Connection, gpu: str | None) -> None:
    """Do what comes through a pipe, until it is closed; the other side decides about Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    while True:
        try:
            work = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        pipe.send_bytes(pickle.dumps(_outcome(work, _Told(pipe))))


def _end_with_parent() -> None:
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)


def _outcome(work: bytes, progress: Progress) -> tuple[str, Any]:
    """Return what a task gives, or what went wrong in one sentence."""
    try:
        return "done", pickle.loads(work)(progress)
    except SerbenchError as error:
        return "failed", str(error)
    except Exception as error:
        return "failed", sentence(error)


def sentence(error: Exception) -> str:
    """Return an error that nobody foresaw in one sentence; its traceback goes into a file."""
    if isinstance(error, OSError) and error.strerror:
        where = f"'{error.filename}': " if error.filename else ""
        return f"{where}{error.strerror}; what is finished is kept, the same command goes on"
    place = log("worker", error)
    return brief(error) + (f"; traceback: {place}" if place else "")


class _Told:
    """Shows work to the process at the other end of a pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Step]:
        """Open a piece of work; the other side knows in which it is."""
        yield _ToldStep(self)

    def tell(self, text: str) -> None:
        """Print one line that stays."""
        self.say("tell", text)

    def say(self, kind: str, value: Any) -> None:
        """Send what is to be shown."""
        self._pipe.send_bytes(pickle.dumps((kind, value)))


class _ToldStep:
    def __init__(self, told: _Told) -> None:
        self._told = told

    def advance(self, amount: float = 1.0) -> None:
        """Say that `amount` of the total is done."""
        self._told.say("advance", amount)

    def note(self, text: str) -> None:
        """Say what is happening now."""
        self._told.say("note", text)
