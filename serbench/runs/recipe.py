"""A recipe: all that defines a run, validated; its digest names everything made from it."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
)

from serbench import plugins
from serbench.digests import digest_json, digest_path, local_path
from serbench.errors import SerbenchError, unknown
from serbench.leaderboard.record import Labels
from serbench.training.settings import Precision, Training

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark, Protocol

M = TypeVar("M", bound=BaseModel)

# Raised when a change of the code changes the numbers of an unchanged recipe.
FORMAT = 1

_PARTS = ("upstream", "downstream", "benchmark", "protocol")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Frozen):
    """One pluggable part of a run.

    Attributes:
        name: of the plugin, or the path of a file.
        options: all of them, defaults included.
        origin: where the code comes from: "serbench", a distribution with its version, a digest.
        contents: option name to SHA-256, for options that name a file or folder; the content
            counts in the recipe's digest, the path does not.
    """

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    origin: str = "serbench"
    contents: dict[str, str] = Field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return what the part is, wherever its files lie."""
        name = Path(self.name).stem if self.name.endswith((".py", ".toml")) else self.name
        options = self.options | {k: f"sha256:{v}" for k, v in self.contents.items()}
        return {"name": name, "options": options, "origin": self.origin}


class Recipe(_Frozen):
    """All that defines a run.

    Attributes:
        upstream: what encodes.
        downstream: what aggregates.
        benchmark: corpus and task.
        protocol: how it is split.
        training: how the head is trained.
        seeds: one training a fold for each.
        leave_out_broken: go on without unusable files; the result lists them.
        precision: in which the frames of a frozen upstream are stored; means over time are in
            single precision in any case. Not in records or digests if it is the default.
    """

    upstream: Part
    downstream: Part
    benchmark: Part
    protocol: Part
    training: Training
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0,), min_length=1)
    leave_out_broken: bool = False
    precision: Precision = Field(default="float16", exclude_if=lambda given: given == "float16")

    @property
    def labels(self) -> Labels:
        """How its row in a table is called."""
        weights = self.upstream.options.get("weights") or "-"
        # a folder of somebody's own is not taken for a published size of the same name
        place = "./" if "weights" in self.upstream.contents else ""
        size = self.downstream.options.get("size")
        head = Path(self.downstream.name).stem
        return Labels(
            upstream=Path(self.upstream.name).stem,
            weights=f"{place}{Path(weights).absolute().name}",
            downstream=head if size is None else f"{head}.{size}",
        )

    def digest(self) -> str:
        """Return the SHA-256 (64 hex) that names this run: same digest, same result."""
        parts = {name: getattr(self, name).identity() for name in _PARTS}
        return digest_json(self.model_dump(mode="json") | parts | {"format": FORMAT})


def shipped() -> list[Path]:
    """Return the recipe files that come with the package, sorted."""
    return sorted((Path(__file__).parent / "recipes").glob("*.toml"))


def path_of(name: str) -> Path:
    """Return the file of a recipe: the path of a .toml file, or the name of a shipped one."""
    if name.endswith(".toml"):
        return Path(name).expanduser()
    known = {path.stem: path for path in shipped()}
    if name not in known:
        raise unknown("recipe", name, known, "or give the path of a .toml file")
    return known[name]


def summary(path: Path) -> str:
    """Return what a recipe file is for: its first line, a comment."""
    return path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")


