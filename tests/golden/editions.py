"""Writes editions.json: the code and the defaults that each edition stands for.

Run it (`python tests/golden/editions.py`) after a change that gives the same numbers as before, or
after raising the number of what no longer does.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from serbench import editions, plugins
from serbench.benchmarks.splitting import protocols
from serbench.leaderboard.identity import FORMAT

PACKAGE = Path(editions.__file__).parent
PINNED = Path(__file__).with_suffix(".json")


def code(*patterns: str) -> str:
    """Return the SHA-256 of the files of the package that match."""
    digest = hashlib.sha256()
    files = sorted({path for pattern in patterns for path in PACKAGE.glob(pattern)})
    assert files, f"nothing in the package is called {patterns}"
    for path in files:
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def shared() -> dict[str, dict[str, Any]]:
    """Return the numbers of code that all upstreams share, each with that code."""
    return {
        name: {"edition": getattr(editions, name), "code": code(*patterns)}
        for name, patterns in editions.CODE.items()
    }


def upstreams() -> dict[str, dict[str, Any]]:
    """Return the edition and the code of each built-in upstream."""
    return {
        name: {
            "edition": plugins.find("upstreams", name).constants.get("EDITION", 1),
            "code": code(f"upstreams/{name}.py"),
        }
        for name in plugins.names("upstreams")
    }


def defaults() -> dict[str, dict[str, Any]]:
    """Return the edition and the defaults of what can stand in a recipe."""
    found = {}
    for kind in plugins.KINDS:
        for name in plugins.names(kind):
            plugin = plugins.find(kind, name)
            edition = plugin.constants.get("EDITION", 1)
            found[f"{kind}/{name}"] = {"edition": edition, "are": plugins.defaults(plugin)}
            if kind == "benchmarks":
                made = plugins.make(plugin, options={})
                for called, build in made.protocols.items():
                    are = protocols.complete(build, {})
                    found[f"{kind}/{name}: {called}"] = {"edition": edition, "are": are}
    for name in protocols.names():
        are = protocols.complete(partial(protocols.find(name)), {})
        found[f"protocols/{name}"] = {"edition": FORMAT, "are": are}
    return found


def present() -> dict[str, Any]:
    """Return what is pinned, as it is now, in JSON's own types."""
    now = {"shared": shared(), "upstreams": upstreams(), "defaults": defaults()}
    plain: dict[str, Any] = json.loads(json.dumps(now))
    return plain


if __name__ == "__main__":
    PINNED.write_text(json.dumps(present(), indent=1, sort_keys=True) + "\n")
