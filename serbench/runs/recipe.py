"""A recipe: all that defines a run, validated; its digest names everything made from it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    field_validator,
    model_validator,
)

from serbench import bounds, plugins
from serbench.digests import digest_json, digest_path, local_path
from serbench.errors import SerbenchError, unknown
from serbench.leaderboard.record import Labels
from serbench.training.settings import FineTuning, Precision, Stage, Training

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark, Protocol

M = TypeVar("M", bound=BaseModel)
Layers = Literal["all", "last"] | tuple[NonNegativeInt, ...]

# Raised when a change of the code changes the numbers of an unchanged recipe.
FORMAT = 2

_PARTS = ("downstream", "benchmark", "protocol")
_PLAIN = ("seeds", "leave_out_broken", "fusion", "precision")

# Settings that are younger than FORMAT, with what older recipes meant by leaving them out: at that
# value they count neither in the digest nor in the record.
_YOUNGER: Mapping[str, Any] = {
    "finetune": None,
    "precision": "float16",
    "training.average": 1,
    "training.schedule": "constant",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Fusion = Literal["early", "late"]
KEYS = ("upstream", "downstream", "benchmark", "protocol", "training", "finetune", *_PLAIN)
"""What a recipe may name."""


class Part(_Frozen):
    """One pluggable part of a run.

    Attributes:
        name: of the plugin, or the path of a file.
        options: all of them, defaults included.
        origin: where the code comes from: "serbench", a distribution with its version, a digest.
        layers: which of an upstream's layers are learnt from: "all", "last", or numbers from 0.
        contents: option name to SHA-256, for options that name a file or folder; the content
            counts in the recipe's digest, the path does not.
    """

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    origin: str = "serbench"
    contents: dict[str, str] = Field(default_factory=dict)
    layers: Layers = "all"

    def identity(self) -> dict[str, Any]:
        """Return what the part is, wherever its files lie."""
        name = Path(self.name).stem if self.name.endswith((".py", ".toml")) else self.name
        options = self.options | {k: f"sha256:{v}" for k, v in self.contents.items()}
        seen = {} if self.layers == "all" else {"layers": self.layers}
        return {"name": name, "options": options, "origin": self.origin} | seen


class Recipe(_Frozen):
    """All that defines a run.

    Attributes:
        upstreams: what encodes, one or several.
        downstream: what aggregates.
        benchmark: corpus and task.
        protocol: how it is split.
        training: how the head is trained.
        seeds: one training a fold for each.
        leave_out_broken: go on without unusable files; the result lists them.
        fusion: of several upstreams: "early" gives one head their frames side by side, "late"
            gives each a head of its own.
        finetune: how each upstream is trained with labels first, one a fold, with a mean and a
            linear output; the head then learns from the frozen result. None: it is not.
        precision: in which the frames of frozen upstreams are stored; means over time are in
            single precision in any case.
    """

    upstreams: tuple[Part, ...] = Field(min_length=1)
    downstream: Part
    benchmark: Part
    protocol: Part
    training: Training
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0,), min_length=1)
    leave_out_broken: bool = False
    fusion: Fusion | None = None
    finetune: Stage | None = None
    precision: Precision = "float16"

    @field_validator("seeds")
    @classmethod
    def _each_seed_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            msg = "a seed twice gives the same trial twice; give different ones"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fused_if_several(self) -> Self:
        if len(self.upstreams) == 1 and self.fusion is not None:
            name = self.upstreams[0].name
            msg = f"fusion '{self.fusion}' of one upstream, {name}; give several, or leave it out"
            raise ValueError(msg)
        if len(self.upstreams) > 1 and self.fusion is None:
            names = ", ".join(part.name for part in self.upstreams)
            msg = f"{len(self.upstreams)} upstreams ({names}) need fusion: early or late"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _trained_once(self) -> Self:
        if self.finetune is not None and self.training.finetune:
            msg = (
                "upstreams are fine-tuned before the head (finetune) or together with it "
                "(training.finetune), not both; leave one out"
            )
            raise ValueError(msg)
        return self

    @property
    def labels(self) -> Labels:
        """How its row in a table is called."""
        size = self.downstream.options.get("size")
        head = Path(self.downstream.name).stem
        names = [Path(part.name).stem for part in self.upstreams]
        weights = [_weights(part) for part in self.upstreams]
        return Labels(
            # as in the table of Morais et al.: + is early fusion, & is late
            upstream=("&" if self.fusion == "late" else "+").join(names),
            weights="-" if set(weights) == {"-"} else ", ".join(weights),
            downstream=head if size is None else f"{head}.{size}",
        )

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values, less what a recipe means by leaving it out."""
        return _without(self.model_dump(mode="json"), _YOUNGER)

    def digest(self) -> str:
        """Return the SHA-256 (64 hex) that names this run: same digest, same result."""
        parts = {name: getattr(self, name).identity() for name in _PARTS}
        upstreams = {"upstreams": [part.identity() for part in self.upstreams]}
        return digest_json(self.plain() | parts | upstreams | {"format": FORMAT})


