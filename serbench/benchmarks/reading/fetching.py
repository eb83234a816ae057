"""Databases that audb keeps, fetched into a folder (with the extra `audb`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench import bounds
from serbench.errors import SerbenchError, brief

if TYPE_CHECKING:
    from serbench.progress import Progress

_NOTE = "fetched.json"
_WORKERS = 4  # files that are fetched at once


class Fetched(NamedTuple):
    """What lies in a folder: a database of audb, in one version."""

    name: str
    version: str


def fetched(folder: Path) -> Fetched | None:
    """Return what was fetched into a folder, or begun to be; None if nothing was."""
    note = folder / _NOTE
    if not note.is_file():
        return None
    told = bounds.read_json(note)
    return Fetched(str(told.get("name")), str(told.get("version")))


def fetch(
    name: str, folder: Path, *, version: str | None, progress: Progress, bars: bool
) -> Fetched:
    """Fetch a database; one that was stopped goes on with what is missing, in the same version.

    Repositories are those of audb's own configuration.

    Args:
        name: of the database.
        folder: where it shall lie.
        version: of the database; None: what is there already, else the newest.
        progress: where it is said what is fetched.
        bars: whether audb draws its bars.

    Raises:
        SerbenchError: audb is not installed, nothing has this name or version or cannot be reached,
            the folder holds something else.
    """
    audb = _audb()
    wanted = _pinned(name, folder, version) or _newest(audb, name, version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _NOTE).write_text(json.dumps(wanted._asdict(), indent=1) + "\n", encoding="utf-8")
    try:
        files = len(audb.dependencies(name, version=wanted.version, verbose=False).media)
        progress.tell(f"{name} {wanted.version}: {files} files to '{folder}'")
        audb.load_to(str(folder), name, version=wanted.version, num_workers=_WORKERS, verbose=bars)
    except Exception as error:  # of whichever backend
        msg = (
            f"'{name}' {wanted.version} was not fetched whole: {brief(error)}; the same command "
            "goes on where it stopped"
        )
        raise SerbenchError(msg) from error
    return wanted


def _audb() -> Any:
    try:
        import audb
    except ImportError as error:
        raise SerbenchError("audb is not installed; pip install 'serbench[audb]'") from error
    return audb


def _pinned(name: str, folder: Path, version: str | None) -> Fetched | None:
    """Return what a folder is for already."""
    there = fetched(folder)
    if there is None:
        if folder.is_dir() and any(folder.iterdir()):
            msg = f"folder '{folder}' holds something that was not fetched; name another with --to"
            raise SerbenchError(msg)
        return None
    if there.name != name or version not in (None, there.version):
        msg = f"folder '{folder}' is for {there.name} {there.version}; name another with --to"
        raise SerbenchError(msg)
    return there


def _newest(audb: Any, name: str, version: str | None) -> Fetched:
    versions: list[str] = audb.versions(name)
    places = ", ".join(f"{each.name} ({each.host})" for each in audb.config.REPOSITORIES)
    if not versions:
        msg = (
            f"no database '{name}' in {places}: it is not there, or there is no way to it from "
            "this machine; audb's own configuration says where it looks"
        )
        raise SerbenchError(msg)
    if version is not None and version not in versions:
        msg = f"'{name}' has no version {version}; there are {', '.join(versions)}"
        raise SerbenchError(msg)
    return Fetched(name, version or audb.latest_version(name))
