"""The contracts of upstreams and downstreams as checks that anyone can run on a plugin.

Each says in one sentence what is wrong; a plugin that keeps its contract gets none.
"""

from __future__ import annotations

from serbench.checking._adapted import make_upstream
from serbench.checking.downstream import check_downstream
from serbench.checking.upstream import check_upstream

__all__ = ["check_downstream", "check_upstream", "make_upstream"]
