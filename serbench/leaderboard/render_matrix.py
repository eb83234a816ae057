"""A matrix in the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from serbench.leaderboard.matrix import Matrix
from serbench.leaderboard.render import _grid


def render_matrix(made: Matrix) -> RenderableType:
    """Return a matrix; many or long columns are numbered, with their names below."""
    drawn = _grid()
    drawn.add_column("", overflow="fold")
    numbered = sum(len(name) + 2 for name in made.columns) > 50
    heads = [str(i) for i in range(1, len(made.columns) + 1)] if numbered else made.columns
    for head in heads:
        drawn.add_column(Text(head), justify="right")
    for row in made.rows:
        drawn.add_row(Text(row), *(made.text(row, column) for column in made.columns))
    below = [Text(f"{i}  {name}") for i, name in enumerate(made.columns, 1)] if numbered else []
    said = [Text(sentence, style="dim") for sentence in made.sentences]
    return Group(Text(made.title, style="bold"), Text(), drawn, Text(), *below, *said)
