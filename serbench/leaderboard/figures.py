"""How numbers are written, the same in every table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from serbench.leaderboard.table import Board, Row, Spread, mains

if TYPE_CHECKING:
    from serbench.scoring.intervals import Interval


def number(value: float) -> str:
    """Return three decimals without a minus before zero, or "nan"."""
    return "nan" if math.isnan(value) else f"{value:z.3f}"


def signed(value: float) -> str:
    """Return three decimals with their sign, zero's being a plus, or "nan"."""
    return "nan" if math.isnan(value) else f"{value:+z.3f}"


def chance(p: float) -> str:
    """Return "= 0.012", or "< 0.001" where three decimals would say that p is nothing."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def with_spread(value: Spread, gap: str = " ") -> str:
    """Return "0.852 ± 0.031 (0.004)", over folds and, in brackets, over seeds, as far as known."""
    parts = [number(value.mean)]
    if not math.isnan(value.mean):
        parts += [] if value.std is None else [f"± {number(value.std)}"]
        parts += [] if value.seeds is None else [f"({number(value.seeds)})"]
    return gap.join(parts)


def ends(interval: Interval | None) -> str:
    """Return "[0.787, 0.917]", or nothing where there is no interval."""
    return "" if interval is None else f"[{number(interval.low)}, {number(interval.high)}]"


def main_ends(board: Board, row: Row) -> str:
    """Return the interval of what ranks; of several tests each one's, "test1 [0.787, 0.917]"."""
    found = [(column.test, ends(row.intervals.get(column.key))) for column in mains(board)]
    return "; ".join(f"{test or ''} {text}".strip() for test, text in found if text)
