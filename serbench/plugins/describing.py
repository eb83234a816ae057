"""What the source of a plugin says of it, read with `ast`: nothing is imported for that."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional, Union

from serbench.errors import SerbenchError

_TYPES: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool}

REQUIRED: Any = type("Required", (), {"__repr__": lambda _: "(must be given)"})()
"""In place of the default of an option that has none."""


@dataclass(frozen=True)
class Option:
    """A keyword option of a plugin: its type and its default, or `REQUIRED`."""

    name: str
    type: Any
    default: Any


def parsed(what: str, source: Path) -> ast.Module:
    """Return the syntax tree of a file.

    Args:
        what: begins a message.
        source: the file.

    Raises:
        SerbenchError: it is not Python, or cannot be read.
    """
    try:
        return ast.parse(source.read_bytes())
    except SyntaxError as error:
        line = f" line {error.lineno}" if error.lineno else ""
        msg = f"{what} is not Python: {source}{line}: {error.msg}"
        raise SerbenchError(msg) from error
    except OSError as error:
        msg = f"{what} cannot be read: {source}: {error.strerror}; see to its permissions"
        raise SerbenchError(msg) from error
    except (ValueError, RecursionError, MemoryError) as error:
        msg = f"{what} is not Python: {source}: {error}"
        raise SerbenchError(msg) from error


def options(where: str, function: ast.FunctionDef, taken: Collection[str]) -> dict[str, Option]:
    """Return the keyword-only options of a function, by name.

    Args:
        where: begins a message.
        function: its syntax tree.
        taken: names that no option may have.

    Raises:
        SerbenchError: a name that is taken, or an option that cannot be read.
    """
    found: dict[str, Option] = {}
    for arg, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if arg.arg in taken:
            msg = f"{where}: a recipe means something else by '{arg.arg}'; rename the option"
            raise SerbenchError(msg)
        try:
            if arg.annotation is None:
                raise ValueError
            value = REQUIRED if default is None else ast.literal_eval(default)
            found[arg.arg] = Option(arg.arg, _type(arg.annotation), value)
        except (ValueError, KeyError) as error:
            msg = (
                f"{where}: option '{arg.arg}' needs an annotation of int, float, str, bool, None, "
                "Literal or tuple, and a literal default or none"
            )
            raise SerbenchError(msg) from error
    return found


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


def constants(tree: ast.Module) -> dict[str, Any]:
    """Return the constants of a module that are written as literals, by name."""
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
