"""A critical-difference diagram as SVG, as Demšar (2006) draws it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from serbench.scoring.comparisons import CriticalDifference

_WIDTH, _SIDE, _AXIS, _LINE = 760, 230, 64, 20  # pixels


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
    drawn = [*_axis(len(order), found.least), *_bars(found, len(order))]
    for place, system in enumerate(order):
        drawn += _named(systems[system], found.ranks[system], place, len(order), below)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="13" stroke="black" fill="none">\n'
        f"<title>{said}; critical difference {found.least:.2f} (Nemenyi, 5 %), Friedman "
        f"p = {found.p:.3f}</title>\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def _x(rank: float, count: int) -> float:
    return _SIDE + (rank - 1) / (count - 1) * (_WIDTH - 2 * _SIDE)


def _axis(count: int, least: float) -> Iterator[str]:
    yield _path(f"M{_x(1, count):.1f} {_AXIS}H{_x(count, count):.1f}")
    for rank in range(1, count + 1):
        yield _path(f"M{_x(rank, count):.1f} {_AXIS}v-6")
        yield _text(_x(rank, count), _AXIS - 10, str(rank), "middle")
    start, end = _x(1, count), min(_x(1 + least, count), _WIDTH - 10)
    yield _path(f"M{start:.1f} 20v8m0 -4H{end:.1f}m0 -4v8")
    yield _text(start, 14, f"critical difference {least:.2f}", "start")


def _bars(found: CriticalDifference, count: int) -> Iterator[str]:
    for number, group in enumerate(found.groups, 1):
        ranks = [found.ranks[system] for system in group]
        start, end = _x(min(ranks), count) - 3, _x(max(ranks), count) + 3
        yield _path(f"M{start:.1f} {_AXIS + 10 * number}H{end:.1f}", 4)


def _named(name: str, rank: float, place: int, count: int, below: float) -> Iterator[str]:
    """Yield a line from the axis down to a name: the better half at the left."""
    left = place < (count + 1) // 2
    y = below + _LINE * (place if left else count - 1 - place)
    edge = _SIDE - 24 if left else _WIDTH - _SIDE + 24
    yield _path(f"M{_x(rank, count):.1f} {_AXIS}V{y}H{edge}")
    said = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
    yield _text(edge + (-6 if left else 6), y + 4, said, "end" if left else "start")


def _path(drawn: str, width: int = 1) -> str:
    return f'<path d="{drawn}" stroke-width="{width}"/>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    where = f'x="{x:.1f}" y="{y}" text-anchor="{anchor}"'
    return f'<text {where} stroke="none" fill="black">{escape(said)}</text>'
