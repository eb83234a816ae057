"""The contracts of plugins of all kinds as checks that anyone can run on a plugin.

Each says in one sentence what is wrong; a plugin that keeps its contract gets none.
"""

from __future__ import annotations

from serbench.checks.benchmark import check_benchmark
from serbench.checks.plugin import check_plugin, unchecked
from serbench.vetting.downstream import check_downstream
from serbench.vetting.upstream import check_upstream

__all__ = [
    "check_benchmark",
    "check_downstream",
    "check_plugin",
    "check_upstream",
    "unchecked",
]
