"""Locks between processes: who comes later waits and is told so; who is killed holds up nobody."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from serbench.durable import unwritable
from serbench.errors import SerbenchError


@contextmanager
def locked(path: Path, tell: Callable[[str], object], what: str) -> Iterator[None]:
    """Hold a lock of the file system, which ends with the process.

    Where a file system only claims to lock (some network mounts), two processes may do the same
    work at once; they end with the same numbers.

    Args:
        path: of the lock's own file; its folder is made if need be.
        tell: shows a line, if another process has it.
        what: the other then does, such as "runs this recipe".

    Raises:
        SerbenchError: the file cannot be written, or the file system has no locks.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            tell(f"another process {what}; waiting for it")
            lock.acquire()
    except NotImplementedError as error:
        msg = f"'{path}' cannot be locked: its file system has no locks; set SERBENCH_HOME to a "
        raise SerbenchError(msg + "folder of this machine") from error
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody else does, and say whether that is so."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except (Timeout, NotImplementedError, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def honest(folder: Path) -> bool:
    """Whether the file system of a folder refuses a lock that somebody has, tried with two handles.

    Some network mounts grant it to everybody, and then only one process at a time may work there.
    What they do to processes of other machines cannot be seen from one.

    Raises:
        SerbenchError: the folder cannot be written to.
    """
    path = folder / f".try.{os.getpid()}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with if_free(path) as first, if_free(path) as second:
            return not (first and second)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        with suppress(OSError):
            path.unlink()
