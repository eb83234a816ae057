"""Lists as a sentence has room for them."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 3


def some(names: Sequence[object]) -> str:
    """Return the first names of many, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(map(str, names[:_SHOWN]))}{more}"
