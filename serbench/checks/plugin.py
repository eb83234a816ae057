"""Any plugin against the contract of its kind, by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from serbench import plugins
from serbench.checks.benchmark import check_benchmark
from serbench.errors import unknown
from serbench.plugins.blame import PluginError
from serbench.progress import Progress, Silent
from serbench.runs import recipe as recipes
from serbench.runs.corpus import is_there
from serbench.training.settings import Training
from serbench.vetting.observing import sentences
from serbench.vetting.trying import failures_of


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
        kind: one of `plugins.KINDS`.
        name: as the user writes it: a name, or the path of a file.
        options: of its `make`; the others have their defaults.
        data: folder of the corpora, for a benchmark; None: `SERBENCH_DATA`.
        progress: where an adaptation, and what is not checked, is told.

    Returns:
        One sentence a failure; empty if it passes.

    Raises:
        SerbenchError: no such plugin, a wrong option, or what an upstream says when it is made.
    """
    try:
        return _failures(kind, name, options, data, progress or Silent())
    except PluginError as error:
        return [str(error)]


def _failures(
    kind: plugins.Kind,
    name: str,
    options: Mapping[str, Any],
    data: Path | None,
    progress: Progress,
) -> list[str]:
    if kind == "benchmarks":
        return check_benchmark(name, options, data=data, progress=progress)
    plugin = plugins.find(kind, name)
    failures = failures_of(plugin, options, progress, thorough=True)
    if kind == "downstreams":
        failures += sentences("reading TRAINING", _recommended, plugin)
    return failures


def unchecked(
    kind: plugins.Kind, name: str, options: Mapping[str, Any], data: Path | None = None
) -> str:
    """Return what `check_plugin` could not look at, "" if it saw all; the arguments are its own."""
    if kind != "benchmarks":
        return ""
    made = recipes.make_benchmark(recipes.benchmark_part({**options, "name": name}))
    return "" if is_there(made, data) else "its table and folds, as the corpus is not there"


def _recommended(plugin: plugins.Plugin) -> Iterator[str]:
    """Yield what is wrong with the training that a head recommends."""
    found = getattr(plugins.module(plugin), "TRAINING", {})
    if found != plugin.constants.get("TRAINING", {}):
        yield "TRAINING is read without importing; write it as a literal, {'epochs': 50}"
        return
    for key in found:
        if key not in Training.model_fields:
            yield str(unknown("setting of TRAINING", key, Training.model_fields))
            return
    try:
        Training.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        yield f"TRAINING: '{where}': {first['msg']}, not {first['input']!r}"
