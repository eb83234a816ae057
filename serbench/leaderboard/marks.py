"""What lies beside a result that somebody sent, and what must therefore be said of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from serbench.durable import replacing
from serbench.leaderboard.notes import SENT
from serbench.remotes import ADDED

if TYPE_CHECKING:
    from serbench.leaderboard.record import Result
    from serbench.leaderboard.verifying import Verdict

_MOST = 100  # bytes of a mark that are read
_TRUTH, _NO_TRUTH, _NO_NAME = "verified", "not verified", "name not verified"
_NOT_MADE, _WRONG = "predictions not made again", "found wrong"


def marks(root: Path) -> dict[str, str]:
    """Return, by digest, what must be said of the results of a folder that were sent in."""
    return {path.stem: said_of(path) for path in root.glob(f"*/*{ADDED}")}


def was_sent(path: Path) -> bool:
    """Return whether a result was sent in, and nobody trained it here.

    Args:
        path: of the record.
    """
    return path.with_suffix(ADDED).exists()


def said_of(path: Path) -> str:
    """Return what must be said of a result, by the path of its record: nothing if it is one's own.

    >>> said_of(Path("results/demo/0a1b.json"))
    ''
    """
    if not was_sent(path):
        return ""
    mark = _read(path)
    truth = f"truth {'' if _TRUTH in mark else 'not '}verified here"
    name = "; what its row is called is its own word" * (_NO_NAME in mark)
    made = "; its predictions could not be made again" * (_NOT_MADE in mark)
    wrong = "; `serbench leaderboard verify` says what is wrong with it" * (_WRONG in mark)
    checked = f"scores recomputed, {truth}, not trained again"
    return f"Added from elsewhere; {checked}{name}{made}{wrong}."


def told(path: Path, result: Result) -> list[str]:
    """Return what must be said of a result that was sent in, or that was made of such.

    Args:
        path: of the record.
        result: what it says.
    """
    return [*filter(None, [said_of(path)]), *(said for said in result.noted if SENT in said)]


def truth_is_known(path: Path) -> bool:
    """Return whether a mark says that ids and truths are those of the corpus."""
    return _TRUTH in _read(path)


def mark(path: Path, found: Verdict) -> None:
    """Note what is known of a result that was sent in; what nobody can see now stays as it was.

    Args:
        path: of the record, whether it is there already or not.
        found: what became of it.
    """
    truth = truth_is_known(path) if found.truth is None else found.truth
    known = truth and not found.problems
    said = {_NO_NAME: found.unsure, _NOT_MADE: found.unmade, _WRONG: found.problems}
    doubts = [doubt for doubt, holds in said.items() if holds]
    text = "\n".join([_TRUTH if known else _NO_TRUTH, *doubts, ""])
    with replacing(path.with_suffix(ADDED)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _read(path: Path) -> set[str]:
    place = path.with_suffix(ADDED)
    if not place.is_file():
        return set()
    with place.open("rb") as file:
        return {*file.read(_MOST).decode(errors="replace").splitlines()}
