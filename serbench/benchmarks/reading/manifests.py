"""Manifests of lhotse: cuts, or supervisions with recordings, as rows of a table."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from serbench import bounds
from serbench.benchmarks.tasks.findings import named
from serbench.errors import SerbenchError
from serbench.progress import Progress

_LINE = 2**24  # bytes of a line


def listed(source: Path) -> list[Path]:
    """Return the manifests at a path: of cuts, if a folder has some."""
    if source.is_file():
        return [source] if source.name.endswith((".jsonl", ".jsonl.gz")) else []
    found = sorted([*source.glob("*.jsonl"), *source.glob("*.jsonl.gz")])
    cuts = [path for path in found if "cuts" in path.name]
    return cuts or found


def segments(files: list[Path], progress: Progress) -> list[dict[str, Any]]:
    """Return a row a supervision, its segment in the file of its recording.

    A supervision that several cuts carry, as those that overlap do, is one row. Told is what has
    no supervision, and of cuts that are mixed, which are no segment of a file.

    Raises:
        SerbenchError: a manifest is damaged, a recording is missing, or two segments have one id.
    """
    found = _read(files)
    for what, ids in found.left_out().items():
        if ids:
            progress.tell(f"warning: {what} are left out: {len(ids)} ({named(ids)})")
    rows: dict[str, dict[str, Any]] = {}
    doubled = set()
    for one, offset in found.said:
        row = _row(one, offset, found.recordings, files[0].parent)
        if rows.setdefault(one["id"], row) != row:
            doubled.add(one["id"])
    if doubled:
        msg = f"'{files[0]}' gives one id to several supervisions that differ: {len(doubled)} "
        raise SerbenchError(f"{msg}({named(doubled)}); give each an id of its own")
    return [*rows.values()]


class _Found(NamedTuple):
    """What manifests hold: recordings by id, supervisions with the start of their cuts."""

    recordings: dict[str, dict[str, Any]]
    said: list[tuple[dict[str, Any], float]]
    unsaid: list[str]
    mixed: list[str]

    def left_out(self) -> dict[str, list[str]]:
        """Return the ids of what is in no row, by what is to be said of them."""
        used = {one["recording_id"] for one, _ in self.said}
        return {
            "cuts without a supervision": self.unsaid,
            "mixed or padded cuts": self.mixed,
            "recordings without a supervision": [r for r in self.recordings if r not in used],
        }


def _read(files: Iterable[Path]) -> _Found:
    found = _Found({}, [], [], [])
    for entry in (entry for path in files for entry in _lines(path)):
        if "sources" in entry:
            found.recordings[entry["id"]] = entry
        elif "tracks" in entry:
            found.mixed.append(entry["id"])
        elif entry.get("supervisions"):  # a cut, which begins somewhere in its recording
            found.recordings[entry["recording"]["id"]] = entry["recording"]
            found.said.extend((one, float(entry["start"])) for one in entry["supervisions"])
        elif "recording_id" in entry:
            found.said.append((entry, 0.0))
        elif "recording" in entry or "supervisions" in entry:
            found.unsaid.append(entry["id"])
    return found


def _row(
    one: dict[str, Any], offset: float, recordings: Mapping[str, dict[str, Any]], folder: Path
) -> dict[str, Any]:
    if one["recording_id"] not in recordings:
        msg = f"supervision '{one['id']}' is of recording '{one['recording_id']}', which no "
        raise SerbenchError(msg + "manifest here has; give the folder with both manifests")
    start = offset + float(one["start"])
    source = recordings[one["recording_id"]]["sources"][0]["source"]
    return {
        "utterance": one["id"],
        "path": str((folder / source).absolute()),
        "start": round(start, 6),
        "end": round(start + float(one["duration"]), 6),
        **{c: one[c] for c in ("speaker", "gender", "text") if one.get(c)},
        **(one.get("custom") or {}),
    }


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    bounds.regular(path, bounds.LISTED)
    opened = gzip.open if path.name.endswith(".gz") else open
    read = number = 0
    try:
        with opened(path, "rb") as file:
            while line := file.readline(_LINE):
                read += len(line)
                bounds.bound(f"'{path}'", read, bounds.LISTED)
                yield json.loads(line.decode("utf-8"))
                number += 1
    except (OSError, ValueError, EOFError, RecursionError) as error:
        # each line is a text of its own to the parser, which calls it line 1
        told = error.msg if isinstance(error, json.JSONDecodeError) else error
        msg = f"'{path}' is not a manifest of JSON lines: line {number + 1}: {told}; get it again"
        raise SerbenchError(msg) from error
