"""A corpus against a list of checksums that is kept beside it.

Lists are as `sha256sum`, `b2sum` and their kin write them, in either of their two forms. One is
made by

    find . -name '*.wav' -exec sha256sum {} + > SHA256SUMS
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serbench import bounds
from serbench.benchmarks.tasks.findings import Finding, named
from serbench.devices import cores
from serbench.errors import SerbenchError
from serbench.progress import Progress

_USUAL = re.compile(
    r"((sha\d+|b2|blake2b?|md5|check)sums?|manifest-(sha\d+|md5))(\.txt|\.sha\d+|\.b2|\.md5)?",
    re.IGNORECASE,
)
_LINE = re.compile(r"(?P<escaped>\\?)(?P<sum>[0-9a-fA-F]{32,128}) [ *](?P<name>.+)")
_TAGGED = re.compile(r"(?P<escaped>\\?)(?P<kind>[\w-]+) \((?P<name>.+)\) = (?P<sum>[0-9a-fA-F]+)")
_ESCAPED = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
# What a digest of so many digits can be, if nothing else tells.
_BY_LENGTH = {
    32: ("md5",),
    40: ("sha1",),
    56: ("sha224",),
    64: ("sha256",),
    96: ("sha384",),
    128: ("sha512", "blake2b"),
}
_CHUNK = 2**20


@dataclass(frozen=True)
class Checksum:
    """What a list says of a file.

    Attributes:
        path: absolute.
        digest: lower-case hex.
        kinds: what it may be the digest of, as hashlib calls it.
    """

    path: Path
    digest: str
    kinds: tuple[str, ...]

    def agrees(self) -> bool:
        """Return whether the file has this checksum.

        Raises:
            OSError: it cannot be read.
        """
        made = [self._made(kind) for kind in self.kinds]
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                for digest in made:
                    digest.update(chunk)
        return self.digest in [digest.hexdigest() for digest in made]

    def _made(self, kind: str) -> Any:
        if kind == "blake2b":
            return hashlib.blake2b(digest_size=len(self.digest) // 2)
        return hashlib.new(kind)


def beside(folders: Iterable[Path]) -> list[Path]:
    """Return the lists that lie in some folders under a usual name, such as SHA256SUMS."""
    there = {path for folder in folders if folder.is_dir() for path in folder.iterdir()}
    return sorted(path for path in there if _USUAL.fullmatch(path.name) and path.is_file())


def check_files(listed: Path, used: Iterable[str], progress: Progress) -> list[Finding]:
    """Compare the files that a list names with their checksums.

    Args:
        listed: the list; names in it are relative to its folder.
        used: paths of the audio of a benchmark.
        progress: advances by one a file.

    Returns:
        An error for each file that differs ("differs") or is not there ("not_there"), and a warning
        if audio is not in the list ("not_listed").

    Raises:
        SerbenchError: the list cannot be read, or is none.
    """
    sums = read_list(listed)
    findings: list[Finding] = []
    with (
        progress.step(f"compare with {listed.name}", len(sums)) as step,
        ThreadPoolExecutor(min(8, cores())) as pool,
    ):
        for finding in pool.map(lambda entry: _compared(entry, listed), sums):
            findings += [] if finding is None else [finding]
            step.advance()
    progress.tell(f"{listed}: {len(sums) - len(findings)} of {len(sums)} files are as listed")
    rest = {os.path.normpath(path) for path in used} - {str(entry.path) for entry in sums}
    if rest:
        told = f"{len(rest)} of the audio files are not in '{listed}' ({named(rest)}); add them"
        findings.append(Finding("not_listed", "warning", told))
    return findings


def read_list(listed: Path) -> list[Checksum]:
    """Return what a list says, in its order.

    Raises:
        SerbenchError: it cannot be read, or a line of it is no checksum with a name.
    """
    try:
        text = bounds.read_text(listed, bounds.LISTED, "utf-8-sig")
    except (OSError, ValueError) as error:
        raise SerbenchError(f"list of checksums '{listed}' cannot be read: {error}") from error
    sums = list(_entries(listed, text.split("\n")))
    if not sums:
        raise SerbenchError(f"list of checksums '{listed}' names no file; make it with sha256sum")
    return sums


def _entries(listed: Path, lines: Sequence[str]) -> Iterator[Checksum]:
    folder = listed.absolute().parent
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        parts = _LINE.fullmatch(line) or _TAGGED.fullmatch(line)
        kinds = _kinds(listed, parts) if parts else ()
        if parts is None or not kinds or "\0" in line:
            raise SerbenchError(
                f"'{listed}' line {number} is no checksum with the name of a file; make the list "
                "with sha256sum or b2sum"
            )
        name = parts["name"]
        if parts["escaped"]:
            name = re.sub(r"\\[\\nr]", lambda found: _ESCAPED[found[0]], name)
        yield Checksum(Path(os.path.normpath(folder / name)), parts["sum"].lower(), kinds)


def _kinds(listed: Path, parts: re.Match[str]) -> tuple[str, ...]:
    """Return what a checksum may be the digest of, by its label, its list's name or its length."""
    digits = len(parts["sum"])
    label = parts.groupdict().get("kind") or listed.name
    if re.search(r"b2|blake2b", label, re.IGNORECASE):
        return ("blake2b",) if digits % 2 == 0 and 0 < digits <= 128 else ()
    return _BY_LENGTH.get(digits, ())


def _compared(entry: Checksum, listed: Path) -> Finding | None:
    """Return what is wrong with a file, if anything is."""
    try:
        bounds.regular(entry.path, bounds.AUDIO)
        if entry.agrees():
            return None
        kind, what = "differs", "is another one than"
    except (OSError, SerbenchError):
        kind, what = "not_there", "is not there or cannot be read, but is"
    message = f"file '{entry.path}' {what} in '{listed}'; get it again"
    return Finding(kind, "error", message, path=entry.path)
