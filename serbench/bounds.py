"""Files that others wrote: regular ones alone, and no more of them than such a file ever holds.

A pipe, a device or a link to one would hang or never end, and a small file can ask for a lot of
memory. What is read from outside goes through here. No real corpus meets a limit; who does sets
`SERBENCH_LIMITS` to a factor by which all of them are raised.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from serbench.errors import SerbenchError

RAISED_BY = "SERBENCH_LIMITS"


class Limit(NamedTuple):
    """The most that is read of something, and its unit in the plural."""

    most: int
    unit: str


TOML = Limit(2**20, "bytes of TOML")
SETTINGS = Limit(2**20, "bytes of JSON")
VOCABULARY = Limit(2**28, "bytes of a tokeniser")
TENSORS = Limit(2**36, "bytes of weights")
HEADER = Limit(2**23, "bytes")  # of a safetensors file, which describes each tensor in about 100
TABLE = Limit(2**28, "bytes of a table")
COLUMNS = Limit(10_000, "columns")
CELLS = Limit(50_000_000, "cells")
DEPTH = Limit(50, "levels of nesting")
KEY = Limit(200, "dots in a line")  # tomllib's time grows with the square of a key's parts
LISTED = Limit(2**28, "bytes of a list")
AUDIO = Limit(2**40, "bytes of audio")
# of one utterance, at its file's own rate: three hours, or as many samples as that at 48 kHz
SECONDS = Limit(3 * 3600, "seconds")
SAMPLES = Limit(3 * 3600 * 48_000, "samples")

# as tomllib does not say it of a table that goes on in the next line
_INLINE = "; write a table in braces in one line, name = {a = 1, b = 2}, or as a section [name]"
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def bound(what: str, found: float, limit: Limit) -> None:
    """Refuse more than a limit, raised by the factor in `SERBENCH_LIMITS`.

    Args:
        what: of which it is too much, such as "table 'a.csv'".
        found: how much there is, in the limit's unit.
        limit: how much there may be.

    Raises:
        SerbenchError: it is more; the message tells how to raise the limit.
    """
    if found > limit.most * _factor():
        enough = math.ceil(found / limit.most)
        raise SerbenchError(
            f"{what} has {found:,.0f} {limit.unit}, {limit.most * _factor():,.0f} are the most "
            f"that are read; if it is the right one, set {RAISED_BY}={enough}, which raises all "
            "such limits"
        )


def regular(path: Path, limit: Limit) -> int:
    """Return the size in bytes of a regular file, of which no more than that need be read.

    Raises:
        OSError: it does not exist, is a folder or may not be looked at.
        SerbenchError: it is something else than a file, or larger than the limit.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a null byte, which no name has
        raise FileNotFoundError(2, "No such file or directory", str(path)) from error
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(21, "Is a directory", str(path))
    if kind := _KINDS.get(stat.S_IFMT(found.st_mode)):
        raise SerbenchError(f"'{path}' is {kind}, not a file; give a regular file")
    bound(f"'{path}'", found.st_size, limit)
    return found.st_size


def read_text(path: Path, limit: Limit, encoding: Literal["utf-8", "utf-8-sig"] = "utf-8") -> str:
    """Return the text of a file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not text of this encoding.
        SerbenchError: it is no regular file, or larger than the limit.
    """
    regular(path, limit)
    with path.open("rb") as file:  # some that call themselves empty never end
        content = file.read(int(limit.most * _factor()) + 1)
    bound(f"'{path}'", len(content), limit)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}: {error.reason}"
        raise ValueError(f"it is not UTF-8 text ({place}); save it as UTF-8 text") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not TOML.
        SerbenchError: as `read_text`, or it is nested too deep.
    """
    text = read_text(path, TOML)
    bound(f"'{path}'", max(line.count(".") for line in text.split("\n")), KEY)
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except tomllib.TOMLDecodeError as error:
        hint = _INLINE if re.search(r"(?m)=\s*\{[^}\n]*$", text) else ""
        raise ValueError(f"{error}{hint}") from None
    _shallow(path, content)
    return content


def read_json(path: Path, limit: Limit = SETTINGS) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not JSON.
        SerbenchError: as `read_text`, or it is nested too deep.
    """
    try:
        content = json.loads(read_text(path, limit))
    except RecursionError:
        raise ValueError("nested too deep") from None
    _shallow(path, content)
    return content


def _factor() -> float:
    given = os.environ.get(RAISED_BY, "1")
    try:
        factor = float(given)
    except ValueError:
        factor = math.nan
    if not 1 <= factor < math.inf:
        raise SerbenchError(f"{RAISED_BY}='{given}' is no factor; give a number from 1 on")
    return factor


def _shallow(path: Path, content: Any) -> None:
    """Refuse what is nested so deep that whoever walks it would run out of stack."""
    depth, level = 0, [content]
    while level:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    bound(f"'{path}'", depth, DEPTH)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
