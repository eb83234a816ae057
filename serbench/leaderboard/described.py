"""What a result is, in flat columns: the same names in every table that other programs read."""

from __future__ import annotations

import json
from typing import Any

from serbench.leaderboard.record import Result


def cell(value: Any) -> Any:
    """Return a value as one cell of a table: lists and what has names as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def setting(result: Result) -> dict[str, Any]:
    """Return what was measured, how it was split, and whether the test part was heard before."""
    benchmark, protocol = result.benchmark, result.protocol
    return {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "synthetic": benchmark.synthetic,
        "task": benchmark.task.kind,
        "targets": [*benchmark.task.outputs],
        "protocol": protocol.name,
        "protocol_options": dict(sorted(protocol.options.items())),
        "shares": " ".join(protocol.shares),
        "split": result.split.hash,
        "transductive": result.transductive,
    }


def system(result: Result) -> dict[str, Any]:
    """Return what was run, as its row is called, and what it adapted to ("" for nothing)."""
    return {
        "upstream": result.labels.upstream,
        "weights": result.labels.weights,
        "downstream": result.labels.downstream,
        "adapted_on": " ".join(e.adaptation.on for e in result.encoders if e.adaptation),
    }
