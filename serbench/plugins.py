"""The only place that turns a name into code.

A plugin is a module with a function `make` and keyword options: any file of `serbench/<kind>` whose
name begins with no underscore, an entry point of the group `serbench.<kind>`, or a Python file by
its path. Listing and describing read the source with `ast`, so that nothing heavy is imported
before a plugin is made.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Optional, Union

from pydantic import TypeAdapter, ValidationError

from serbench.digests import digest_path
from serbench.errors import SerbenchError, unknown

Kind = Literal["upstreams", "downstreams", "benchmarks"]
KINDS: tuple[Kind, ...] = ("upstreams", "downstreams", "benchmarks")
# What a recipe says of a plugin beside its options; the second of an upstream alone.
_TAKEN = ("name", "layers")
_TYPES: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Option:
    """A keyword option of a plugin: its type and its default."""

    name: str
    type: Any
    default: Any


@dataclass(frozen=True)
class Plugin:
    """What is known of a plugin without importing it.

    Attributes:
        kind: the folder it belongs to.
        name: as the user writes it.
        summary: first line of the module docstring.
        options: of its `make`, by name.
        constants: the module's literal constants, such as `TRAINING`.
        source: its Python file.
        origin: "serbench", the distribution and version it came with, or the digest of its file.
        entry: the entry point, for a plugin of another distribution.
    """

    kind: Kind
    name: str
    summary: str
    options: Mapping[str, Option]
    constants: Mapping[str, Any]
    source: Path
    origin: str
    entry: EntryPoint | None = None

    @property
    def adapted_by(self) -> tuple[str, ...]:
        """Options that decide how it adapts to a corpus before it encodes; empty: it does not."""
        return tuple(self.constants.get("ADAPTED_BY", ()))


def names(kind: Kind) -> list[str]:
    """Return the names of all installed plugins of a kind, sorted."""
    return sorted({*_builtin(kind), *_foreign(kind)})


def builtin(kind: Kind, name: str) -> str | None:
    """Return the built-in plugin that has a name, in whatever case it is written, or None."""
    return {own.casefold(): own for own in _builtin(kind)}.get(name.casefold())


def find(kind: Kind, name: str) -> Plugin:
    """Return what is known of a plugin, without importing it.

    Args:
        kind: "upstreams", "downstreams" or "benchmarks".
        name: of a built-in or installed plugin, or the path of a Python file (`./mine.py`).

    Raises:
        SerbenchError: no such plugin, or one whose `make` cannot be read.
    """
    if name.endswith(".py"):
        path = Path(name).expanduser()
        if not path.is_file():
            msg = f"{kind[:-1]} file '{name}' does not exist; give the path of a Python file"
            raise SerbenchError(msg)
        return _describe(kind, path.stem, path, f"file {digest_path(path)[:16]}")
    if name in _builtin(kind):
        return _describe(kind, name, _builtin(kind)[name], "serbench")
    if name not in _foreign(kind):
        raise unknown(kind[:-1], name, names(kind), f"or give the path of a file, ./{name}.py")
    entry = _foreign(kind)[name]
    spec = importlib.util.find_spec(entry.module)
    if spec is None or spec.origin is None or entry.dist is None:
        msg = (
            f"{kind[:-1]} '{name}' is announced as {entry.value}, which is not there; reinstall it"
        )
        raise SerbenchError(msg)
    origin = f"{entry.dist.name} {entry.dist.version}"
    return _describe(kind, name, Path(spec.origin), origin, entry)


def validate(plugin: Plugin, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a plugin: those given, checked against their types, and the defaults.

    Raises:
        SerbenchError: an option that does not exist, or a value of the wrong type.
    """
    label = f"{plugin.kind[:-1]} '{plugin.name}'"
    for key in options:
        if key not in plugin.options:
            raise unknown(f"option of {label}", key, plugin.options)
    return {
        option.name: _checked(label, option, options.get(option.name, option.default))
        for option in plugin.options.values()
    }


def make(plugin: Plugin, *args: Any, options: Mapping[str, Any]) -> Any:
    """Import a plugin and call its `make`."""
    return _load(plugin)(*args, **validate(plugin, options))


