"""Why a file is not where a table says: paths of another system, another case, another Unicode."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from serbench.benchmarks.tasks.findings import Finding

_BACKSLASHES = (
    "paths of another system, with \\ where / is meant; write them with /, as by "
    "`sed -i 's|\\\\|/|g'` with the table's name"
)
_CASE = "names that differ in capital and small letters alone, such as .WAV for .wav"
_UNICODE = (
    "names that differ in Unicode form alone: one composed, the other with accents of their own, "
    "as macOS writes them"
)
_AS_THERE = "; write them as the files are called"


def explained(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings, the missing files among them with their cause if there is one."""
    folders: dict[Path, list[str]] = {}
    for finding in findings:
        cause, there = "", None
        if finding.kind == "missing" and finding.path is not None:
            cause, there = _cause(finding.path, folders)
        if cause:
            message = f"audio file '{finding.path}' is called '{there}' here: {cause}"
            finding = dataclasses.replace(finding, message=message, cause=cause)
        yield finding


def _cause(path: Path, folders: dict[Path, list[str]]) -> tuple[str, str | None]:
    """Return why a file is not found by its name, and by which it is."""
    if "\\" in str(path) and (other := Path(str(path).replace("\\", "/"))).exists():
        return _BACKSLASHES, os.path.normpath(other)
    if path.parent not in folders:
        folders[path.parent] = os.listdir(path.parent) if path.parent.is_dir() else []  # noqa: PTH208
    names = folders[path.parent]
    wanted = unicodedata.normalize("NFC", path.name)
    for name in names:
        if unicodedata.normalize("NFC", name) == wanted:
            return _UNICODE + _AS_THERE, name
    for name in names:
        if unicodedata.normalize("NFC", name).casefold() == wanted.casefold():
            return _CASE + _AS_THERE, name
    return "", None
