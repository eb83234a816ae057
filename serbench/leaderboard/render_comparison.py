"""Two results beside each other in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serbench.leaderboard.across import verdict_across
from serbench.leaderboard.comparing import Comparison, Line, called
from serbench.leaderboard.figures import number
from serbench.leaderboard.record import Labels
from serbench.leaderboard.render import _grid


def render_comparison(found: Comparison, by: str | None = None) -> RenderableType:
    """Return the verdict, then the numbers behind it.

    Args:
        found: the comparison.
        by: what its parts are.
    """
    one, other = found.names
    heading = Text.assemble((found.title, "bold"), f"\nA  {one}\nB  {other}")
    shown: list[RenderableType] = [heading, Text()]
    shown += [Text(sentence) for sentence in found.verdict]
    shown += [Text(), _table("figure", found.figures)]
    if found.parts:
        name = found.figures[0].name
        shown += [Text(), Text(f"{name} by {by}", style="bold"), _table(by or "", found.parts)]
    if by == "speaker":
        shown += [Text(), Text(_tally(found.parts), style="dim")]
    elif found.parts:
        shown += [Text(), Text("p is adjusted for the number of lines (Holm).", style="dim")]
    return Group(*shown)


def _table(name: str, lines: Sequence[Line]) -> Table:
    tested = any(not math.isnan(line.difference.p) for line in lines)
    drawn = _grid()
    drawn.add_column(name, overflow="fold")
    for header in ["A", "B", "A - B", *(["95 %", "p"] if tested else [])]:
        drawn.add_column(header, justify="right", no_wrap=True)
    for line in lines:
        drawn.add_row(Text(line.name), *_cells(line, tested))
    return drawn


def _cells(line: Line, tested: bool) -> list[str]:
    gap = line.difference
    cells = [number(line.one), number(line.other), f"{gap.value:+z.3f}"]
    if not tested:
        return cells
    if math.isnan(gap.p):
        return [*cells, "", ""]
    return [*cells, f"{gap.low:+z.3f} to {gap.high:+z.3f}", _p(gap.p)]


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _tally(lines: Sequence[Line]) -> str:
    better = sum(line.difference.value > 0 for line in lines)
    worse = sum(line.difference.value < 0 for line in lines)
    same = len(lines) - better - worse
    return f"A is better for {better} speakers, B for {worse}, equal for {same}."


def render_across(lines: Sequence[Line], one: Labels, other: Labels) -> RenderableType:
    """Return two systems corpus by corpus.

    Args:
        lines: a line a corpus.
        one: how the first is called.
        other: how the second is.
    """
    heading = Text(f"A  {called(one)}\nB  {called(other)}")
    return Group(heading, Text(), Text(verdict_across(lines)), Text(), _table("corpus", lines))
