"""Systems on several corpora: a matrix of what ranks, and two systems corpus by corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.leaderboard.comparing import Line, called
from serbench.leaderboard.differing import as_text, leaves
from serbench.leaderboard.record import Result

if TYPE_CHECKING:
    from serbench.leaderboard.table import Board, Row

# What of a recipe says on what, and how often, a system was run, and not which system it is.
_ABOUT = ("benchmark", "protocol", "seeds", "leave_out_broken")


def system_of(result: Result) -> str:
    """Return a digest of a recipe without its corpus, split and seeds: equal for one system."""
    kept = {
        path: as_text(value)
        for path, value in leaves(result.recipe).items()
        if path.partition(".")[0] not in _ABOUT
    }
    return digest_json(kept)


def two_across(boards: Sequence[Board], one: Result, other: Result) -> list[Line]:
    """Return two systems beside each other on every board that has both.

    Args:
        boards: of all corpora.
        one: a result of the first system, on any of them.
        other: of the second.

    Raises:
        SerbenchError: no board has both.
    """
    from serbench.scoring.comparisons import by_speakers

    found = []
    for board in boards:
        rows = {system_of(row.result): row for row in reversed(board.rows) if row.rank is not None}
        pair = [rows.get(system_of(each)) for each in (one, other)]
        key = board.columns[0].key
        mine, theirs = (None if row is None else row.shares.get(key) for row in pair)
        if mine is not None and theirs is not None:
            name = f"{board.title} ({board.columns[0].title})"
            found.append(Line(name, mine.value, theirs.value, by_speakers(mine, theirs)))
    if not found:
        raise SerbenchError(
            f"no board has both {called(one.labels)} and {called(other.labels)} with the same "
            "settings; run both on the same corpora"
        )
    return found


def verdict_across(lines: Sequence[Line]) -> str:
    """Return in words what corpora say together; with fewer than six, that they are too few."""
    from serbench.scoring.comparisons import ALPHA, CORPORA

    better = sum(line.difference.value > 0 for line in lines)
    corpora = len({line.name.partition(" ")[0] for line in lines})  # a title begins with its name
    if corpora < len(lines):
        return (
            f"A is better on {better} of {len(lines)} boards of {corpora} corpora; something about "
            f"corpora in general takes {CORPORA} or more, one board of each."
        )
    said = f"A is better on {better} of {len(lines)} corpora"
    if len(lines) < CORPORA:
        return f"{said}: {CORPORA} are needed to say something about corpora in general."
    from scipy.stats import wilcoxon

    p = float(wilcoxon([line.difference.value for line in lines]).pvalue)
    real = "more than chance" if p < ALPHA else "no more than chance"
    return f"{said}, {real} (Wilcoxon's signed ranks, p = {p:.3f})."


def matrix(boards: Sequence[Board]) -> tuple[list[str], list[str], dict[tuple[str, str], Row]]:
    """Return the systems, the boards, and the best ranked row of each system on each board."""
    cells: dict[tuple[str, str], Any] = {}
    names: dict[str, None] = {}
    for board in boards:
        for row in reversed(board.rows):
            if row.rank is not None:
                name = called(row.result.labels)
                names[name] = None
                cells[name, board.title] = row
    return sorted(names), [board.title for board in boards], cells
