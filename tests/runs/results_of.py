"""What lies in a folder of results, to compare with another one."""

from __future__ import annotations

from pathlib import Path

from serbench.leaderboard import store

_TIMES = {"created", "seconds", "speed", "checksum"}


def contents(results: Path) -> dict[str, tuple[str, str]]:
    """Return all results by their digests, without what differs from one time to the next."""
    found = {}
    for path in sorted(results.glob("*/*.json")):
        entry = store.load_result(path)
        found[path.stem] = (
            entry.result.model_dump_json(exclude=_TIMES),
            entry.predictions.to_csv(),
        )
    return found
