"""A critical-difference diagram as SVG, as Demšar (2006) draws it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

from serbench.leaderboard.figures import chance

if TYPE_CHECKING:
    from serbench.scoring.comparisons import CriticalDifference

_SCALE, _AXIS, _LINE, _LETTER = 320, 64, 20, 8  # pixels


class _Space(NamedTuple):
    """Where things lie: `systems` ranks between two sides for the names, `side` pixels wide."""

    systems: int
    side: int

    @property
    def width(self) -> int:
        return 2 * self.side + _SCALE

    def x(self, rank: float) -> float:
        return self.side + (rank - 1) / (self.systems - 1) * _SCALE


def to_svg(systems: Sequence[str], found: CriticalDifference, corpora: int) -> str:
    """Return the diagram: mean ranks on an axis, best left, and bars over what is not apart.

    Args:
        systems: their names.
        found: their ranks.
        corpora: how many these are on.
    """
    order = sorted(range(len(systems)), key=lambda system: found.ranks[system])
    below = _AXIS + 10 * len(found.groups) + _LINE
    height = below + _LINE * ((len(order) + 1) // 2)
    said = f"Mean ranks of {len(order)} systems on {corpora} corpora, best left"
    space = _Space(len(order), 80 + _LETTER * max(map(len, systems)))
    drawn = [*_axis(space, found.least), *_bars(space, found)]
    for place, system in enumerate(order):
        drawn += _named(space, systems[system], found.ranks[system], place, below)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {space.width} {height}" role="img" '
        f'font-family="sans-serif" font-size="13" stroke="black" fill="none">\n'
        f"<title>{said}; critical difference {found.least:.2f} (Nemenyi, 5 %), Friedman "
        f"p {escape(chance(found.p))}</title>\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def _axis(space: _Space, least: float) -> Iterator[str]:
    start, end = space.x(1), min(space.x(1 + least), space.width - 10)
    yield _path(f"M{start:.1f} {_AXIS}H{space.x(space.systems):.1f}")
    for rank in range(1, space.systems + 1):
        yield _path(f"M{space.x(rank):.1f} {_AXIS}v-6")
        yield _text(space.x(rank), _AXIS - 10, str(rank), "middle")
    yield _path(f"M{start:.1f} 20v8m0 -4H{end:.1f}m0 -4v8")
    yield _text(start, 14, f"critical difference {least:.2f}", "start")


def _bars(space: _Space, found: CriticalDifference) -> Iterator[str]:
    for number, group in enumerate(found.groups, 1):
        ranks = [found.ranks[system] for system in group]
        start, end = space.x(min(ranks)) - 3, space.x(max(ranks)) + 3
        yield _path(f"M{start:.1f} {_AXIS + 10 * number}H{end:.1f}", 4)


def _named(space: _Space, name: str, rank: float, place: int, below: float) -> Iterator[str]:
    """Yield a line from the axis down to a name: the better half at the left."""
    left = place < (space.systems + 1) // 2
    y = below + _LINE * (place if left else space.systems - 1 - place)
    edge = space.side - 24 if left else space.side + _SCALE + 24
    yield _path(f"M{space.x(rank):.1f} {_AXIS}V{y}H{edge}")
    said = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
    yield _text(edge + (-6 if left else 6), y + 4, said, "end" if left else "start")


def _path(drawn: str, width: int = 1) -> str:
    return f'<path d="{drawn}" stroke-width="{width}"/>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    where = f'x="{x:.1f}" y="{y}" text-anchor="{anchor}"'
    return f'<text {where} stroke="none" fill="black">{escape(said)}</text>'
