"""Protocols by name: what there is, and options that are checked before anything is split."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

from pydantic import ValidationError, validate_call

from serbench.benchmarks import Protocol
from serbench.errors import SerbenchError, unknown

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
            if not known:
                msg = f"protocol '{name}' has no options; leave out '{option}'"
                raise SerbenchError(msg)
            if option not in known:
                raise unknown(f"option of protocol '{name}'", option, known)
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
    return _find(name)(**options)


def signature(name: str) -> inspect.Signature:
    """Return the options of the protocol `name`, with their defaults.

    Raises:
        SerbenchError: an unknown name.
    """
    return inspect.signature(_find(name))


def describe() -> dict[str, str]:
    """Return one line on each protocol, by name."""
    return {name: (inspect.getdoc(_FACTORIES[name]) or "").split("\n")[0] for name in names()}


def _find(name: str) -> Callable[..., Protocol]:
    if name not in _FACTORIES:
        raise unknown("protocol", name, _FACTORIES, "see `serbench list protocols`")
    return _FACTORIES[name]
