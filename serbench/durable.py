"""Files that outlast a kill, a full disk and a power cut, and that tell if they were damaged since.

A file is written under a temporary name, flushed to disk and renamed. What is read again is checked
first: a file by `.NAME.sum` beside it, a folder of weights by its `SHA256SUMS`, which
`sha256sum -c` takes, too.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from serbench.errors import SerbenchError
from serbench.home import home

SUMS = "SHA256SUMS"
"""Lies in a folder that was sealed, and is its last file."""

_PIECE = 2**20  # bytes that are read at once
_VERSIONS = 8  # of a file, whose checksums are remembered
_LONGEST = 2**20  # bytes of a list of checksums
_LISTED = re.compile(r"[0-9a-f]{64} [ *].+")
# what readers raise of a file that they cannot make sense of; a lack of memory is none of it
_UNREAD = (
    *(ValueError, LookupError, TypeError, AttributeError),
    *(EOFError, NotImplementedError, RecursionError, SerbenchError),
)
_FORGOTTEN = 86_400.0  # seconds after which a temporary file of another machine is nobody's


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; afterwards the file is in its place, whole and on disk.

    Its folder is made if need be. What killed processes left of the same file is removed.

    Raises:
        SerbenchError: it cannot be written; what was there before still is.
    """
    name = f".{path.name}.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    temporary = path.with_name(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def same(path: Path, content: bytes) -> bool:
    """Whether a file is there, with this content."""
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


@contextmanager
def kept(path: Path) -> Iterator[Path]:
    """Do as `replacing`, and note the checksum of what is written, for `intact`."""
    with replacing(path) as temporary:
        yield temporary
        # noted before the file is there: a kill between the two leaves a file that has its sum
        sums = [_sum_of(temporary), *_noted(path)][:_VERSIONS]
        with replacing(_beside(path)) as fresh:
            fresh.write_text("\n".join(sums) + "\n")


def intact(path: Path) -> bool:
    """Whether a file is there and as `kept` wrote it; it is read once, and once again if changed.

    One without a noted checksum is of an earlier serbench, or lost it, and taken as it is.

    Raises:
        SerbenchError: it cannot be read.
    """
    try:
        return path.is_file() and (not _beside(path).exists() or _sum_of(path) in _noted(path))
    except OSError as error:
        raise unreadable(path, error) from error


def usable(
    path: Path, what: str, tell: Callable[[str], object], read: Callable[[Path], object]
) -> bool:
    """Whether a file is there and whole; a damaged one is told of and removed.

    Args:
        path: of a file that `kept` wrote.
        what: it is, in the singular, for the message.
        tell: shows a line.
        read: fails if the file is not what it should be; asked where its checksum is gone.

    Raises:
        SerbenchError: it cannot be opened or removed.
    """
    if _whole(path, read):
        return True
    if path.exists():
        drop(path)
        tell(f"damaged and made anew: {what} {path}")
    return False


def _whole(path: Path, read: Callable[[Path], object]) -> bool:
    return intact(path) and (_beside(path).exists() or _is_read(path, read))


def _is_read(path: Path, read: Callable[[Path], object]) -> bool:
    try:
        read(path)
    except OSError as error:
        if error.errno is not None:  # what others say of a file has no number
            raise unreadable(path, error) from error
        return False
    except _UNREAD:
        return False
    return True


