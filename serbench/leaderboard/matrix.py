"""Boards the other way: upstream by downstream, or system by corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from serbench.errors import SerbenchError
from serbench.leaderboard.across import Systems
from serbench.leaderboard.comparing import called
from serbench.leaderboard.figures import chance, number
from serbench.leaderboard.identity import has_demo_weights
from serbench.leaderboard.notes import SMALL
from serbench.leaderboard.record import Labels
from serbench.leaderboard.table import Board, Row

if TYPE_CHECKING:
    from serbench.scoring.comparisons import CriticalDifference

Across = Literal["downstream", "corpus"]
"""What the columns of a matrix are."""


class Matrix(NamedTuple):
    """A table of what ranks.

    Attributes:
        title: what it is of.
        rows: names of upstreams, or of systems.
        columns: names of downstreams, or of boards.
        cells: one row of a board for each place that has any: the best of those with these names.
        sentences: what must be said beside it.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], Row]
    sentences: tuple[str, ...]

    def text(self, row: str, column: str) -> str:
        """Return the value of a place, with a star if nothing is better there."""
        found = self.cells.get((row, column))
        if found is None:
            return "-"
        value = next(iter(found.values.values()))
        return number(value.mean) + "*" * (found.rank == 1)

    def first(self, row: str, column: str) -> bool:
        """Return whether nothing is better in a place."""
        found = self.cells.get((row, column))
        return found is not None and found.rank == 1


def matrices(boards: Sequence[Board], across: Across) -> list[Matrix]:
    """Return one matrix a board of upstreams by downstreams, or one of systems by corpora.

    Raises:
        SerbenchError: no result is ranked.
    """
    if not any(row.rank is not None for board in boards for row in board.rows):
        raise SerbenchError("no result is ranked, so there is no matrix; `serbench leaderboard`")
    if across == "corpus":
        return [_by_corpus(boards)]
    return [_by_downstream(board) for board in boards if any(r.rank for r in board.rows)]


_STAR = "* shares the first rank of its board"


def _by_downstream(board: Board) -> Matrix:
    ranked = [(_upstream(r.result.labels), r.result.labels.downstream, r) for r in _ranked(board)]
    title = f"{board.title}: {board.columns[0].title}"
    return _matrix(title, ranked, [f"{_STAR}."])


def _by_corpus(boards: Sequence[Board]) -> Matrix:
    """Return a row for each system: what is called alike and set otherwise is another one."""
    systems = Systems(row.result for board in boards for row in board.rows)
    found = [(systems.of(row.result), b.title, row) for b in boards for row in _ranked(b)]
    one = {system: row.result for system, _, row in reversed(found)}
    told = zip(one.items(), systems.apart([*one.values()]), strict=True)
    names = {key: f"{called(each.labels)}{said and ', '}{said}" for (key, each), said in told}
    ranked = [(names[system], title, row) for system, title, row in found]
    made = _matrix("Systems by corpus, what ranks on each", ranked, [f"{_STAR}."])
    return made._replace(sentences=(*made.sentences, *about_corpora(made)))


def _ranked(board: Board) -> list[Row]:
    return [row for row in board.rows if row.rank is not None]


def _upstream(labels: Labels) -> str:
    return labels.upstream if labels.weights == "-" else f"{labels.upstream} {labels.weights}"


def _matrix(title: str, ranked: list[tuple[str, str, Row]], sentences: list[str]) -> Matrix:
    cells: dict[tuple[str, str], Row] = {}
    several = False
    for name, column, row in ranked:
        several |= (name, column) in cells
        cells.setdefault((name, column), row)  # boards have the best first
    if several:
        sentences.append("Where rows of one name differ in settings, the best of them is shown.")
    small = [name for (name, _), row in cells.items() if has_demo_weights(row.result)]
    if small:
        sentences.append(f"{SMALL}: {'; '.join(dict.fromkeys(small))}.")
    sent = [f"{name} ({column})" for (name, column), row in cells.items() if row.sent]
    if sent:
        sentences.append(f"Sent in, or made of what was: {'; '.join(sent)}.")
    rows = dict.fromkeys(name for name, _, _ in ranked)
    columns = dict.fromkeys(column for _, column, _ in ranked)
    return Matrix(title, tuple(rows), tuple(columns), cells, tuple(sentences))


def about_corpora(made: Matrix) -> Iterator[str]:
    """Yield what the systems that are on all corpora come to together."""
    from serbench.scoring.comparisons import CORPORA

    whole, corpora = on_all(made), _corpora(made)
    if len(whole) < 2:
        boards = f"{len(made.columns)} board{'s' * (len(made.columns) > 1)}"
        yield (
            f"Mean ranks with a critical difference need {CORPORA} corpora or more, one board of "
            f"each, and two systems on all; here: {boards} of "
            f"{corpora} {'corpus' if corpora == 1 else 'corpora'}."
        )
        return
    yield from diagram(whole, critical(made, whole), len(made.columns))


def _corpora(made: Matrix) -> int:
    return len({row.result.benchmark.name for row in made.cells.values()})


def on_all(made: Matrix) -> list[str]:
    """Return the systems that are on all corpora of a matrix; none if there are too few corpora.

    Several boards of one corpus are no more corpora: they share its speakers. Nor are systems that
    predict the same on all of them several systems: the first stands for them.
    """
    from serbench.scoring.comparisons import CORPORA

    if not len(made.columns) == _corpora(made) >= CORPORA:
        return []
    found: dict[tuple[str, ...], str] = {}
    for name in made.rows:
        rows = [made.cells[name, c] for c in made.columns if (name, c) in made.cells]
        if len(rows) == len(made.columns):
            found.setdefault(tuple(row.standing.measured.predicted for row in rows), name)
    return [*found.values()]


def critical(made: Matrix, systems: Sequence[str]) -> CriticalDifference:
    """Return the critical difference of systems that are on all corpora of a matrix."""
    import numpy as np

    from serbench.scoring.comparisons import critical_difference

    values = [
        [next(iter(made.cells[name, c].values.values())).mean for name in systems]
        for c in made.columns
    ]
    return critical_difference(np.array(values))


def diagram(systems: Sequence[str], found: CriticalDifference, corpora: int) -> Iterator[str]:
    """Yield a critical-difference diagram as lines: mean ranks, and bars of what is not apart."""
    yield (
        f"Mean ranks on {corpora} corpora; critical difference {found.least:.2f} (Nemenyi, 5 %); "
        f"Friedman p {chance(found.p)}. A bar joins what cannot be told apart:"
    )
    for number_, mean in sorted(enumerate(found.ranks), key=lambda each: each[1]):
        bars = "".join("|" if number_ in group else " " for group in found.groups)
        yield f"{mean:5.2f} {bars} {systems[number_]}"
