"""The engine of a Ray cluster: tasks go to its nodes, each with what it needs of the others' work.

Where a node has the `SERBENCH_HOME` and the results folder of the driver (shared storage), nothing
is carried. Else what a task made is streamed to the driver, which keeps it, and goes from there
through Ray's object store to whoever needs it: the driver has everything, whichever node dies.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from serbench.durable import writable
from serbench.errors import SerbenchError, brief
from serbench.home import home
from serbench.leaderboard import store
from serbench.remotes import publish
from serbench.runs.grids.carrying import files, write
from serbench.runs.grids.cells import SENT
from serbench.runs.grids.cluster import Cluster
from serbench.runs.grids.joining import connected
from serbench.runs.grids.served import Given, served
from serbench.runs.workers import Done, Heard, Task

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from serbench.runs.grids.cells import Where
    from serbench.runs.grids.nodes import Expected
    from serbench.runs.grids.sweep import Size

_TRIES = 5  # of a task whose process dies, that get no further; that a node dies does not count
_LOOK = 1.0  # seconds between looks at the nodes
_HELD = 16  # things in the object store, for the next task that needs them
_MARK = ".sweep-"
_FORGOTTEN = 86_400.0  # seconds after which a mark is that of a driver that was killed
_AHEAD = 2  # tasks for each place, so that none is free while the next is sent


@dataclass
class _Try:
    """A task that is under way.

    number: how many times its process died and it got no further, and 1.
    furthest: lines that the try told of that got furthest, of those before; None: there was none.
    told: lines of this try.
    sent: files of results whose records are still to come, by their paths in the results folder.
    """

    task: Task
    number: int = 1
    furthest: int | None = None
    told: int = 0
    sent: dict[str, bytes] = field(default_factory=dict)

    def again(self, *, lost: bool) -> _Try:
        """Return the next try, after one that was lost with its node or with its process."""
        further = self.furthest is not None and self.told > self.furthest
        furthest = max(self.told, self.furthest or 0)
        return _Try(self.task, self.number + (not lost and not further), furthest)


class OnRay(AbstractContextManager["OnRay"]):
    """Does tasks on the nodes of a Ray cluster.

    Args:
        address: "host:port" of its head, or "auto"; None: one that runs here, or a new one of this
            machine alone.
        where: the data and the results.
        expected: what nodes must have; others are left out.
        tell: shows a line.
        jobs: small tasks at once; None: as many as there are processors, or GPUs.
        memory: GiB that each task asks for; None: nothing is asked.
    """

    apart = True

    def __init__(
        self,
        address: str | None,
        where: Where,
        expected: Expected,
        tell: Callable[[str], object],
        jobs: int | None = None,
        memory: float | None = None,
    ) -> None:
        self._address, self._expected, self._tell = address, expected, tell
        self._memory, self._most = memory, jobs
        self.where = where._replace(mark=f"{_MARK}{uuid.uuid4().hex}")

    def __enter__(self) -> Self:
        """Connect, look at every node, and leave out those that are no use.

        Raises:
            SerbenchError: nobody answers, or no node is of use.
        """
        import ray

        with ExitStack() as stack:
            stack.enter_context(connected(self._address, self._tell))
            stack.enter_context(_marked(self.where))
            self._cluster = Cluster(
                self._expected,
                self.where.mark,
                self.where.device,
                self._memory,
                self._tell,
                self._most,
            )
            self._cluster.first_look()
            self._served = ray.remote(max_retries=0, num_returns="streaming")(served)
            self._parcels: dict[str, list[tuple[str, Any]]] = {}
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def jobs(self) -> int:
        """How many small tasks there may be at once."""
        return self._most or self._cluster.places("small")

    def each(
        self, tasks: Iterator[Task], count: int, size: Size, hear: Callable[[Heard], None]
    ) -> Iterator[Done]:
        """Yield how each task ended, as they end; of a size, each asks for the same of its node.

        Raises:
            SerbenchError: no node is left that has what a task asks for.
        """
        import ray

        under_way: dict[Any, _Try] = {}
        looked = time.monotonic()
        while True:
            for task in islice(tasks, max(0, self._room(size) - len(under_way))):
                self._send(_Try(task), size, under_way)
            if not under_way:
                return
            ready, _ = ray.wait([*under_way], timeout=_LOOK)
            for stream in ready:
                if done := self._answer(stream, size, under_way, hear):
                    yield done
            if time.monotonic() - looked > _LOOK:
                self._cluster.look(size)
                looked = time.monotonic()

    def _room(self, size: Size) -> int:
        """Return how many tasks may be under way."""
        if size == "small" and self._most:
            return self._most
        return _AHEAD * max(1, self._cluster.places(size))

    def _send(self, attempt: _Try, size: Size, under_way: dict[Any, _Try]) -> None:
        task = attempt.task
        needs = [(path, self._parcel(path)) for path in task.needs]
        given = Given(self._expected.environment, self.where.mark, needs)
        options = self._cluster.options(size)
        under_way[self._served.options(name=task.name, **options).remote(task.work, given)] = (
            attempt
        )

    def _answer(
        self, stream: Any, size: Size, under_way: dict[Any, _Try], hear: Callable[[Heard], None]
    ) -> Done | None:
        """Take what a task says next, and return how it ended if it did."""
        import ray

        attempt = under_way[stream]
        task = attempt.task
        try:
            kind, value = ray.get(next(stream))
        except (ray.exceptions.RayError, StopIteration) as error:
            del under_way[stream]
            if isinstance(error, ray.exceptions.RayTaskError):
                return Done(task, error=f"{task.name}: {brief(error.cause or error)}")
            following = attempt.again(lost=isinstance(error, ray.exceptions.NodeDiedError))
            if following.number > _TRIES:
                return Done(task, error=_ended(task, error))
            self._send(following, size, under_way)
            return None
        if kind in ("tell", "note"):
            attempt.told += kind == "tell"
            hear(Heard(task, kind, value))
        elif kind == "file":
            self._keep(attempt, *value)
        else:
            del under_way[stream]
            if kind == "done":
                return Done(task, value)
            if kind == "failed":
                return Done(task, error=value)
            self._cluster.leave_out(*value)
            self._send(attempt.again(lost=True), size, under_way)
        return None

    def _keep(self, attempt: _Try, name: str, content: bytes) -> None:
        """Write a file that a node sent; those of a result together, when its record is there."""
        if not name.startswith(f"{SENT}/"):
            write(home(), name, content)
            return
        _, _, name = name.split("/", 2)
        attempt.sent[name] = content
        if name.endswith(".json"):
            own = [each for each in attempt.sent if each.startswith(name.removesuffix("json"))]
            results = self.where.results
            self._put(results / name, {results / each: attempt.sent.pop(each) for each in own})

    def _put(self, record: Path, contents: Mapping[Path, bytes]) -> None:
        """Keep a result, and put it where its folder has its likeness, or say that it will be."""
        store.put(record, contents)
        try:
            publish(record)
        except SerbenchError as error:
            self._tell(f"warning: {error}")

    def _parcel(self, path: str) -> list[tuple[str, Any]]:
        """Return the files of what a task needs, as they are in the object store; not if all share.

        Only those of the last few are held there.
        """
        import ray

        if self._cluster.shared:
            return []
        if path not in self._parcels:
            while len(self._parcels) >= _HELD:
                self._parcels.pop(next(iter(self._parcels)))
            found = files(home(), path)
            self._parcels[path] = [
                (file.relative_to(home()).as_posix(), ray.put(file.read_bytes())) for file in found
            ]
        return self._parcels[path]


def _ended(task: Task, error: BaseException) -> str:
    first = brief(error).split(". ")[0]
    return (
        f"{task.name}: its process was ended {_TRIES} times and got no further, at last: {first}; "
        "if memory is short, ask for more with --memory"
    )


@contextmanager
def _marked(where: Where) -> Iterator[None]:
    """Leave a mark in the driver's folders, by which nodes know whether they are theirs, too.

    Raises:
        SerbenchError: one cannot be written to.
    """
    marks = [folder / where.mark for folder in (home(), where.results)]
    for mark in marks:
        writable(mark.parent)
        for old in mark.parent.glob(f"{_MARK}*"):  # of drivers that were killed
            if time.time() - old.stat().st_mtime > _FORGOTTEN:
                old.unlink(missing_ok=True)
        mark.touch()
    try:
        yield
    finally:
        for mark in marks:
            with suppress(OSError):
                mark.unlink()
