"""From what a user writes to a complete recipe: names are looked up, defaults filled in."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from serbench import plugins
from serbench.digests import digest_path
from serbench.errors import SerbenchError, unknown, unknown_option
from serbench.leaderboard.record import Enrolled
from serbench.runs.parts import ACROSS, Part, Recipe, validated
from serbench.runs.plugin_part import plugin_part
from serbench.runs.recipe_files import path_of, read_recipe, shipped, summary
from serbench.runs.remembering import remembered
from serbench.training.settings import FineTuning, Stage, Training, Weighting

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark, Protocol

M = TypeVar("M", bound=BaseModel)

_PLAIN = ("seeds", "leave_out_broken", "fusion", "precision")
_PARTS = ("upstream", "downstream", "benchmark", "protocol", "postprocess")
KEYS = (*_PARTS, "training", "finetune", "enrol", *_PLAIN)
"""What a recipe may name."""
# What is set aside of each test speaker where enrolment is asked for, unless more is enrolled.
_ASIDE = {"clips": 20, "seconds": 60}


def resolve(raw: Mapping[str, Any]) -> Recipe:
    """Return the complete recipe that a nested dict means.

    Args:
        raw: `upstream`, `downstream`, `benchmark`, `protocol`: a name, or a dict of `name` and
            options, an upstream also of `layers`; several upstreams are a list; `training`: a dict;
            `seeds`, `leave_out_broken`, `fusion`, `precision`; `finetune`: a dict, or true;
            `postprocess`: a part, or a list of them; `enrol`: clips, "30s", or a dict. What is
            missing gets its default: the benchmark's first protocol, the downstream's recommended
            training.

    Raises:
        SerbenchError: an unknown key or name, or a wrong value.
    """
    for key in raw:
        if key not in KEYS:
            raise unknown("recipe key", key, KEYS)
    benchmark, protocol = _data(raw.get("benchmark"), raw.get("protocol"))
    downstream, recommended = _downstream(raw.get("downstream"))
    given = raw.get("training", {})
    if not isinstance(given, Mapping):
        msg = f"recipe key 'training' must be a table of settings, not {given!r}"
        raise SerbenchError(msg)
    for key, table in (("finetune", FineTuning), ("weighting", Weighting)):
        if isinstance(given.get(key), Mapping):
            given = {**given, key: validated(table, f"training.{key}", given[key])}
    return validated(
        Recipe,
        "recipe",
        {
            "upstreams": [_upstream(each) for each in _several(raw.get("upstream"))],
            "downstream": downstream,
            "benchmark": benchmark,
            "protocol": protocol,
            "training": _training({**recommended, **given}),
            "finetune": _stage(raw.get("finetune")),
            "enrol": _enrolled(raw.get("enrol")),
            "postprocess": steps_of(raw.get("postprocess", ())),
            **{k: raw[k] for k in _PLAIN if k in raw},
        },
    )


@remembered
def _downstream(given: Any) -> tuple[Part, Mapping[str, Any]]:
    """Return the complete part of a downstream, and the training that it recommends."""
    name, options = _split("downstream", given)
    constants = plugins.find("downstreams", name).constants
    return plugin_part("downstreams", name, options), constants.get("TRAINING", {})


@remembered
def _training(given: Mapping[str, Any]) -> Training:
    return validated(Training, "training", given)


def _stage(given: Any) -> Stage | None:
    """Return how upstreams are fine-tuned before the head, if they are."""
    if given is None or isinstance(given, bool):
        return Stage() if given else None
    if not isinstance(given, Mapping):
        msg = f"recipe key 'finetune' must be a table of settings, true or false, not {given!r}"
        raise SerbenchError(msg)
    return validated(Stage, "finetune", given)


def _enrolled(given: Any) -> Enrolled | None:
    """Return what of each test speaker is enrolled, if anything: 5, "30s", or a table of both."""
    if given is None:
        return None
    amount = dict(given) if isinstance(given, Mapping) else {"amount": given}
    if "name" in amount:  # what stood there alone before `--set enrol.aside=10`
        amount["amount"] = amount.pop("name")
    said = amount.get("amount")
    if isinstance(said, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?) ?s", said)):
        amount = {**amount, "amount": float(match[1]), "unit": "seconds"}
    usual, number = _ASIDE.get(str(amount.get("unit", "clips")), 0), amount.get("amount", 0)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 2**63:
        msg = (
            f"what is enrolled is {reprlib.repr(number)}; give a number of clips from 0 on, such "
            'as 5, or of seconds, such as "30s"'
        )
        raise SerbenchError(msg)
    return validated(Enrolled, "enrol", {"aside": float(max(usual, number)), **amount})


def steps_of(given: Any) -> tuple[Part, ...]:
    """Return the complete post-processors that one, or a list of them, means.

    Args:
        given: names, files, or dicts of `name` and options, in their order.

    Raises:
        SerbenchError: an unknown name or option, or a wrong value.
    """
    several = given if isinstance(given, list | tuple) else [given]
    return tuple(
        plugin_part("postprocessors", *_split("postprocess", each, kind="postprocessors"))
        for each in several
    )


def resolve_data(raw: Mapping[str, Any]) -> tuple[Part, Part]:
    """Return the complete benchmark and protocol that a nested dict means, as `resolve` does."""
    return _data(raw.get("benchmark"), raw.get("protocol"))


@remembered
def _data(benchmark: Any, protocol: Any) -> tuple[Part, Part]:
    part = benchmark_part(benchmark)
    return part, _protocol(make_benchmark(part), protocol)


def make_benchmark(part: Part) -> Benchmark:
    """Return the benchmark that a part of a recipe means.

    Raises:
        SerbenchError: it cannot be made, or code of somebody else gives it a built-in one's name.
    """
    if part.name == ACROSS:
        from serbench.runs.across import make_across

        return make_across(part)
    if part.name.endswith(".toml"):
        from serbench.benchmarks.reading import custom

        return custom.read_benchmark(Path(part.name).expanduser())
    plugin = plugins.find("benchmarks", part.name)
    made: Benchmark = plugins.make(plugin, options=part.options)
    called = str(getattr(made, "name", ""))
    if plugin.origin != "serbench" and (own := plugins.builtin("benchmarks", called)):
        msg = f"{plugin.source} names its benchmark '{called}', but '{own}' is built in; rename it"
        raise SerbenchError(msg)
    return made


def make_protocol(benchmark: Benchmark, part: Part) -> Protocol:
    """Return the protocol that a part of a recipe means, with the benchmark's own defaults."""
    from serbench.benchmarks.splitting import protocols

    if part.name in benchmark.protocols:
        return benchmark.protocols[part.name](**part.options)
    return protocols.make(part.name, **part.options)


