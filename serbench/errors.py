"""The one kind of failure that a user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SerbenchError(Exception):
    """What the user gave is at fault: the message names the thing, the value and the remedy.

    The command line prints it to stderr without a traceback and exits with 2.
    """


def brief(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"


def unknown(kind: str, name: str, known: Iterable[str], remedy: str = "") -> SerbenchError:
    """Return the error for a name that does not exist, with the near miss and the names that do.

    Args:
        kind: what was asked for, in the singular ("upstream").
        name: what the user wrote.
        known: the names that exist.
        remedy: a closing sentence, such as the command that lists them.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    asked = f"no {kind} '{name}'"
    guess = f"; did you mean '{near[0]}'?" if near else "."
    listed = f" There are: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
    return SerbenchError(asked + guess + listed + (f"; {remedy}" if remedy else ""))
