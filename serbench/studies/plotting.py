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
    """Make the x axis logarithmic, with numbers as people write them at as many values as fit."""
    places = sorted({*x})
    if places[0] > 0:
        apart = 1.4  # the factor between two numbers that do not run into each other
        axes.set_xscale("log")
    else:
        apart = 1.9
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(-0.3, 1.25 * max(places[-1], 1))
    ticks = places[:1]
    for place in places[1:]:
        if place >= apart * max(ticks[-1], 0.5):
            ticks.append(place)
    axes.set_xticks(ticks, [f"{each:g}" for each in ticks], minor=False)
    axes.set_xticks([], minor=True)
