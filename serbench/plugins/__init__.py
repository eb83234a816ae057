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
import math
import reprlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from serbench.errors import SerbenchError, unknown, unknown_option
from serbench.plugins import blame, describing, loading, sources
from serbench.plugins.describing import REQUIRED, Option

Kind = Literal["upstreams", "downstreams", "benchmarks", "postprocessors"]
KINDS: tuple[Kind, ...] = ("upstreams", "downstreams", "benchmarks", "postprocessors")
# What a recipe says of a plugin beside its options; the second of an upstream alone.
_TAKEN = ("name", "layers")
# What one is called, where that is not the kind without its last letter, and its key in a recipe.
_CALLED: dict[Kind, str] = {"postprocessors": "post-processor"}
_KEYS: dict[Kind, str] = {"postprocessors": "postprocess"}
_MOST = 2**63  # what numbers stay below, so that every reader of a record takes them


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
        origin: where it comes from: "serbench", a distribution with its version, or "file".
        code: SHA-256 of all the code that it is made of (see `sources`); empty for one of serbench.
        entry: the entry point, for a plugin of another distribution.
    """

    kind: Kind
    name: str
    summary: str
    options: Mapping[str, Option]
    constants: Mapping[str, Any]
    source: Path
    origin: str
    code: str = ""
    entry: EntryPoint | None = None

    @property
    def sizes(self) -> Mapping[str, Mapping[str, str]]:
        """Published weights by name: its `WEIGHTS`, or those of the upstream in `SIZES_OF`."""
        if "SIZES_OF" in self.constants:
            return find(self.kind, self.constants["SIZES_OF"]).sizes
        published: Mapping[str, Mapping[str, str]] = self.constants.get("WEIGHTS", {})
        return published

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


def called(kind: Kind) -> str:
    """Return what one of a kind is called in a sentence."""
    return _CALLED.get(kind, kind.removesuffix("s"))


def _label(plugin: Plugin) -> str:
    return f"{called(plugin.kind)} '{plugin.name}'"


def find(kind: Kind, name: str) -> Plugin:
    """Return what is known of a plugin, without importing it.

    Args:
        kind: one of `KINDS`.
        name: of a built-in or installed plugin, or the path of a Python file (`./mine.py`).

    Raises:
        SerbenchError: no such plugin, or one whose `make` cannot be read.
    """
    if name.endswith(".py"):
        path = Path(name).expanduser()
        if not path.is_file():
            msg = f"{called(kind)} file '{name}' does not exist; give the path of a Python file"
            raise SerbenchError(msg)
        code = sources.digest(sources.of_file(path))
        return _describe(kind, path.stem, path, "file", code)
    if name in _builtin(kind) and name not in _foreign(kind):
        return _own(kind, name)
    if name not in _foreign(kind):
        raise unknown(called(kind), name, names(kind), f"or give the path of a file, ./{name}.py")
    return _installed(kind, name)


def _installed(kind: Kind, name: str) -> Plugin:
    """Return what is known of a plugin of another distribution."""
    entry, *others = _foreign(kind)[name]
    if others or name in _builtin(kind):
        dists = [each.dist.name if each.dist else "a package" for each in (entry, *others)]
        taken = " of a built-in one" if name in _builtin(kind) else ""
        msg = (
            f"{called(kind)} '{name}' of {' and '.join(dists)} has the "
            f"name{taken or ' of another'}; rename it or uninstall that package"
        )
        raise SerbenchError(msg)
    source = sources.module_file(entry)
    if source is None or entry.dist is None:
        msg = (
            f"{called(kind)} '{name}' is announced as {entry.value}, which is not there; "
            "reinstall it"
        )
        raise SerbenchError(msg)
    code = sources.digest(sources.of_entry(entry))
    return _describe(kind, name, source, f"{entry.dist.name} {entry.dist.version}", code, entry)


def validate(plugin: Plugin, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a plugin: those given, checked against their types, and the defaults.

    Raises:
        SerbenchError: an option that does not exist, or a value of the wrong type.
    """
    label = _label(plugin)
    for key in options:
        if key not in plugin.options:
            raise unknown_option(label, key, plugin.options)
    part = _KEYS.get(plugin.kind, called(plugin.kind))
    for name, option in plugin.options.items():
        if option.default is REQUIRED and name not in options:
            msg = (
                f"{label} needs option '{name}'; give --set {part}.{name}=VALUE to a run, "
                f"--set {name}=VALUE to a command that is about this alone"
            )
            raise SerbenchError(msg)
    return {
        option.name: _checked(label, option, options.get(option.name, option.default))
        for option in plugin.options.values()
    }


def defaults(plugin: Plugin) -> dict[str, Any]:
    """Return the options of a plugin that need not be given, with what they then are."""
    own = {name: o.default for name, o in plugin.options.items() if o.default is not REQUIRED}
    label = _label(plugin)
    return {name: _checked(label, plugin.options[name], value) for name, value in own.items()}


def make(plugin: Plugin, *args: Any, options: Mapping[str, Any]) -> Any:
    """Import a plugin and call its `make`.

    Raises:
        SerbenchError: a wrong option, or the plugin fails.
    """
    complete, function = validate(plugin, options), _load(plugin)
    with blamed(plugin):
        return function(*args, **complete)


