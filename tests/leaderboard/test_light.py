"""Showing results starts at once: nothing heavy, and of the other parts the contracts alone."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys
import serbench.leaderboard as folder
found = [module.name for module in pkgutil.iter_modules(folder.__path__)]
for name in found:
    importlib.import_module(f"{folder.__name__}.{name}")
print(" ".join(found))
print(" ".join(sys.modules))
"""


def test_imports_are_light_and_its_own():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    found, loaded = (set(line.split()) for line in done.stdout.splitlines())
    assert {"export", "record", "render", "store", "table"} <= found
    assert not loaded & {"torch", "transformers", "pandas", "pyarrow", "numpy", "sklearn"}
    others = {"upstreams", "downstreams", "runs", "training", "cli", "benchmarks.splitting"}
    assert not {f"serbench.{name}" for name in others} & loaded
