"""Why a file is not where a table says: paths of another system, another case, another Unicode."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from serbench.benchmarks.tasks.findings import Finding

_BACKSLASHES = "paths of another system, with \\ where / is meant"
_CASE = "names that differ in capital and small letters alone, such as .WAV for .wav"
_UNICODE = (
    "names that differ in Unicode form alone: one composed, the other with accents of their own, "
    "as macOS writes them"
)
_REMEDY = "; write them as the files are called"

Folders = dict[Path, list[str]]
"""The names in those folders that were looked at."""


def explained(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings, the missing files among them with their cause if there is one."""
    folders: Folders = {}
    for finding in findings:
        path = finding.path
        lost = finding.kind == "missing" and path is not None and not path.exists()
        there = actual(path, folders) if lost and path else None
        if path and there:
            cause = _cause(str(path), str(there)) + _REMEDY
            called = there.name if there.parent == path.parent else there
            message = f"audio file '{path}' is called '{called}' here: {cause}"
            finding = dataclasses.replace(finding, message=message, cause=cause)
        yield finding


def actual(path: Path, folders: Folders) -> Path | None:
    """Return the path of a file that is not found by its name, as it is on this machine.

    Args:
        path: absolute, perhaps of another system.
        folders: filled with those that are looked at.
    """
    here = Path(os.path.normpath(str(path).replace("\\", "/")))
    found = Path(here.anchor)
    for part in here.parts[1:]:
        name = part if (found / part).exists() else _like(part, _names(found, folders))
        if name is None:
            return None
        found /= name
    return found


def _names(folder: Path, folders: Folders) -> list[str]:
    if folder not in folders:
        folders[folder] = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208
    return folders[folder]


def _like(wanted: str, names: Iterable[str]) -> str | None:
    """Return which of some names is meant: in another Unicode form before another case."""
    plain = {name: unicodedata.normalize("NFC", name) for name in names}
    composed = unicodedata.normalize("NFC", wanted)
    same = [name for name, form in plain.items() if form == composed]
    like = [name for name, form in plain.items() if form.casefold() == composed.casefold()]
    return next(iter(same + like), None)


def _cause(given: str, there: str) -> str:
    if "\\" in given:
        return _BACKSLASHES
    one, other = (unicodedata.normalize("NFC", os.path.normpath(path)) for path in (given, there))
    return _UNICODE if one == other else _CASE
