"""Where audio to train on is found: a folder, a list of files, a description of corpora."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serbench import bounds
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.card import Corpus
from serbench.errors import SerbenchError, unknown
from serbench.upstreams import Recording

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3"}

FOLDER = r"([^/]+)/[^/]+$"
"""The speaker is the folder that a file lies in."""

_KEYS = ("name", "path", "speaker", "licence", "attribution")


@dataclass(frozen=True)
class Collection:
    """Recordings of one origin, with what a card says of them.

    Attributes:
        name: as people know it.
        recordings: of it.
        licence: of the audio.
        attribution: what the licence wants said.
    """

    name: str
    recordings: Sequence[Recording]
    licence: str = "not stated"
    attribution: str = ""


def read_collections(
    path: Path, *, speaker: str = FOLDER, licence: str = "not stated"
) -> list[Collection]:
    """Return the recordings that a path means.

    Args:
        path: a folder, searched with its sub-folders; a `.csv` list with the columns `path`,
            `speaker` and maybe `start`, `end`; any other list, one path a line; or a `.toml`
            description: a table `[[corpus]]` each with `name`, `path` (a folder or a list, counted
            from the description), and maybe `speaker`, `licence`, `attribution`.
        speaker: regular expression over a path; the first group that matches is the speaker. A
            description and a `.csv` list have their own.
        licence: of a folder or list.

    Raises:
        SerbenchError: nothing there, no audio, or a description that cannot be read.
    """
    if path.suffix == ".toml":
        return [_described(path, entry) for entry in _entries(path)]
    return [Collection(path.resolve().name, _recordings(path, speaker), licence)]


def find_recordings(folder: Path, speaker: str = FOLDER) -> list[Recording]:
    """Return every audio file below a folder, in the order of their paths.

    Args:
        folder: searched with all its sub-folders.
        speaker: regular expression over the path from `folder` on, its own name included; the
            first group that matches is the speaker.

    Raises:
        SerbenchError: no audio, or a path that the expression does not match.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SerbenchError(f"no audio below {folder}; looked for {', '.join(sorted(SUFFIXES))}")
    root = Path(folder.resolve().name)
    names = [(root / path.relative_to(folder)).as_posix() for path in paths]
    return [
        Recording(path, _speaker_of(name, speaker, f"'{name}'"))
        for path, name in zip(paths, names, strict=True)
    ]


def read_recordings(table: Path, speaker: str = FOLDER) -> list[Recording]:
    """Return the recordings of a list.

    Args:
        table: a `.csv` file with columns `path`, `speaker` and maybe `start`, `end` in seconds, or
            any other file with one path a line. Relative paths count from its folder.
        speaker: as `find_recordings` takes it, for a list of paths alone.

    Raises:
        SerbenchError: a column is missing, the list is empty, or the expression does not match.
    """
    if table.suffix.lower() in SUFFIXES:
        raise SerbenchError(f"'{table}' is one recording; give its folder, or a list of files")
    try:
        text = bounds.read_text(table, bounds.TABLE, "utf-8-sig")
    except (OSError, ValueError) as error:
        raise SerbenchError(f"list of audio '{table}' cannot be read: {error}") from error
    if table.suffix == ".csv":
        return _listed(table, text)
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    return [
        Recording(table.parent / line, _speaker_of(line, speaker, f"line {n} of '{table}'"))
        for n, line in lines
    ]


def _listed(table: Path, text: str) -> list[Recording]:
    try:
        rows = list(csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise SerbenchError(f"{table} is not valid CSV: {error}; save it anew") from error
    if not rows or not {"path", "speaker"} <= rows[0].keys():
        raise SerbenchError(f"{table}: needs rows and a header with the columns path,speaker")
    found = []
    for number, row in enumerate(rows, 2):
        try:
            times = float(row.get("start") or 0.0), float(row.get("end") or math.nan)
        except ValueError as error:
            raise SerbenchError(f"{table} line {number}: start and end are seconds") from error
        if not row["path"] or not row["speaker"]:
            raise SerbenchError(f"{table} line {number}: path or speaker is empty")
        found.append(Recording(table.parent / row["path"], row["speaker"], *times))
    return found


def _speaker_of(name: str, pattern: str, where: str) -> str:
    try:
        match = re.search(pattern, name)
    except re.error as error:
        raise SerbenchError(f"the speaker expression {pattern!r} is not one: {error}") from error
    found = next((group for group in match.groups() if group), None) if match else None
    if found is None:
        raise SerbenchError(f"the speaker expression {pattern!r} finds no speaker in {where}")
    return found


def _recordings(path: Path, speaker: str) -> list[Recording]:
    if path.is_dir():
        return find_recordings(path, speaker)
    if not path.is_file():
        raise SerbenchError(f"audio '{path}' is neither a folder nor a list of files")
    return read_recordings(path, speaker)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        entries: Any = bounds.read_toml(path).get("corpus")
    except (OSError, ValueError) as error:
        raise SerbenchError(f"description of audio '{path}' cannot be read: {error}") from error
    tables = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not tables or not entries:
        raise SerbenchError(f"description of audio '{path}' has no table [[corpus]]")
    return list(entries)


def _described(path: Path, entry: dict[str, Any]) -> Collection:
    for key, value in entry.items():
        if key not in _KEYS:
            raise unknown(f"key of [[corpus]] in {path}", key, _KEYS)
        if not isinstance(value, str):
            raise SerbenchError(f"{path}: '{key}' of [[corpus]] is not text; write it in quotes")
    if not {"name", "path"} <= entry.keys():
        raise SerbenchError(f"{path}: each [[corpus]] needs a name and a path")
    recordings = _recordings(path.parent / entry["path"], entry.get("speaker", FOLDER))
    licence, attribution = entry.get("licence", "not stated"), entry.get("attribution", "")
    return Collection(entry["name"], recordings, licence, attribution)


def join(collections: Sequence[Collection]) -> tuple[Audio, list[Corpus]]:
    """Return the audio of all collections, and of each what a card says.

    Raises:
        SerbenchError: a file that is not there or is no audio.
    """
    audio = Audio([recording for part in collections for recording in part.recordings])
    corpora = [
        Corpus.of(Audio(part.recordings), part.name, part.licence, part.attribution)
        for part in collections
    ]
    return audio, corpora