def sound(
    folder: Path, what: str, tell: Callable[[str], object], read: Callable[[Path], object]
) -> bool:
    """Whether every file below a folder is whole that `kept` wrote; else it is told and removed.

    Args:
        folder: of files that `kept` wrote and of nothing else; there or not.
        what: it is, in the singular, for the message.
        tell: shows a line.
        read: as of `usable`.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    harmed = next((file for file in files if not _whole(file, read)), None)
    if harmed is None:
        return True
    tell(f"damaged and made anew: {what} {folder} ({harmed.name})")
    shutil.rmtree(folder)
    return False


def tidy(path: Path) -> None:
    """Remove what killed processes left of a file that `kept` writes, beside the whole one."""
    for each in (path, _beside(path)):
        _tidy(each)


def drop(path: Path) -> None:
    """Remove a file that `kept` wrote, if it is there.

    Raises:
        SerbenchError: it cannot be removed.
    """
    for each in (path, _beside(path)):
        try:
            each.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(each, error) from error


def seal(folder: Path) -> None:
    """Flush the files in a folder to disk, and note their checksums as its last file.

    Hidden files are none of it: killed processes left them. Of those, what safetensors was writing
    is removed here, and the rest when a file of that name is written.

    Raises:
        SerbenchError: the folder cannot be written to.
    """
    files = sorted(
        f for f in folder.iterdir() if f.is_file() and f.name[0] != "." and f.name != SUMS
    )
    try:
        for left in folder.glob(".tmp??????"):
            left.unlink()
        for file in files:
            _flush(file)
        lines = [f"{_sha256_of(file)}  {file.name}\n" for file in files]
    except OSError as error:
        raise unwritable(folder, error) from error
    with replacing(folder / SUMS) as fresh:
        fresh.write_text("".join(lines), encoding="utf-8")


def harm(folder: Path) -> str | None:
    """Return what became of a sealed folder: a file that is gone or not as it was; None: nothing.

    Raises:
        SerbenchError: a file cannot be read.
    """
    sums = folder / SUMS
    try:
        if not sums.is_file() or sums.stat().st_size > _LONGEST:
            return f"{SUMS} is no list of checksums"
        lines = sums.read_text(encoding="utf-8", errors="replace").splitlines()
        if not lines or not all(_LISTED.fullmatch(line) for line in lines):
            return f"{SUMS} is no list of checksums"
        for line in lines:
            wanted, _, name = line.partition(" ")
            file = folder / Path(name.lstrip(" *")).name
            if not file.is_file():
                return f"{file.name} is gone"
            if _sha256_of(file) != wanted:
                return f"{file.name} is not as it was written"
    except OSError as error:
        raise unreadable(sums, error) from error
    return None


def writable(folder: Path) -> None:
    """Write a file into a folder and remove it, to know before the work that it can be done.

    Raises:
        SerbenchError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise unwritable(folder, error) from error


def makeable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, or made; nothing is left of the trial.

    Raises:
        SerbenchError: it cannot.
    """
    there = next((each for each in (folder, *folder.parents) if each.exists()), Path())
    try:
        writable(there)
    except SerbenchError as error:
        raise SerbenchError(str(error).replace(f"'{there}'", f"'{folder}'", 1)) from error


def unwritable(path: Path, error: OSError) -> SerbenchError:
    """Return the error for a file or folder that cannot be written, with the remedy."""
    goes_on = "what is finished is kept, the same command goes on from there"
    if isinstance(error, IsADirectoryError):
        msg = f"cannot write the file '{path}': a folder is in its place; delete that folder"
        return SerbenchError(f"{msg}; {goes_on}")
    where = "make room there or give another folder that you may write to"
    if home() in path.parents or path == home():
        where = "set SERBENCH_HOME to a folder with room that you may write to"
    return SerbenchError(f"cannot write '{path}' ({_reason(error)}); {where}; {goes_on}")


def unreadable(path: Path, error: OSError) -> SerbenchError:
    """Return the error for a file that is there but cannot be read, with the remedy."""
    return SerbenchError(
        f"cannot read '{path}' ({_reason(error)}); see to it that you may, or delete it: the same "
        "command makes it anew"
    )


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        asked = Path(error.filename)
        there = next((each for each in (asked, *asked.parents) if each.exists()), asked)
        return f"'{there}' is in the way of a folder"
    return os.strerror(error.errno) if error.errno else str(error)


def _tidy(path: Path) -> None:
    """Remove what processes that are no more left of a file they were writing."""
    for left in path.parent.glob(f".{path.name}.*.*.????????"):
        host, process = left.name.removeprefix(f".{path.name}.").rsplit(".", 2)[:2]
        if process.isdigit() and _is_nobodys(left, host, int(process)):
            left.unlink(missing_ok=True)


def _is_nobodys(left: Path, host: str, process: int) -> bool:
    if host != socket.gethostname():
        return time.time() - left.stat().st_mtime > _FORGOTTEN
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    if os.name == "nt" and path.is_dir():  # there are no handles of folders
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.sum")


def _noted(path: Path) -> list[str]:
    """Return the checksums of the latest versions of a file."""
    sums = _beside(path)
    if not sums.is_file() or sums.stat().st_size > _LONGEST:
        return []
    return sums.read_text(errors="replace").splitlines()


def _sum_of(path: Path) -> str:
    """Return the CRC-32 of a file, in 8 hex digits, and its size: cheap, and enough for chance."""
    return _crc32(path, *_state(path))


def _sha256_of(path: Path) -> str:
    return _sha256(path, *_state(path))


def _state(path: Path) -> tuple[int, int, int]:
    """Return what tells that a file was written anew."""
    known = path.stat()
    return known.st_ino, known.st_size, known.st_mtime_ns


@lru_cache(maxsize=2**16)
def _crc32(path: Path, _: int, size: int, __: int) -> str:
    found = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found = zlib.crc32(piece, found)
    return f"{found:08x} {size}"


@lru_cache(maxsize=2**12)
def _sha256(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
