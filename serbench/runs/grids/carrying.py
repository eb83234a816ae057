"""Files between machines that share no storage: what one made is written where another finds it.

What is carried is a file, or a folder with all its files, by its path in a root that each machine
has its own of: `SERBENCH_HOME`, or the folder of the results.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from serbench.durable import SUMS, replacing, same

_LAST = (SUMS, ".json")  # what says that all else is there


def files(root: Path, path: str) -> list[Path]:
    """Return the files of what is at a path, those that say that it is whole last."""
    place = root / path
    if place.is_file():
        sums = place.with_name(f".{place.name}.sum")
        return [sums, place] if sums.is_file() else [place]
    found = [file for file in place.rglob("*") if file.is_file() and _counts(file)]
    return sorted(found, key=lambda file: (file.name.endswith(_LAST), file.as_posix()))


def _counts(file: Path) -> bool:
    """Whether a file is no lock, and not one that somebody is writing."""
    return file.name != "lock" and (file.name[0] != "." or file.suffix == ".sum")


def write(root: Path, name: str, content: bytes) -> None:
    """Write a file that was carried, unless it is there as it is.

    Raises:
        SerbenchError: it cannot be written.
    """
    if not same(root / name, content):
        with replacing(root / name) as fresh:
            fresh.write_bytes(content)


def unpack(root: Path, path: str, pieces: Iterator[tuple[str, bytes]]) -> None:
    """Write a folder that is not there; it appears at once, with all its files.

    Args:
        root: where.
        path: of the folder, or of one file.
        pieces: the files, by their paths in the root.
    """
    place = root / path
    fresh = root / "carried" / uuid.uuid4().hex
    try:
        for name, content in pieces:
            write(fresh, name, content)
        place.parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
