"""Which corpora a text names, and whether a benchmark tests the speech of one of them.

What a corpus is called, what is in it, and what else is called so, its benchmark's file says (see
`serbench.benchmarks`).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Protocol

from serbench import plugins
from serbench.errors import SerbenchError

LABELLED = "labels_seen"
"""Key in the provenance of weights that saw labels of the test parts: of how many recordings."""
HEARD_UNLABELLED = "audio_heard"
"""Likewise of weights that heard the audio of the test parts."""

# Between two words of a name; a comma would part two names.
_BETWEEN = r"(?:[^\w,;]|_){0,3}"
_AS_WRITTEN = "="


class _Named(Protocol):
    """A benchmark, or the record of one."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


def heard(corpora: str, benchmark: _Named) -> bool:
    """Return whether a list of corpora names one whose speech a benchmark tests.

    That is the corpus itself, one that is in it, or one that it is in.
    """
    asked = [(benchmark.name, benchmark.version), *tested(benchmark)]
    return any(mentions(corpora, name) for each in asked for name in _same_speech(*each))


def tested(benchmark: _Named) -> list[tuple[str, str]]:
    """Return name and version of each corpus that a benchmark of several tests.

    Of "a_and_b_to_c" it is c; the version, "c 1, a 2, b 1", has those that are tested first.
    """
    members = [each.rpartition(" ")[::2] for each in benchmark.version.split(", ")]
    name = benchmark.name.rpartition("_to_")[2]
    if counted := re.fullmatch(r"(\d+)_corpora", name):
        first = [*dict.fromkeys(own for own, _ in members)][: int(counted[1])]
        return [each for each in members if each[0] in first]
    return [each for each in members if each[0] and each[0] in name.split("_and_")]


def mentions(corpora: str, name: str) -> bool:
    """Return whether a list of corpora names one, however it writes the name.

    Case, accents, hyphens and blanks do not matter, nor does a number after a name that a benchmark
    declares; only whole words count.

    Args:
        corpora: as the card of an encoder has it.
        name: of a benchmark, or a corpus that is none.

    >>> mentions("LibriSpeech, MSP-Podcast 1.11", "msp_podcast")
    True
    >>> mentions("a democratic corpus", "demo")
    False
    """
    text = _plain(corpora)
    for other in _declared(name, "NAMESAKES"):
        text = _pattern(other).sub(" ", text)
    names = _declared(name, "NAMES")
    patterns = [_pattern(each) for each in names] or [_pattern(name, numbered=False)]
    return any(pattern.search(text) for pattern in patterns)


def _same_speech(name: str, version: str) -> Iterator[str]:
    """Yield a benchmark, the corpora that it holds, and the benchmarks that hold it."""
    yield name
    held = _declared(name, "HOLDS")
    part = version.partition("+")[2]  # of "1+nEMO": that one alone
    yield from [one for one in held if part and mentions(part, one)] or held
    yield from _holders().get(name, ())


@functools.cache
def _holders() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in plugins.names("benchmarks"):
        for one in _declared(name, "HOLDS"):
            found.setdefault(one, []).append(name)
    return found


@functools.cache
def _declared(name: str, constant: str) -> tuple[str, ...]:
    """Return the texts in a constant of a benchmark's file; nothing of what is no benchmark."""
    if name not in plugins.names("benchmarks"):
        return ()
    try:
        said = plugins.find("benchmarks", name).constants.get(constant, ())
    except SerbenchError:  # one that cannot be read has nothing to say
        return ()
    return tuple(said) if isinstance(said, tuple) and all(isinstance(s, str) for s in said) else ()


@functools.cache
def _pattern(written: str, *, numbered: bool = True) -> re.Pattern[str]:
    """Return what finds a name as whole words: "IEMOCAP4" has that of IEMOCAP and a number."""
    words = re.findall(r"[^\W_]+", _plain(written))
    end = r"(?![^\W\d_])" if numbered else r"(?![^\W_])"
    flags = 0 if written.startswith(_AS_WRITTEN) else re.IGNORECASE
    return re.compile(r"(?<![^\W_])" + _BETWEEN.join(map(re.escape, words)) + end, flags)


def _plain(text: str) -> str:
    """Return a text without accents, and with one form of each letter."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
