"""Where serbench keeps what it makes, and where it looks for corpora."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """Return the folder for caches and state: `SERBENCH_HOME`, else the platform's user cache."""
    given = os.environ.get("SERBENCH_HOME")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("serbench"))


def data_root(given: Path | None = None) -> Path | None:
    """Return the folder that holds the corpora: `given` (`--data`), else `SERBENCH_DATA`."""
    if given is not None:
        return given.expanduser().absolute()
    named = os.environ.get("SERBENCH_DATA")
    return Path(named).expanduser().absolute() if named else None
