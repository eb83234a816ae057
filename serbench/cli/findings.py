"""Findings for a terminal of any width: many of one cause are one, with examples."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from serbench.errors import shown

if TYPE_CHECKING:
    from serbench.benchmarks.tasks.findings import Finding

_LABEL = 11  # columns of the word before a text
_EXAMPLES = 3
_ALONE = 2  # findings of one kind that are told one by one


def laid_out(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a word and a text beside it, wrapped to the terminal, as lines."""
    width = max(40, min(100, shutil.get_terminal_size().columns))
    for word, text in pairs:
        # a path stays in one piece, to be copied
        yield textwrap.fill(
            shown(text),
            width,
            initial_indent=f"{word:<{_LABEL}}",
            subsequent_indent=" " * _LABEL,
            break_long_words=False,
            break_on_hyphens=False,
        )


def told(findings: Sequence[Finding], *, each: bool) -> Iterator[tuple[str, str]]:
    """Yield the severity of each cause and what is found, with examples.

    Args:
        findings: in their order.
        each: every finding, however many have one cause.
    """
    from serbench.benchmarks.tasks.findings import by_cause

    for group in by_cause(findings):
        if each or len(group) <= (1 if group[0].cause else _ALONE):
            yield from ((f.severity, _alone(f)) for f in group)
        else:
            yield group[0].severity, _together(group)


def counted(name: str, findings: Sequence[Finding]) -> str:
    """Return how many findings there are: "emodb: 0 errors, 1 warning, 0 known defects"."""
    words = {"error": "error", "warning": "warning", "known": "known defect"}
    numbers = [(sum(f.severity == key for f in findings), word) for key, word in words.items()]
    counts = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in numbers)
    return shown(f"{name}: {counts}")


def _alone(finding: Finding) -> str:
    return f"{finding.utterance}: {finding.message}" if finding.utterance else finding.message


def _together(group: Sequence[Finding]) -> str:
    first, *others = group
    what, _, remedy = first.public.partition("; ")
    names = [n for n in dict.fromkeys(map(_where, others)) if n != _where(first)]
    more = f" and {len(names) - _EXAMPLES} more" * (len(names) > _EXAMPLES)
    also = f"{', '.join(names[:_EXAMPLES])}{more}"
    if first.cause:
        return f"{len(group)} files are not found: {first.cause} ({first.utterance}, {also})"
    if first.severity == "known":
        return f"{len(group)} defects, such as {_alone(first)}; also {also}"
    subject = f"such as {first.utterance}: " if first.utterance else "such as "
    told = f"{len(group)} times, {subject}{what}" + (f"; also {also}" if also else "")
    return f"{told}; {remedy}" if remedy else told


def _where(finding: Finding) -> str:
    """Return what tells a finding from others of its kind: its utterance, fold, or sentence."""
    what = finding.public.partition("; ")[0]
    fold = re.match(r"fold '.*?'(?=: )", what)
    return finding.utterance or (fold[0] if fold else what)
