"""What the checks of a corpus report, and the words they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serbench.errors import hidden

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Severity = Literal["error", "warning", "known"]

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: a short fixed word, such as "silent".
        severity: "error" stops a run; "known" is a defect of the corpus as distributed.
        message: a sentence with the remedy.
        utterance: the id, where it is about one.
        path: the file, where it is about one.
        cause: what holds for all findings of one cause, with the remedy; empty: it stands alone.
    """

    kind: str
    severity: Severity
    message: str
    utterance: str | None = None
    path: Path | None = None
    cause: str = ""

    @property
    def public(self) -> str:
        """The message without the folder that the file lies in on this machine."""
        return self.message.replace(str(self.path), self.path.name) if self.path else self.message


def gathered(findings: Iterable[Finding]) -> list[str]:
    """Return one sentence for each kind of finding: the first, and how many there are more."""
    return [_with_more(*found) for found in by_cause(findings)]


def by_cause(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return the findings in groups of one severity, kind and cause, in the order of the first."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        key = finding.severity, finding.kind, finding.cause
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _with_more(first: Finding, *others: Finding) -> str:
    what, _, remedy = first.public.partition("; ")
    where = f"{first.utterance}: " if first.utterance else ""
    more = f" (and {len(others)} more like this)" if others else ""
    return f"{where}{what}{more}" + (f"; {remedy}" if remedy else "")


def absent(values: Series) -> Series:
    """Return (N,) whether a value is None, NaN or an empty text."""
    return values.isna() | values.astype(str).str.strip().eq("")


def some(rows: DataFrame) -> str:
    """Return how many utterances these are, the first few ids, and their rows if known."""
    ids = ", ".join(map(str, rows["utterance"].head(_SHOWN)))  # some may be none
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    plural = "s" if len(rows) > 1 else ""
    return f"{len(rows)} utterance{plural} ({ids}{more}{_numbers(rows)})"


def named(names: Iterable[str]) -> str:
    """Return the first few of some names, sorted."""
    shown = sorted(str(name) for name in names)
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")


def speakers_of(rows: DataFrame) -> str:
    """Return, in brackets, who speaks in these utterances if it is one or two; else nothing."""
    speakers = rows["speaker"].unique()
    return f" (only speaker {named(speakers)} has it)" if len(speakers) < 3 else ""


def _numbers(rows: DataFrame) -> str:
    if "row" not in rows:
        return ""
    numbers = ", ".join(map(str, rows["row"].head(_SHOWN)))
    return f"; row{'s' if len(rows) > 1 else ''} {numbers}{', ...' if len(rows) > _SHOWN else ''}"


def unseen(names: Iterable[str]) -> Iterator[str]:
    """Yield which names have a character that cannot be seen, or that a terminal obeys."""
    for name in names:
        if found := hidden(str(name)):
            yield f"the name '{name}' has the character {found}; take it out"
