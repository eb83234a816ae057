"""Protocols by name: what there is, and options that are checked before anything is split."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, get_type_hints

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError, validate_call

from serbench.benchmarks import Protocol
from serbench.errors import SerbenchError, unknown, unknown_option

P = ParamSpec("P")

_FACTORIES: dict[str, Callable[..., Protocol]] = {}


def factory(build: Callable[P, Protocol]) -> Callable[P, Protocol]:
    """Give a factory of protocols its name, and check what it is called with against its types.

    The options must be keyword-only. A wrong name or type is a `SerbenchError`, also through
    `functools.partial`.
    """
    name = build.__name__
    known = list(inspect.signature(build).parameters)
    checked = validate_call(build)

    @functools.wraps(build)
    def made(*args: P.args, **options: P.kwargs) -> Protocol:
        for option in options:
            if option not in known:
                raise unknown_option(f"protocol '{name}'", option, known)
        try:
            return checked(*args, **options)
        except ValidationError as error:
            first = error.errors()[0]
            option = ".".join(str(part) for part in first["loc"])
            msg = f"option '{option}' of protocol '{name}': {first['msg']}, not {first['input']!r}"
            raise SerbenchError(msg) from error

    _FACTORIES[name] = made
    return made


def names() -> list[str]:
    """Return the names of all protocols, sorted."""
    return sorted(_FACTORIES)


def make(name: str, /, **options: object) -> Protocol:
    """Return the protocol `name` with the given options.

    Raises:
        SerbenchError: an unknown name or option, or a value that the option cannot have.
    """
    return find(name)(**options)


def signature(name: str) -> inspect.Signature:
    """Return the options of the protocol `name`, with their defaults.

    Raises:
        SerbenchError: an unknown name.
    """
    return inspect.signature(find(name))


def describe() -> dict[str, str]:
    """Return one line on each protocol, by name."""
    return {name: (inspect.getdoc(_FACTORIES[name]) or "").split("\n")[0] for name in names()}


def complete(build: Callable[..., Protocol], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a factory, each as its type has it: "5" and 5.0 are 5 where it is int.

    Args:
        build: a factory, its own options perhaps bound by `functools.partial`.
        given: the others have their defaults.
    """
    parameters = inspect.signature(build).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    function = build.func if isinstance(build, functools.partial) else build
    hints = _hints(inspect.unwrap(function))
    return {n: _typed(hints.get(n, Any), v) for n, v in {**defaults, **given}.items()}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # somebody's factory, with types that are only for checkers
        return {}


def _typed(hint: Any, value: Any) -> Any:
    try:
        return TypeAdapter(hint).validate_python(value)
    except (ValidationError, PydanticSchemaGenerationError):
        return value  # its factory takes it as it is


def find(name: str) -> Callable[..., Protocol]:
    """Return the factory of the protocol `name`.

    Raises:
        SerbenchError: there is none.
    """
    if name not in _FACTORIES:
        raise unknown("protocol", name, _FACTORIES, "see `serbench list protocols`")
    return _FACTORIES[name]
