"""What a part of a recipe means, looked up once for the thousands of recipes of a grid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")

_KNOWN: ContextVar[dict[str, Any] | None] = ContextVar("_KNOWN", default=None)


@contextmanager
def remembering(known: dict[str, Any] | None = None) -> Iterator[None]:
    """Take it inside that no plugin and no file changes.

    Args:
        known: from before, and is added to; None: what is known outside, or nothing.
    """
    around = _KNOWN.get()
    before = _KNOWN.set(known if known is not None else {} if around is None else around)
    try:
        yield
    finally:
        _KNOWN.reset(before)


def remembered(function: Callable[..., T]) -> Callable[..., T]:
    """Let a function of JSON values be called once for each of them, while `remembering`."""

    @wraps(function)
    def once(*given: Any) -> T:
        known = _KNOWN.get()
        if known is None:
            return function(*given)
        key = f"{function.__qualname__} {json.dumps(given, default=repr)}"
        if key not in known:
            known[key] = function(*given)
        value: T = known[key]
        return value

    return once
