"""Speakers of a result in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from serbench.leaderboard.figures import number
from serbench.leaderboard.render import _grid

_NEIGHBOURS = 5
_CHOSEN = {
    "nearest": "training speakers of similar voice",
    "random": "training speakers drawn at random",
    "all": "all training speakers, the most similar first",
}

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from serbench.leaderboard.speakers import Moments, SpeakerRow, SpeakerTable


def render_speakers(table: SpeakerTable) -> RenderableType:
    """Return the speakers, the worst first, and what there is to say of all of them."""
    if not table.rows:
        return Text(f"{table.title}: nobody knows who speaks any of the utterances.")
    first = table.rows[0]
    drawn = _grid()
    drawn.add_column("speaker", overflow="fold")
    drawn.add_column("clips", justify="right")
    moments = ["true mean\n± spread", "predicted mean\n± spread"] if first.moments else []
    scores = [table.title, "before"] if first.before is not None else [table.title]
    for header in [*moments, *scores]:
        drawn.add_column(header, justify="right", no_wrap=True)
    for row in table.rows:
        drawn.add_row(row.name, str(row.clips), *_cells(row))
    return Group(drawn, Text(), Text(table.summary, style="dim"))


def render_neighbours(step: str, choice: str, heard: Mapping[str, Sequence[str]]) -> RenderableType:
    """Return by whose labels a step corrected each speaker, with the first seed.

    Args:
        step: its name.
        choice: how they were chosen: "nearest", "random" or "all".
        heard: speaker to training speakers, the most similar first.
    """
    drawn = _grid()
    drawn.add_column("speaker", overflow="fold")
    drawn.add_column(f"{step}: {_CHOSEN.get(choice, choice)}", overflow="fold")
    for speaker, names in sorted(heard.items()):
        more = len(names) - _NEIGHBOURS
        shown = ", ".join(names[:_NEIGHBOURS])
        drawn.add_row(speaker, shown + (f" and {more} more" if more > 0 else ""))
    return drawn


def _cells(row: SpeakerRow) -> list[str]:
    moments = [_moment(each) for each in row.moments or ()]
    scores = [each for each in (row.score, row.before) if each is not None]
    return [*moments, *map(number, scores)]


def _moment(moments: Moments) -> str:
    mean, spread = moments
    return f"{mean:.2f} ± {spread:.2f}"