def _split(
    key: str, given: Any, default: str | None = None, kind: str = ""
) -> tuple[str, dict[str, Any]]:
    """Return name and options of a part; a table without a name has options of the default."""
    if given is None and default is not None:
        return default, {}
    known = f"`serbench list {kind or f'{key}s'}` shows the names"
    if given is None:
        raise SerbenchError(f"no {key} is given; give one (--{key} NAME, or in a recipe); {known}")
    if isinstance(given, str):
        return given, {}
    if isinstance(given, Mapping):
        given = {"name": default, **given}
    if not isinstance(given, Mapping) or not isinstance(given["name"], str):
        msg = f"recipe key '{key}' must be a name or a table with a name, not {given!r}; {known}"
        raise SerbenchError(msg)
    return given["name"], {k: v for k, v in given.items() if k != "name"}


def _several(given: Any) -> list[Any]:
    """Return the upstreams that a recipe names: one, or a list of them."""
    if isinstance(given, list | tuple) and given:
        return list(given)
    return [given]


@remembered
def _upstream(given: Any) -> Part:
    name, options = _split("upstream", given)
    plugin = plugins.find("upstreams", name)
    layers = options.pop("layers", plugin.constants.get("LAYERS", "all"))
    for key in sorted(options.keys() - plugin.options.keys()):
        raise unknown_option(f"upstream '{name}'", key, {*plugin.options, "layers"})
    if layers not in ("all", "last") and not _numbers(layers):
        msg = f"upstream key 'layers' is {layers!r}; give all, last, or a list such as [0, 3]"
        raise SerbenchError(msg)
    return validated(
        Part, "upstream", plugin_part("upstreams", name, options).model_dump() | {"layers": layers}
    )


def _numbers(layers: Any) -> bool:
    """Whether layers are a list of numbers from 0."""
    return isinstance(layers, list | tuple) and all(type(n) is int and n >= 0 for n in layers)


def benchmark_part(given: Any) -> Part:
    """Return the complete part that says which benchmark.

    Args:
        given: a name, the path of a file, or a dict with it as `name` and with options; a list
            of them, or a dict with `test`, `train`, `map` and `rescale`, are several corpora; None
            is the demo.

    Raises:
        SerbenchError: an unknown name or option, a wrong value, or a file that is missing.
    """
    if isinstance(given, list | tuple):
        given = {"test": given}
    several = isinstance(given, Mapping) and "test" in given
    name, options = _split("benchmark", given, ACROSS if several else "demo")
    if name == ACROSS:
        from serbench.runs.across import across_part

        return across_part(options)
    if not name.endswith(".toml"):
        return plugin_part("benchmarks", name, options)
    from serbench.benchmarks.reading import custom

    if options:
        msg = f"benchmark file '{name}' takes no options ({', '.join(options)}); edit the file"
        raise SerbenchError(msg)
    files = custom.files(Path(name).expanduser())
    contents = {role: digest_path(path) for role, path in files.items()}
    return Part(name=name, origin="file", contents=contents)


def _protocol(benchmark: Benchmark, given: Any) -> Part:
    """Return the protocol's part with all options; the factories check their own."""
    from serbench.benchmarks.splitting import protocols

    name, options = _split("protocol", given, next(iter(benchmark.protocols)))
    if "across_corpora" in benchmark.protocols and name not in benchmark.protocols:
        msg = (
            f"protocol '{name}' splits what --train-on has split already; leave one of the two out "
            "(--benchmark emodb,crema_d names several corpora for a protocol to split)"
        )
        raise SerbenchError(msg)
    make_protocol(benchmark, Part(name=name, options=options))
    build = benchmark.protocols.get(name) or protocols.find(name)
    defaults = protocols.complete(build, {})
    return Part(name=name, options=protocols.complete(build, options), defaults=defaults)


__all__ = [
    "KEYS",
    "Part",
    "Recipe",
    "benchmark_part",
    "make_benchmark",
    "make_protocol",
    "path_of",
    "read_recipe",
    "resolve",
    "resolve_data",
    "shipped",
    "steps_of",
    "summary",
]
