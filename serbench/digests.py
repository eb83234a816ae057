"""Digests: the names of things made from other things."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

# In small letters.
_ABOUT = frozenset({"readme", "license", "licence", "notice", "usage_policy"})
_LEFT = frozenset(
    {
        *("__pycache__", "__macosx", "thumbs.db", "desktop.ini"),
        "refs",  # of the hub's cache: which commit a branch was
        "configuration.json",  # of ModelScope's pages; what is loaded is config.json
    }
)
_UNDER_WAY = frozenset({".lock", ".incomplete", ".metadata", ".part", ".tmp", ".bak", ".orig"})
_SUMS = "SHA256SUMS"
# beside the sums of a folder that serbench wrote: there they have always counted, and are always
_CARD = "card.json"


def digest_json(value: Any) -> str:
    """Return the SHA-256 (64 hex) of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def rows_of(*columns: Iterable[str | float]) -> list[str]:
    """Return each row of some columns as one line of JSON, for `digest_rows`."""
    cells = (map(_cell, column) for column in columns)
    return [f"[{', '.join(row)}]" for row in zip(*cells, strict=True)]


def _cell(value: str | float) -> str:
    """Return what `json.dumps` does; most cells are texts, and as such are faster."""
    if type(value) is str:
        return encode_basestring_ascii(value)
    return repr(value) if type(value) is float and math.isfinite(value) else json.dumps(value)


def digest_rows(rows: Iterable[str]) -> str:
    """Return 16 hex digits of the SHA-256 over the sorted rows, whatever order they come in."""
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16]


def digest_path(path: Path) -> str:
    """Return the SHA-256 (64 hex) of a file's bytes, or of a folder's files with their names.

    What hubs, version control and file managers leave in a folder does not count: hidden files and
    all below hidden folders (`.cache`, `.git`), pages about it, lists of checksums, what editors
    put aside, locks; so a checkout, a download and a copy of it agree.
    """
    if path.is_file():
        return _digest_file(path)
    files = {f.relative_to(path).as_posix(): f for f in path.rglob("*") if f.is_file()}
    return digest_json(
        {
            name: _digest_file(file)
            for name, file in files.items()
            if not (_is_left(name) or _is_sums(file))
        }
    )


def _is_left(name: str) -> bool:
    """Whether a file of a folder only tells of it, or of how it came there."""
    *folders, last = name.casefold().split("/")
    hidden = any(part[0] == "." or part in _LEFT for part in (*folders, last))
    put_aside = last[-1] == "~" or Path(last).suffix in _UNDER_WAY
    return hidden or put_aside or Path(last).stem in _ABOUT


def _is_sums(file: Path) -> bool:
    return file.name == _SUMS and not file.with_name(_CARD).is_file()


def local_path(text: str) -> Path | None:
    """Return the path that `text` means, or None if it is a name.

    A path begins with `.`, `/` or `~`, or exists; anything else is a size, an id or a name, and
    nothing is nothing, not the working folder.
    """
    if not text:
        return None
    path = Path(text).expanduser()
    return path if text.startswith((".", "/", "~")) or path.exists() else None


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
