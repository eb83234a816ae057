"""Rows of a board that predict the same, so that nobody takes them for two systems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from serbench.leaderboard import notes
from serbench.leaderboard.record import Result
from serbench.leaderboard.standing import Standing


def copies(entries: Iterable[Standing]) -> dict[str, str]:
    """Return, by their digests, what is said of rows that predict the same: who they are.

    A correction that changed nothing is no copy: its own note says what it was made of.

    Args:
        entries: of one board, in its order.
    """
    alike: dict[str, list[Result]] = defaultdict(list)
    for each in entries:
        alike[each.measured.predicted].append(each.result)
    told: dict[str, str] = {}
    for results in alike.values():
        here = {result.digest for result in results}
        own = [r for r in results if r.corrected is None or r.corrected.digest not in here]
        if len(own) > 1:
            told |= dict.fromkeys((result.digest for result in own), _sentence(own))
    return told


def _sentence(results: Sequence[Result]) -> str:
    named = [notes.called(each.labels, each.digest) for each in results[: notes.NAMED]]
    more = f" and {len(results) - notes.NAMED} more" * (len(results) > notes.NAMED)
    return f"The same predictions, which count once: {', '.join(named)}{more}."
