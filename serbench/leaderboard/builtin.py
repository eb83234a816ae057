"""What of a record comes with serbench: no code that a stranger names is opened, let alone run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.leaderboard.record import BenchmarkRecord, Result

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark

ORIGIN = "serbench"
"""Of what comes with it, in a recipe."""
SEVERAL = "across"
"""What the benchmark of several corpora is called in a recipe."""
_LONGEST = 100  # characters of a name that is not known


def own_benchmark(result: Result) -> Benchmark | None:
    """Return the built-in benchmark that a result is on, or None if it is on another one.

    The recipe says which; where it does not, as of fused runs, it is the one that is as the record
    says.

    Raises:
        SerbenchError: there is none of this name with these options, or none as the record says.
    """
    part: Any = result.recipe.get("benchmark")
    name = result.benchmark.name
    if isinstance(part, dict):
        own = part.get("origin", ORIGIN) == ORIGIN and part["name"] != SEVERAL
        return _made(part["name"], json.dumps(part.get("options", {}))) if own else None
    if plugins.builtin("benchmarks", name) is None:
        return None
    plugin = own_plugin("benchmarks", name)
    for made in _variants(plugin):
        if recorded(made) == result.benchmark:
            return made
    if any(get_origin(option.type) is not Literal for option in plugin.options.values()):
        return None
    raise SerbenchError(f"benchmark '{name}' has no such version and task as the record says")


def recorded(made: Benchmark) -> BenchmarkRecord:
    """Return what a record says of a benchmark."""
    plain = {"name": made.name, "version": made.version, "synthetic": made.synthetic}
    return BenchmarkRecord.model_validate(plain | {"task": made.task})


def _variants(plugin: plugins.Plugin) -> Iterator[Benchmark]:
    """Yield a benchmark with all that its options of few words can be, the defaults first."""
    words = {
        key: get_args(option.type)
        for key, option in plugin.options.items()
        if get_origin(option.type) is Literal
    }
    yield _made(plugin.name, "{}")
    for chosen in product(*words.values()):
        yield _made(plugin.name, json.dumps(dict(zip(words, chosen, strict=True))))


@cache
def _made(name: str, options: str) -> Benchmark:
    made: Benchmark = plugins.make(own_plugin("benchmarks", name), options=json.loads(options))
    return made


def own_plugin(kind: plugins.Kind, name: str) -> plugins.Plugin:
    """Return a built-in plugin.

    Raises:
        SerbenchError: none has this name.
    """
    own = plugins.builtin(kind, name)
    if own == name:
        return plugins.find(kind, name)
    instead = f"; '{own}' does" if own else ""
    raise SerbenchError(
        f"no {plugins.called(kind)} '{name[:_LONGEST]}' comes with serbench{instead}"
    )