def _without(tree: Mapping[str, Any], unsaid: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a nested dict less the entries, by their dotted paths, that have an unsaid value."""
    kept = {}
    for key, value in tree.items():
        path = f"{above}{key}"
        if path not in unsaid or value != unsaid[path]:
            nested = isinstance(value, Mapping)
            kept[key] = _without(value, unsaid, f"{path}.") if nested else value
    return kept


def _weights(part: Part) -> str:
    """Return how the weights of an upstream are called in a table."""
    weights = part.options.get("weights") or "-"
    # a folder of somebody's own is not taken for a published size of the same name
    place = "./" if "weights" in part.contents else ""
    return f"{place}{Path(weights).absolute().name}"


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
        return bounds.read_toml(path)
    except FileNotFoundError as error:
        msg = f"recipe file '{path}' does not exist; `serbench list recipes` shows those shipped"
        raise SerbenchError(msg) from error
    except OSError as error:
        msg = f"recipe file '{path}' cannot be read ({error.strerror}); give a TOML file"
        raise SerbenchError(msg) from error
    except ValueError as error:
        msg = f"recipe file '{path}' is not valid TOML: {error}"
        raise SerbenchError(msg) from error


def resolve(raw: Mapping[str, Any]) -> Recipe:
    """Return the complete recipe that a nested dict means.

    Args:
        raw: `upstream`, `downstream`, `benchmark`, `protocol`: a name, or a dict of `name` and
            options, an upstream also of `layers`; several upstreams are a list; `training`: a dict;
            `seeds`, `leave_out_broken`, `fusion`, `precision`; `finetune`: a dict, or true. What is
            missing gets its default: the benchmark's first protocol, the downstream's recommended
            training.

    Raises:
        SerbenchError: an unknown key or name, or a wrong value.
    """
    for key in raw:
        if key not in KEYS:
            raise unknown("recipe key", key, KEYS)
    benchmark, protocol = resolve_data(raw)
    downstream = plugins.find("downstreams", _split("downstream", raw.get("downstream"))[0])
    recommended = downstream.constants.get("TRAINING", {})
    given = raw.get("training", {})
    if not isinstance(given, Mapping):
        msg = f"recipe key 'training' must be a table of settings, not {given!r}"
        raise SerbenchError(msg)
    if isinstance(given.get("finetune"), Mapping):
        tuning = _model(FineTuning, "training.finetune", given["finetune"])
        given = {**given, "finetune": tuning}
    return _model(
        Recipe,
        "recipe",
        {
            "upstreams": [_upstream(each) for each in _several(raw.get("upstream"))],
            "downstream": _part("downstreams", *_split("downstream", raw.get("downstream"))),
            "benchmark": benchmark,
            "protocol": protocol,
            "training": _model(Training, "training", {**recommended, **given}),
            "finetune": _stage(raw.get("finetune")),
            **{k: raw[k] for k in _PLAIN if k in raw},
        },
    )


def _stage(given: Any) -> Stage | None:
    """Return how upstreams are fine-tuned before the head, if they are."""
    if given is None or isinstance(given, bool):
        return Stage() if given else None
    if not isinstance(given, Mapping):
        msg = f"recipe key 'finetune' must be a table of settings, true or false, not {given!r}"
        raise SerbenchError(msg)
    return _model(Stage, "finetune", given)


def resolve_data(raw: Mapping[str, Any]) -> tuple[Part, Part]:
    """Return the complete benchmark and protocol that a nested dict means, as `resolve` does."""
    benchmark = benchmark_part(raw.get("benchmark"))
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


def _several(given: Any) -> list[Any]:
    """Return the upstreams that a recipe names: one, or a list of them."""
    if isinstance(given, list | tuple) and given:
        return list(given)
    return [given]


def _upstream(given: Any) -> Part:
    name, options = _split("upstream", given)
    plugin = plugins.find("upstreams", name)
    layers = options.pop("layers", plugin.constants.get("LAYERS", "all"))
    if layers not in ("all", "last") and not isinstance(layers, list | tuple):
        msg = f"upstream key 'layers' is {layers!r}; give all, last, or a list such as [0, 3]"
        raise SerbenchError(msg)
    return _model(
        Part, "upstream", _part("upstreams", name, options).model_dump() | {"layers": layers}
    )


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


def benchmark_part(given: Any) -> Part:
    """Return the complete part that says which benchmark.

    Args:
        given: a name, the path of a file, or a dict with it as `name` and with options; None is
            the demo.

    Raises:
        SerbenchError: an unknown name or option, a wrong value, or a file that is missing.
    """
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
        if not field:
            msg = f"{what}: {first['msg'].removeprefix('Value error, ')}"
        raise SerbenchError(msg) from error
