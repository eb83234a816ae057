"""The one kind of failure that a user can mend."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable

# Of Unicode: control, format (bidirectional, too), surrogate, line and paragraph separator.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

_FULL = ("out of memory", "can't allocate memory")
_MORE_ROOM = (
    "end other programs, or give fewer --jobs or smaller batches; what is finished is kept, the "
    "same command goes on"
)

_JOINERS = "\u200c\u200d"  # belong to the spelling of Persian and of Indic words


class SerbenchError(Exception):
    """What the user gave is at fault: the message names the thing, the value and the remedy.

    The command line prints it to stderr without a traceback and exits with 2.
    """

    def __str__(self) -> str:
        """Return the message, in which nothing that is quoted commands a terminal."""
        return "\n".join(shown(line) for line in super().__str__().split("\n"))


class NotAdaptedError(SerbenchError):
    """An upstream encodes nothing until a run has adapted its weights to a corpus.

    Args:
        message: as of any other.
        depth: L, layers that it will have; None if that is not known yet.
        read: reads the weights to be adapted, and raises what is wrong with them; None: there are
            none. A run asks for it before it adapts another upstream.
    """

    def __init__(
        self,
        message: str,
        depth: int | None = None,
        read: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(message)
        self.depth = depth
        self.read = read


def hidden(text: str) -> str | None:
    r"""Return the first character that a name may not hold, as an escape; None if there is none.

    These are what a terminal obeys instead of showing it, and what cannot be seen: control and
    format characters, those that turn the direction of writing among them.

    >>> hidden("a\x1b[2Jb"), hidden("a\u202eb"), hidden("Bodø, 東京")
    ('\\x1b', '\\u202e', None)
    """
    if text.isprintable():
        return None
    return next((_escape(each) for each in text if _is_unseen(each)), None)


def shown(text: str) -> str:
    """Return a text as it may reach a terminal: its `hidden` characters are written as escapes."""
    if text.isprintable():
        return text
    return "".join(_escape(each) if _is_unseen(each) else each for each in text)


def _is_unseen(character: str) -> bool:
    return character not in _JOINERS and unicodedata.category(character) in _UNSEEN


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def brief(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"


def no_memory(error: BaseException) -> str | None:
    """Return in one sentence that memory was short, of a GPU or the machine; None if it was not.

    Torch has an error of its own for the first, and for a GPU that has no room for a process, and
    none for the second.
    """
    text = str(error)
    if not (isinstance(error, MemoryError) or any(each in text for each in _FULL)):
        return None
    what = brief(error).split(" GPU ")[0].rstrip(".")  # what others hold of it takes a page
    return f"memory is short ({what}); {_MORE_ROOM}"


def counted(count: int, noun: str) -> str:
    """Return a number of things in words: "1 run", "2 runs"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def unknown(kind: str, name: str, known: Iterable[str], remedy: str = "") -> SerbenchError:
    """Return the error for a name that does not exist, with the near miss and the names that do.

    Args:
        kind: what was asked for, in the singular ("upstream").
        name: what the user wrote.
        known: the names that exist.
        remedy: a closing sentence, such as the command that lists them.
    """
    guess, listed = _instead(name, known)
    asked = f"no {kind} '{name}'{guess} There are: {listed}"
    return SerbenchError(asked + (f"; {remedy}" if remedy else ""))


def unknown_option(owner: str, name: str, known: Iterable[str]) -> SerbenchError:
    """Return the error for an option that something does not have, as `unknown` does.

    Args:
        owner: what it was given to ("upstream 'mfcc'").
        name: what the user wrote.
        known: the options that it has.
    """
    guess, listed = _instead(name, known)
    if not listed:
        return SerbenchError(f"{owner} has no options; leave out '{name}'")
    return SerbenchError(f"{owner} has no option '{name}'{guess} It has: {listed}")


def _instead(name: str, known: Iterable[str]) -> tuple[str, str]:
    """Return the near miss as the end of a sentence, and the first names that exist as a list."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    guess = f"; did you mean '{near[0]}'?" if near else "."
    return guess, f"{', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
