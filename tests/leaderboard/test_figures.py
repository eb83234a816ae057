"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from serbench.leaderboard.figures import chance, number, signed, with_spread
from serbench.leaderboard.table import Spread


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8525, "0.853"), (-0.25, "-0.250"), (-0.0001, "0.000"), (math.nan, "nan")],
)
def test_three_decimals(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "+0.250"), (-0.25, "-0.250"), (-0.0001, "+0.000"), (math.nan, "nan")],
)
def test_a_difference_has_its_sign(value: float, text: str) -> None:
    assert signed(value) == text


def test_no_chance_is_written_as_none() -> None:
    assert [chance(p) for p in (0.0, 4e-4, 0.0012, 1.0)] == [
        *["< 0.001"] * 2,
        *["= 0.001", "= 1.000"],
    ]


def test_a_spread_only_where_there_is_one() -> None:
    assert with_spread(Spread(0.5, 0.1)) == "0.500 ± 0.100"
    assert with_spread(Spread(0.5, None)) == "0.500"
    assert with_spread(Spread(math.nan, 0.1)) == "nan"
