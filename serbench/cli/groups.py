"""Options that belong together: a named tuple among a command's parameters becomes flags."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from inspect import Parameter, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for every field of the named tuples among its parameters.

    A flag has the name, the type, the help and the default of its field, and the command is called
    with the tuples. Its other parameters stay as they are. (Dataclasses would serve as well, but
    making them takes three milliseconds of every start.)

    Args:
        command: its parameters are keyword-only; a group has no default of its own.
    """
    whole = signature(command, eval_str=True)
    groups = {p.name: p.annotation for p in whole.parameters.values() if _is_group(p.annotation)}

    @wraps(command)
    def flat(**given: Any) -> None:
        made = {
            name: group(**{field: given.pop(field) for field in group._fields})
            for name, group in groups.items()
        }
        command(**given, **made)

    flags: list[Parameter] = []
    for name, parameter in whole.parameters.items():
        flags += _flags(groups[name]) if name in groups else [parameter]
    flat.__signature__ = whole.replace(parameters=flags)  # type: ignore[attr-defined]
    flat.__annotations__ = {flag.name: flag.annotation for flag in flags}
    return flat


def _is_group(annotation: Any) -> bool:
    return hasattr(annotation, "_field_defaults")


@cache
def _flags(group: Any) -> list[Parameter]:
    """Return one parameter a field."""
    hints = get_type_hints(group, include_extras=True)
    defaults = group._field_defaults
    return [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=defaults.get(name, Parameter.empty),
            annotation=hints[name],
        )
        for name in group._fields
    ]
