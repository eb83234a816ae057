"""Any plugin against the contract of its kind, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serbench import plugins
from serbench.checks.adapting import make_upstream
from serbench.checks.benchmark import check_benchmark
from serbench.checks.downstream import check_downstream
from serbench.checks.upstream import check_upstream
from serbench.progress import Progress, Silent


def check_plugin(
    kind: plugins.Kind,
    name: str,
    options: Mapping[str, Any],
    *,
    data: Path | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Return what a plugin does against the contract of its kind.

    Args:
        kind: "upstreams", "downstreams" or "benchmarks".
        name: as the user writes it: a name, or the path of a file.
        options: of its `make`; the others have their defaults.
        data: folder of the corpora, for a benchmark; None: `SERBENCH_DATA`.
        progress: where an adaptation, and what is not checked, is told.

    Returns:
        One sentence a failure; empty if it passes.

    Raises:
        SerbenchError: no such plugin, a wrong option, or what an upstream says when it is made.
    """
    progress = progress or Silent()
    match kind:
        case "upstreams":
            return check_upstream(make_upstream(plugins.find(kind, name), options, progress))
        case "downstreams":
            plugin = plugins.find(kind, name)
            complete = plugins.validate(plugin, options)
            return check_downstream(lambda dim: plugins.make(plugin, dim, options=complete))
        case "benchmarks":
            return check_benchmark(name, options, data=data, progress=progress)
