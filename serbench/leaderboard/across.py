"""Systems on several corpora: a matrix of what ranks, and two systems corpus by corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.leaderboard.comparing import Line, called
from serbench.leaderboard.differing import as_text, differing, leaves
from serbench.leaderboard.figures import chance
from serbench.leaderboard.naming import origins_of
from serbench.leaderboard.record import Result

if TYPE_CHECKING:
    from serbench.leaderboard.table import Board

# What of a recipe says on what, and how often, a system was run, and not which system it is.
_ABOUT = ("benchmark", "protocol", "seeds", "leave_out_broken")


class Pair(NamedTuple):
    """Two systems on one board.

    Attributes:
        line: what ranks.
        digests: of the two results.
    """

    line: Line
    digests: tuple[str, str]


class Systems:
    """Tells which results are of one system: what was run, whatever on and however often.

    Args:
        results: of all corpora, among which are the runs that others were made of.
    """

    def __init__(self, results: Iterable[Result]) -> None:
        self._results = {each.digest: each for each in results}

    def of(self, result: Result) -> str:
        """Return a digest of a recipe without its corpus, split and seeds: equal for one system.

        Of fused and corrected runs, of the runs that they were made of; where these are not known,
        nothing else is the same system.
        """
        origins = origins_of(result)
        known = [self._results.get(digest) for digest in origins]
        made_of = [
            digest if each is None else self.of(each)
            for digest, each in zip(origins, known, strict=True)
        ]
        plain = {path: as_text(value) for path, value in leaves(settings_of(result)).items()}
        return digest_json([plain, sorted(made_of), result.labels.model_dump()])

    def apart(self, results: Sequence[Result]) -> list[str]:
        """Return the settings that set systems of one name apart, "" where nothing has to be told.

        Args:
            results: one of each system.
        """
        told = [each.model_copy(update={"recipe": settings_of(each)}) for each in results]
        same = Counter(each.labels.model_dump_json() for each in results)
        return [
            said or each.digest[:8] * (same[each.labels.model_dump_json()] > 1)
            for each, said in zip(results, differing(told), strict=True)
        ]


def settings_of(result: Result) -> dict[str, Any]:
    """Return a recipe without what it was run on, how often, and of which runs it was made."""
    said = {key: value for key, value in result.recipe.items() if key not in _ABOUT}
    return {key: value for key, value in said.items() if key not in ("members", "of")}


def names_across(one: Result, other: Result) -> list[str]:
    """Return how two systems are called, with the results that were named and what differs."""
    pair = one, other
    return [
        f"{called(each.labels)} ({each.digest[:8]}{said and ', '}{said})"
        for each, said in zip(pair, Systems(pair).apart(pair), strict=True)
    ]


def two_across(boards: Sequence[Board], one: Result, other: Result) -> list[Pair]:
    """Return two systems beside each other on every board that has both.

    Args:
        boards: of all corpora.
        one: a result of the first system, on any of them.
        other: of the second.

    Raises:
        SerbenchError: no board has both.
    """
    from serbench.scoring.comparisons import by_speakers

    systems = Systems(row.result for board in boards for row in board.rows)
    wanted = [systems.of(each) for each in (one, other)]
    found = []
    for board in boards:
        rows = {systems.of(row.result): row for row in reversed(board.rows) if row.rank is not None}
        key = board.columns[0].key
        pair = [rows[each] for each in wanted if each in rows and key in rows[each].shares]
        if len(pair) == 2:
            shares = [row.shares[key] for row in pair]
            name = f"{board.title} ({board.columns[0].title})"
            line = Line(name, shares[0].value, shares[1].value, by_speakers(*shares))
            found.append(Pair(line, (pair[0].result.digest, pair[1].result.digest)))
    if not found:
        raise SerbenchError(
            f"no board has both {called(one.labels)} and {called(other.labels)} with the same "
            "settings; run both on the same corpora"
        )
    return found


def verdict_across(lines: Sequence[Line]) -> str:
    """Return in words what corpora say together; with fewer than six, that they are too few."""
    from serbench.scoring.comparisons import CORPORA

    corpora = len({line.name.partition(" ")[0] for line in lines})  # a title begins with its name
    if corpora < len(lines):
        return (
            f"{_counted(lines)} boards of {corpora} corpora; something about corpora in general "
            f"takes {CORPORA} or more, one board of each."
        )
    said = f"{_counted(lines)} corpora"
    if len(lines) < CORPORA:
        return f"{said}: {CORPORA} are needed to say something about corpora in general."
    return f"{said}{_by_chance([line.difference.value for line in lines])}."


def _counted(lines: Sequence[Line]) -> str:
    """Return who is better more often, and how often: "B is better on 7 of 7"."""
    won = {
        "A": sum(line.difference.value > 0 for line in lines),
        "B": sum(line.difference.value < 0 for line in lines),
    }
    if won["A"] == won["B"]:
        return f"A and B are better on {won['A']} each of {len(lines)}"
    first = max(won, key=lambda name: won[name])
    return f"{first} is better on {won[first]} of {len(lines)}"


def _by_chance(differences: Sequence[float]) -> str:
    """Return whether so much in favour of one of them is more than chance."""
    from serbench.scoring.comparisons import ALPHA

    if not any(differences):
        return ", which is no difference"
    from scipy.stats import wilcoxon

    p = float(wilcoxon(differences).pvalue)
    real = "more than chance" if p < ALPHA else "no more than chance"
    return f", {real} (Wilcoxon's signed ranks, p {chance(p)})"
