"""How numbers are written, the same in every table."""

from __future__ import annotations

import math

from serbench.leaderboard.table import Spread


def number(value: float) -> str:
    """Return three decimals without a minus before zero, or "nan"."""
    return "nan" if math.isnan(value) else f"{value:z.3f}"


def with_spread(value: Spread, gap: str = " ") -> str:
    """Return "0.852 ± 0.031", or the mean alone if there is no spread."""
    if value.std is None or math.isnan(value.mean):
        return number(value.mean)
    return f"{number(value.mean)}{gap}± {number(value.std)}"
