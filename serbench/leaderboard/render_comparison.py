"""Two results beside each other in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serbench.leaderboard.across import Pair, verdict_across
from serbench.leaderboard.comparing import Comparison, Line
from serbench.leaderboard.correcting import Correction
from serbench.leaderboard.figures import number, signed
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
        adjusted = "p is adjusted for the number of lines (Holm), the intervals are not."
        shown += [Text(), Text(adjusted, style="dim")]
    return Group(*shown)


def render_correction(found: Correction) -> RenderableType:
    """Return the scores after a correction and before.

    Args:
        found: what post-processors did.
    """
    shown: list[RenderableType] = [Text(found.sentence)]
    if found.figures:
        shown += [Text(), _table("corrected", found.figures, ("after", "before", "after - before"))]
    return Group(*shown)


def _table(name: str, lines: Sequence[Line], headers: Sequence[str] = ("A", "B", "A - B")) -> Table:
    tested = any(not math.isnan(line.difference.p) for line in lines)
    drawn = _grid()
    drawn.add_column(name, overflow="fold")
    for header in [*headers, *(["95 %", "p"] if tested else [])]:
        drawn.add_column(header, justify="right", no_wrap=True)
    for line in lines:
        drawn.add_row(Text(line.name), *_cells(line, tested))
    return drawn


def _cells(line: Line, tested: bool) -> list[str]:
    gap = line.difference
    cells = [number(line.one), number(line.other), signed(gap.value)]
    if not tested:
        return cells
    if math.isnan(gap.p):
        return [*cells, "", ""]
    return [*cells, f"{signed(gap.low)} to {signed(gap.high)}", _p(gap.p)]


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _tally(lines: Sequence[Line]) -> str:
    better = sum(line.difference.value > 0 for line in lines)
    worse = sum(line.difference.value < 0 for line in lines)
    same = len(lines) - better - worse
    return f"A is better for {better} speakers, B for {worse}, equal for {same}."


def render_across(pairs: Sequence[Pair], names: Sequence[str]) -> RenderableType:
    """Return two systems corpus by corpus.

    Args:
        pairs: one a corpus.
        names: what the two are called, with what sets them apart.
    """
    heading = Text(f"A  {names[0]}\nB  {names[1]}")
    lines = [pair.line for pair in pairs]
    read = [
        Text(f"{pair.digests[0][:8]} {pair.digests[1][:8]}  {pair.line.name}", style="dim")
        for pair in pairs
    ]
    shown: list[RenderableType] = [heading, Text(), Text(verdict_across(lines)), Text()]
    shown += [_table("corpus", lines), Text(), Text("Results A and B:", style="dim"), *read]
    return Group(*shown)
