"""The contracts of upstreams and downstreams as checks that anyone can run on a plugin.

Each says in one sentence what is wrong; a plugin that keeps its contract gets none.
"""

from __future__ import annotations

from serbench.checks.downstream import check_downstream
from serbench.checks.making import make_upstream
from serbench.checks.upstream import check_upstream

__all__ = ["check_downstream", "check_upstream", "make_upstream"]