def adapter(plugin: Plugin) -> Callable[..., dict[str, Any]]:
    """Import an upstream with `ADAPTED_BY` and return its `adapt` (see `serbench.upstreams`).

    Raises:
        SerbenchError: there is none, or `ADAPTED_BY` names an option that `make` does not have.
    """
    for name in plugin.adapted_by:
        if name not in plugin.options:
            raise unknown(f"option of '{plugin.name}' (in ADAPTED_BY)", name, plugin.options)
    function: Callable[..., dict[str, Any]] | None = getattr(_module(plugin), "adapt", None)
    if function is None:
        msg = f"{plugin.source} has the constant ADAPTED_BY but no function 'adapt'; define one"
        raise SerbenchError(msg)
    return function


def _load(plugin: Plugin) -> Callable[..., Any]:
    attribute = plugin.entry.attr if plugin.entry is not None else "make"
    function: Callable[..., Any] = getattr(_module(plugin), attribute)
    return function


def _module(plugin: Plugin) -> ModuleType:
    try:
        return _imported(plugin)
    except ModuleNotFoundError as error:
        moved = "; serbench's modules have moved, CONTRIBUTING.md shows where"
        remedy = moved if (error.name or "").startswith("serbench") else "; install it"
        msg = (
            f"{plugin.kind[:-1]} '{plugin.name}' imports '{error.name}', which is not there{remedy}"
        )
        raise SerbenchError(msg) from error


def _imported(plugin: Plugin) -> ModuleType:
    if plugin.entry is not None:
        return importlib.import_module(plugin.entry.module)
    if plugin.origin == "serbench":
        return importlib.import_module(f"serbench.{plugin.kind}.{plugin.name}")
    return _import_file(plugin.source)


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"serbench_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        msg = f"'{path}' cannot be imported; give a Python file"
        raise SerbenchError(msg)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _builtin(kind: Kind) -> dict[str, Path]:
    folder = Path(__file__).parent / kind
    return {f.stem: f for f in folder.glob("*.py") if not f.name.startswith("_")}


@functools.cache
def _foreign(kind: Kind) -> dict[str, EntryPoint]:
    found = {e.name: e for e in entry_points(group=f"serbench.{kind}")}
    taken = sorted(name for name in found if builtin(kind, name))
    if taken:
        dist = found[taken[0]].dist
        msg = (
            f"{kind[:-1]} '{taken[0]}' of {dist.name if dist else 'a package'} has the name of a "
            "built-in one; rename it or uninstall that package"
        )
        raise SerbenchError(msg)
    return found


def _describe(
    kind: Kind, name: str, source: Path, origin: str, entry: EntryPoint | None = None
) -> Plugin:
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except SyntaxError as error:
        msg = f"{kind[:-1]} '{name}' is not Python: {source} line {error.lineno}: {error.msg}"
        raise SerbenchError(msg) from error
    attribute = entry.attr if entry is not None else "make"
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == attribute]
    if not functions:
        msg = f"{kind[:-1]} '{name}': {source} has no function '{attribute}'; define one"
        raise SerbenchError(msg)
    doc = (ast.get_docstring(tree) or "").split("\n")[0]
    options = {o.name: o for o in _options(f"{source}: {attribute}", functions[0], kind)}
    return Plugin(kind, name, doc, options, _constants(tree), source, origin, entry)


def _options(where: str, function: ast.FunctionDef, kind: Kind) -> list[Option]:
    options = []
    taken = _TAKEN if kind == "upstreams" else _TAKEN[:1]
    for arg, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if arg.arg in taken:
            msg = f"{where}: a recipe means something else by '{arg.arg}'; rename the option"
            raise SerbenchError(msg)
        try:
            if arg.annotation is None or default is None:
                raise ValueError
            options.append(Option(arg.arg, _type(arg.annotation), ast.literal_eval(default)))
        except (ValueError, KeyError) as error:
            msg = (
                f"{where}: option '{arg.arg}' needs an annotation of int, float, str, bool, None, "
                "Literal or tuple, and a literal default"
            )
            raise SerbenchError(msg) from error
    return options


def _type(node: ast.expr) -> Any:
    """Return the type that an annotation's syntax tree means; only plain types are known."""
    match node:
        case ast.Name(id=name):
            return _TYPES[name]
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_type(left), _type(right)]  # noqa: UP007 - built from values
        case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
            return Literal[ast.literal_eval(values)]
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return Optional[_type(inner)]  # noqa: UP045 - built from values
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, _])):
            return tuple[_type(item), ...]  # type: ignore[misc]
    raise ValueError


def _constants(tree: ast.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        try:
            found[name] = ast.literal_eval(value)
        except ValueError:
            continue
    return found


def _checked(label: str, option: Option, value: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(option.type)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        msg = f"option '{option.name}' of {label}: {reason}, not {value!r}"
        raise SerbenchError(msg) from error
