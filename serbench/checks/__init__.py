"""The contracts of plugins of all kinds as checks that anyone can run on a plugin.

Each says in one sentence what is wrong; a plugin that keeps its contract gets none.
"""

from __future__ import annotations

from serbench.checks.benchmark import check_benchmark
from serbench.checks.downstream import check_downstream
from serbench.checks.plugin import check_plugin
from serbench.checks.upstream import check_upstream

__all__ = ["check_benchmark", "check_downstream", "check_plugin", "check_upstream"]