def blamed(plugin: Plugin) -> AbstractContextManager[None]:
    """Return in what an exception that comes out of a plugin of others becomes one sentence."""
    if not plugin.code:
        return nullcontext()
    return blame.blamed(_label(plugin), lambda: files(plugin).values())


def files(plugin: Plugin) -> dict[str, Path]:
    """Return the files that are the code of a plugin of others, by their names."""
    if plugin.entry is None:
        return sources.of_file(plugin.source)
    return sources.of_entry(plugin.entry)


def adapter(plugin: Plugin) -> Callable[..., dict[str, Any]]:
    """Import an upstream with `ADAPTED_BY` and return its `adapt` (see `serbench.upstreams`).

    Raises:
        SerbenchError: there is none, or `ADAPTED_BY` names an option that `make` does not have.
    """
    for name in plugin.adapted_by:
        if name not in plugin.options:
            raise unknown_option(
                f"{_label(plugin)}, whose ADAPTED_BY names it,", name, plugin.options
            )
    function: Callable[..., dict[str, Any]] | None = getattr(module(plugin), "adapt", None)
    if function is None:
        msg = f"{plugin.source} has the constant ADAPTED_BY but no function 'adapt'; define one"
        raise SerbenchError(msg)
    return function


def _load(plugin: Plugin) -> Callable[..., Any]:
    attribute = plugin.entry.attr if plugin.entry is not None else "make"
    function: Callable[..., Any] = getattr(module(plugin), attribute)
    return function


def module(plugin: Plugin) -> ModuleType:
    """Import a plugin.

    Raises:
        SerbenchError: something that it imports is not there, or it fails.
    """
    with blamed(plugin):
        return _found(plugin)


def _found(plugin: Plugin) -> ModuleType:
    try:
        return _imported(plugin)
    except ModuleNotFoundError as error:
        moved = "; serbench's modules have moved, CONTRIBUTING.md shows where"
        remedy = moved if (error.name or "").startswith("serbench") else "; install it"
        msg = f"{_label(plugin)} imports '{error.name}', which is not there{remedy}"
        raise SerbenchError(msg) from error


def _imported(plugin: Plugin) -> ModuleType:
    if plugin.entry is not None:
        return loading.import_installed(plugin.entry.module, plugin.code)
    if not plugin.code:
        return importlib.import_module(f"serbench.{plugin.kind}.{plugin.name}")
    return loading.import_file(plugin.source, plugin.code)


@functools.cache
def _builtin(kind: Kind) -> dict[str, Path]:
    folder = Path(__file__).parents[1] / kind
    return {f.stem: f for f in folder.glob("*.py") if not f.name.startswith("_")}


@functools.cache
def _foreign(kind: Kind) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a kind by their names, of which there should be one each."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=f"serbench.{kind}"):
        found.setdefault(entry.name, []).append(entry)
    return found


@functools.cache
def _own(kind: Kind, name: str) -> Plugin:
    """Return what is known of a built-in plugin, whose source is read once."""
    return _describe(kind, name, _builtin(kind)[name], "serbench")


def _describe(
    kind: Kind,
    name: str,
    source: Path,
    origin: str,
    code: str = "",
    entry: EntryPoint | None = None,
) -> Plugin:
    tree = describing.parsed(f"{called(kind)} '{name}'", source)
    attribute = entry.attr if entry is not None else "make"
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == attribute]
    if not functions:
        msg = f"{called(kind)} '{name}': {source} has no function '{attribute}'; define one"
        raise SerbenchError(msg)
    doc = (ast.get_docstring(tree) or "").split("\n")[0]
    taken = _TAKEN if kind == "upstreams" else _TAKEN[:1]
    options = describing.options(f"{source}: {attribute}", functions[0], taken)
    return Plugin(kind, name, doc, options, describing.constants(tree), source, origin, code, entry)


def _checked(label: str, option: Option, value: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(option.type)
    try:
        found = adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        msg = f"option '{option.name}' of {label}: {reason}, not {reprlib.repr(value)}"
        raise SerbenchError(msg) from error
    if is_switch(value, found):
        msg = f"option '{option.name}' of {label} takes numbers, not {reprlib.repr(value)}"
        raise SerbenchError(msg)
    if beyond := _out_of_bounds(found):
        msg = f"option '{option.name}' of {label}: {beyond}, not {reprlib.repr(value)}"
        raise SerbenchError(msg)
    return found


def is_switch(given: Any, found: Any) -> bool:
    """Whether true or false was given where numbers are meant: pydantic takes them for 1 and 0.

    Args:
        given: a value, or several.
        found: what pydantic made of it.

    >>> is_switch(True, 1), is_switch([2, True], (2, 1)), is_switch(True, True), is_switch(1, 1)
    (True, True, False, False)
    """
    if isinstance(given, list | tuple) and isinstance(found, tuple):
        return any(map(is_switch, given, found))
    return isinstance(given, bool) and isinstance(found, int | float) and found is not given


def _out_of_bounds(value: Any) -> str | None:
    """Return what a number must be that a record can hold, or None if it is."""
    if isinstance(value, tuple):
        return next(filter(None, map(_out_of_bounds, value)), None)
    if isinstance(value, float) and not math.isfinite(value):
        return "give a finite number"
    if isinstance(value, int | float) and not abs(value) < _MOST:
        whole = "whole " if isinstance(value, int) else ""
        return f"give a {whole}number of at most 18 digits"
    return None