def read_recipe(path: Path) -> dict[str, Any]:
    """Return a recipe file (TOML) as a nested dict, unchecked.

    Raises:
        SerbenchError: no such file, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"recipe file '{path}' does not exist; `serbench list recipes` shows those shipped"
        raise SerbenchError(msg) from error
    except tomllib.TOMLDecodeError as error:
        msg = f"recipe file '{path}' is not valid TOML: {error}"
        raise SerbenchError(msg) from error


def resolve(raw: Mapping[str, Any]) -> Recipe:
    """Return the complete recipe that a nested dict means.

    Args:
        raw: `upstream`, `downstream`, `benchmark`, `protocol`: a name, or a dict of `name` and
            options; `training`: a dict; `seeds`, `leave_out_broken`, `precision`. What is missing
            gets its default: the benchmark's first protocol, the downstream's recommended training.

    Raises:
        SerbenchError: an unknown key or name, or a wrong value.
    """
    for key in raw:
        if key not in Recipe.model_fields:
            raise unknown("recipe key", key, Recipe.model_fields)
    benchmark, protocol = resolve_data(raw)
    downstream = plugins.find("downstreams", _split("downstream", raw.get("downstream"))[0])
    recommended = downstream.constants.get("TRAINING", {})
    given = raw.get("training", {})
    if not isinstance(given, Mapping):
        msg = f"recipe key 'training' must be a table of settings, not {given!r}"
        raise SerbenchError(msg)
    return _model(
        Recipe,
        "recipe",
        {
            "upstream": _part("upstreams", *_split("upstream", raw.get("upstream"))),
            "downstream": _part("downstreams", *_split("downstream", raw.get("downstream"))),
            "benchmark": benchmark,
            "protocol": protocol,
            "training": _model(Training, "training", {**recommended, **given}),
            **{k: raw[k] for k in ("seeds", "leave_out_broken", "precision") if k in raw},
        },
    )


def resolve_data(raw: Mapping[str, Any]) -> tuple[Part, Part]:
    """Return the complete benchmark and protocol that a nested dict means, as `resolve` does."""
    benchmark = _benchmark(raw.get("benchmark"))
    return benchmark, _protocol(make_benchmark(benchmark), raw.get("protocol"))


def make_benchmark(part: Part) -> Benchmark:
    """Return the benchmark that a part of a recipe means."""
    if part.name.endswith(".toml"):
        from serbench.benchmarks.reading import custom

        return custom.read_benchmark(Path(part.name).expanduser())
    plugin = plugins.find("benchmarks", part.name)
    made: Benchmark = plugins.make(plugin, options=part.options)
    return made


def make_protocol(benchmark: Benchmark, part: Part) -> Protocol:
    """Return the protocol that a part of a recipe means, with the benchmark's own defaults."""
    from serbench.benchmarks.splitting import protocols

    if part.name in benchmark.protocols:
        return benchmark.protocols[part.name](**part.options)
    return protocols.make(part.name, **part.options)


def _split(key: str, given: Any, default: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return name and options of a part; a table without a name has options of the default."""
    if given is None and default is not None:
        return default, {}
    if isinstance(given, str):
        return given, {}
    if isinstance(given, Mapping):
        given = {"name": default, **given}
    if not isinstance(given, Mapping) or not isinstance(given["name"], str):
        msg = (
            f"recipe key '{key}' must be a name or a table with a name, not {given!r}; "
            f"`serbench list {key}s` shows the names"
        )
        raise SerbenchError(msg)
    return given["name"], {k: v for k, v in given.items() if k != "name"}


def _part(kind: plugins.Kind, name: str, options: Mapping[str, Any]) -> Part:
    plugin = plugins.find(kind, name)
    options = plugins.validate(plugin, options)
    contents = {}
    for key, value in options.items():
        path = local_path(value) if _is_free_text(plugin.options[key], value) else None
        if path is not None:
            contents[key] = _content(f"option '{key}' of {kind[:-1]} '{name}'", path)
    return Part(name=name, options=options, origin=plugin.origin, contents=contents)


def _is_free_text(option: plugins.Option, value: Any) -> bool:
    """Whether a value is a string, and none of the words that the option's type names."""
    types = get_args(option.type) or (option.type,)
    words = [word for each in types for word in get_args(each)]
    return str in types and isinstance(value, str) and value not in words


def _content(what: str, path: Path) -> str:
    if not path.exists():
        msg = f"{what}: '{path}' does not exist; give an existing file or folder"
        raise SerbenchError(msg)
    return digest_path(path)


def _benchmark(given: Any) -> Part:
    name, options = _split("benchmark", given, "demo")
    if not name.endswith(".toml"):
        return _part("benchmarks", name, options)
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
    make_protocol(benchmark, Part(name=name, options=options))
    own = benchmark.protocols.get(name)
    known = inspect.signature(own) if own else protocols.signature(name)
    defaults = {p.name: p.default for p in known.parameters.values()}
    return Part(name=name, options=defaults | options)


def _model(model: type[M], what: str, values: Mapping[str, Any]) -> M:
    for key in values:
        if key not in model.model_fields:
            raise unknown(f"{what} key", key, model.model_fields)
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(p) for p in first["loc"])
        msg = f"{what} key '{field}': {first['msg']}, not {first['input']!r}"
        raise SerbenchError(msg) from error
