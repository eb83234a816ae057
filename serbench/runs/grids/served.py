"""A task on a node of a cluster: it gets what it needs, works, and sends what others will need."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Queue
from threading import Thread
from typing import Any, NamedTuple

from serbench.digests import digest_json
from serbench.home import home
from serbench.locks import locked
from serbench.progress import Progress
from serbench.runs.grids.carrying import files, unpack
from serbench.runs.grids.cells import SENT, Cell
from serbench.runs.grids.nodes import settle
from serbench.runs.workers import sentence, told

_NOTES = 1.0  # seconds between what is shown of a task
_HELD = 2  # messages that wait to be sent: a file may be large
# What is wrong with a machine, not with a task.
_UNFIT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE}


class Given(NamedTuple):
    """What a task gets.

    Attributes:
        environment: variables that hold where the node says nothing else.
        mark: a file in the driver's `SERBENCH_HOME`.
        needs: by paths in there, what the task needs: files with references to their contents.
    """

    environment: Mapping[str, str]
    mark: str
    needs: Sequence[tuple[str, Sequence[tuple[str, Any]]]]


def served(work: Callable[[Progress], Cell], given: Given) -> Iterator[tuple[str, Any]]:
    """Do a task, and yield what it says, the files it made, and how it ended.

    Yields:
        "tell" or "note" with a text; "file" with a path and a content; at last "done" with a value,
        "failed" with a sentence, or "unfit" with the node and what is wrong with it.
    """
    settle(given.environment)
    said: Queue[tuple[str, Any]] = Queue(_HELD)
    Thread(target=_work, args=(work, given, said), daemon=True).start()
    while True:
        kind, value = said.get()
        yield kind, value
        if kind in ("done", "failed", "unfit"):
            return


def _work(work: Callable[[Progress], Cell], given: Given, said: Queue[tuple[str, Any]]) -> None:
    try:
        apart = not (home() / given.mark).is_file()
        if apart:
            _fetch(given)
        cell = work(told(_seldom(said)))
        given_it = {path for path, pieces in given.needs if pieces}
        for path in cell.made:
            if (apart and path not in given_it) or path.startswith(f"{SENT}/"):
                _send(path, said)
        said.put(("done", cell))
    except BaseException as error:  # whatever it is, somebody waits for a word
        said.put(_failure(error))


def _fetch(given: Given) -> None:
    """Write what a task needs and this node does not have."""
    import ray

    for path, pieces in given.needs:
        lock = home() / "locks" / f"carried-{digest_json(path)[:16]}.lock"
        with locked(lock, lambda text: None, "fetches this"):
            if pieces and not (home() / path).exists():
                unpack(home(), path, ((name, ray.get(content)) for name, content in pieces))


def _send(path: str, said: Queue[tuple[str, Any]]) -> None:
    for file in files(home(), path):
        said.put(("file", (file.relative_to(home()).as_posix(), file.read_bytes())))
    if path.startswith(f"{SENT}/"):
        shutil.rmtree(home() / path, ignore_errors=True)


def _seldom(said: Queue[tuple[str, Any]]) -> Callable[[str, Any], None]:
    """Return what passes on what a task says, but neither how far it is nor all of its notes."""
    last = 0.0

    def say(kind: str, value: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if kind == "tell" or (kind == "note" and now - last > _NOTES):
            last = now
            said.put((kind, value))

    return say


def _failure(error: BaseException) -> tuple[str, Any]:
    """Return what went wrong: with a task, or with the machine that it is on."""
    import ray

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _UNFIT:
            return "unfit", (ray.get_runtime_context().get_node_id(), sentence(error))
        cause = cause.__cause__
    return "failed", sentence(error)
