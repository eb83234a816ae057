"""Where weights and features lie that runs share, noted for the sweeps that come after.

A node without shared storage can then be given what a driver kept that was stopped.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.digests import digest_json
from serbench.durable import replacing
from serbench.errors import SerbenchError
from serbench.home import home

if TYPE_CHECKING:
    from serbench.runs.grids.shared import Made


def noted(made: Made) -> tuple[str, ...]:
    """Return the paths in `SERBENCH_HOME` that were noted of something, of those that are there."""
    try:
        paths = json.loads(_note(made).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(path for path in paths if (home() / path).exists())


def note(made: Made, paths: tuple[str, ...]) -> None:
    """Note at which paths in `SERBENCH_HOME` something is; nothing is lost where that is full."""
    with suppress(SerbenchError), replacing(_note(made)) as fresh:
        fresh.write_text(json.dumps(paths), encoding="utf-8")


def _note(made: Made) -> Path:
    return home() / "shared" / f"{digest_json(made.key)[:32]}.json"
