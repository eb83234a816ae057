"""Manifests of lhotse: cuts, or supervisions with recordings, as rows of a table."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from serbench import bounds
from serbench.benchmarks.tasks.findings import named
from serbench.errors import SerbenchError
from serbench.progress import Progress, Step

_LINE = 2**24  # bytes of a line
HEARD = "heard_channel"
"""Column that says which channel of its file a supervision is of, from 1."""
_OFTEN = 1000  # lines, after which it is told how far the work is


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
    with progress.step("read manifests", sum(path.stat().st_size for path in files)) as step:
        found = _read(files, step)
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


def _read(files: Iterable[Path], step: Step) -> _Found:
    found = _Found({}, [], [], [])
    for entry in (entry for path in files for entry in _lines(path, step)):
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
    source, channel = _heard(one, recordings[one["recording_id"]])
    return {
        "utterance": one["id"],
        "path": str((folder / source).absolute()),
        "start": round(start, 6),
        "end": round(start + float(one["duration"]), 6),
        **({} if channel is None else {HEARD: channel}),
        **{c: one[c] for c in ("speaker", "gender", "text") if one.get(c)},
        **(one.get("custom") or {}),
    }


def _heard(one: Mapping[str, Any], recording: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return the file of a supervision, and the channel in it, from 1; None: all there are."""
    sources = recording["sources"]
    if not sources:
        raise ValueError(f"recording '{one['recording_id']}' has no source")
    msg = f"recording '{one['recording_id']}' cannot be imported:"
    if strange := [s for s in sources if s.get("type", "file") != "file"]:
        msg += f" it comes from a {strange[0]['type']}, not from a file"
        raise SerbenchError(f"{msg}; save it, as with `save_audios` of lhotse")
    if recording.get("transforms"):
        msg += " its samples are changed after they are read (transforms)"
        raise SerbenchError(f"{msg}; save it, as with `save_audios` of lhotse")
    told = one.get("channel", [])
    wanted = {*(told if isinstance(told, list) else [told])}
    places = [(s["source"], s.get("channels", [0])) for s in sources]
    if len(places) == 1 and (not wanted or wanted >= {*places[0][1]}):
        return str(places[0][0]), None
    if len(wanted) == 1:
        (only,) = wanted
        for source, channels in places:
            if only in channels:
                return str(source), None if len(channels) == 1 else channels.index(only) + 1
    msg += f" supervision '{one['id']}' is of the channels {sorted(wanted)} of"
    raise SerbenchError(f"{msg} {[c for _, c in places]}; give each one channel, or all of a file")


def _lines(path: Path, step: Step) -> Iterator[dict[str, Any]]:
    bounds.regular(path, bounds.LISTED)
    read = number = told = 0
    try:
        with path.open("rb") as packed, _unpacked(path, packed) as file:
            while line := file.readline(_LINE):
                read += len(line)
                bounds.bound(f"'{path}'", read, bounds.LISTED)
                yield json.loads(line.decode("utf-8"))
                number += 1
                if number % _OFTEN == 0:
                    step.advance(packed.tell() - told)
                    told = packed.tell()
            step.advance(packed.tell() - told)
    except (OSError, ValueError, EOFError, RecursionError) as error:
        # each line is a text of its own to the parser, which calls it line 1
        why = error.msg if isinstance(error, json.JSONDecodeError) else error
        msg = f"'{path}' is not a manifest of JSON lines: line {number + 1}: {why}; get it again"
        raise SerbenchError(msg) from error


def _unpacked(path: Path, file: BinaryIO) -> BinaryIO:
    """Return a file as it is, or unpacked; what is read of it shows in the place of `file`."""
    return cast("BinaryIO", gzip.open(file)) if path.name.endswith(".gz") else file
