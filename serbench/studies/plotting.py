"""How the pictures of studies look: colours that all people can tell apart, and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serbench.studies.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, "Color Universal Design", 2008.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def line(
    axes: Axes, x: Sequence[float], values: Sequence[Interval], label: str, colour: str
) -> None:
    """Draw a line through values, with a band for their intervals."""
    axes.plot(x, [each.value for each in values], "o-", ms=4, color=colour, label=label)
    axes.fill_between(
        x,
        [each.low for each in values],
        [each.high for each in values],
        color=colour,
        alpha=0.15,
        lw=0,
    )


def tidy(axes: Axes, x: str, y: str) -> None:
    """Name the axes, and take away what says nothing."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def plain_log(axes: Axes, x: Sequence[float]) -> None:
    """Make the x axis logarithmic, with numbers as people write them where there are values."""
    axes.set_xscale("symlog", linthresh=1) if min(x) <= 0 else axes.set_xscale("log")
    axes.set_xticks(sorted({*x}), [f"{each:g}" for each in sorted({*x})], minor=False)
    axes.set_xticks([], minor=True)
