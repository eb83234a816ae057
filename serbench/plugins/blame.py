"""An exception in somebody's plugin as one sentence; its traceback goes into a file.

Whoever calls such code does so within `blamed`. Checks, which go on after an exception, ask `told`
for the words; it looks for the place in the code of those plugins that are under blame.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from serbench.errors import SerbenchError
from serbench.home import home
from serbench.plugins import sources

_LONGEST = 80  # characters of a value
_SHOWN = 8  # parts of a value
# What may be to blame, the innermost last: its name, and its files.
_UNDER: ContextVar[tuple[tuple[str, Callable[[], Iterable[Path]]], ...]] = ContextVar(
    "under", default=()
)


class PluginError(SerbenchError):
    """Code that does not come with serbench has failed."""


@contextmanager
def blamed(what: str, files: Callable[[], Iterable[Path]]) -> Iterator[None]:
    """Turn an exception that comes out of some files into a sentence that names the place.

    Args:
        what: "upstream 'mine'".
        files: of its code; asked for only if something goes wrong.

    Raises:
        PluginError: with the exception, its place, what the code was given there, and the file
            with the traceback.
    """
    before = _UNDER.get()
    _UNDER.set((*before, (what, files)))
    try:
        yield
    except SerbenchError:
        raise
    except (Exception, SystemExit) as error:
        if not (frames := _own(files, error)):
            raise
        raise PluginError(f"{what} {_sentence(what, frames, error)}") from error
    finally:
        _UNDER.set(before)


def told(error: BaseException) -> str:
    """Return how an exception ended what was done, and where.

    Returns:
        "ends in", the exception and its place; if that is in a plugin under blame, also what the
        plugin was given and the file with the traceback. Of other code the last place that is not
        in a library.
    """
    for what, files in reversed(_UNDER.get()):
        if frames := _own(files, error):
            return _sentence(what, frames, error)
    every = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in every if not sources.is_library(Path(frame.filename))]
    last = (own or every)[-1]
    return f"{_ended(error)} ({last.filename} line {last.lineno})"


def _own(files: Callable[[], Iterable[Path]], error: BaseException) -> list[tuple[FrameType, int]]:
    """Return the frames of an exception that are in some files, the outermost first."""
    own = {path.resolve() for path in files()}
    walked = traceback.walk_tb(error.__traceback__)
    return [(f, line) for f, line in walked if Path(f.f_code.co_filename).resolve() in own]


def _ended(error: BaseException) -> str:
    return f"ends in {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _sentence(what: str, frames: list[tuple[FrameType, int]], error: BaseException) -> str:
    (outer, _), (inner, line) = frames[0], frames[-1]
    code = inner.f_code
    sentence = f"{_ended(error)} ({code.co_filename} line {line}"
    sentence += f", in {code.co_name})" if code.co_name != "<module>" else ")"
    if given := _arguments(outer):
        sentence += f"; {outer.f_code.co_name} was given {given}"
    written = log(what, error)
    return sentence + (f"; traceback: {written}" if written else "")


def log(what: str, error: BaseException) -> Path | None:
    """Keep a traceback; the same one has the same file. None if it cannot be written."""
    text = "".join(traceback.format_exception(error))
    name = "".join(c if c.isalnum() else "-" for c in what).strip("-")
    path = home() / "logs" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        return None
    return path


def _arguments(frame: FrameType) -> str:
    """Return what a function was called with, but for the object that it belongs to."""
    code, known = frame.f_code, frame.f_locals
    names = [name for name in _parameters(code) if name != "self" and name in known]
    return ", ".join(f"{name} = {_described(known[name])}" for name in names)


def _parameters(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _described(value: Any) -> str:
    """Return a value in a few words: a tensor by its shape, a list by what is in it."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}"
    if hasattr(value, "_fields"):
        parts = [f"{name} {_described(getattr(value, name))}" for name in value._fields]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, list | tuple):
        more = ", ..." if len(value) > _SHOWN else ""
        return f"[{', '.join(map(_described, value[:_SHOWN]))}{more}]"
    if value is None or isinstance(value, bool | int | float | str | Path):
        text = repr(str(value) if isinstance(value, Path) else value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return f"a {type(value).__name__}"
