"""All that is wrong with a corpus, found at once: with its table, its files, its samples."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark
from serbench.benchmarks.auditing.audio import AUDIO_KINDS, check_audio
from serbench.benchmarks.auditing.causes import explained
from serbench.benchmarks.auditing.copies import (
    check_copies,
    check_overlaps,
    find_copies,
    linked,
    overlapping,
)
from serbench.benchmarks.auditing.fingerprints import Copy
from serbench.benchmarks.auditing.recordings import measure
from serbench.benchmarks.auditing.table import check_parts, check_table, check_types
from serbench.benchmarks.reading.layout import COLUMNS
from serbench.benchmarks.tasks.findings import Finding, by_cause
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Progress

# Faults that a run survives, so that a benchmark may declare them as known.
_BEARABLE = frozenset({"silent", "identical", "near_copy"})
_SHOWN = 10


@dataclass(frozen=True)
class CorpusAudit:
    """What an audit found.

    Attributes:
        name: of the benchmark.
        table: the benchmark's, with `recording` (SHA-256 over rate and samples; empty where the
            audio cannot be read), `seconds` (length of the segment; NaN there), `rate` (Hz), and
            `copy` and `overlap`: the first utterance of which it is a near-copy, or a segment that
            overlaps; empty for most.
        findings: errors first, then warnings, then known defects.
        broken: id of each utterance whose audio has a problem, to what is wrong with it.
    """

    name: str
    table: DataFrame
    findings: tuple[Finding, ...]
    broken: Mapping[str, str]

    def usable(self, called: str = "", *, leave_out_broken: bool = False) -> DataFrame:
        """Return the table to run on.

        Faults of the table itself are never left out: a text is quickly mended, and to drop every
        row of a misspelt label would change the task.

        Args:
            called: how a shell takes what the user calls the corpus, for the message; its name if
                that is empty.
            leave_out_broken: leave out the utterances in `broken` instead of refusing them.

        Raises:
            SerbenchError: there are errors (it names the first ten), or nothing is left.
        """
        errors = [f for f in self.findings if f.severity == "error"]
        if leave_out_broken:
            errors = [f for f in errors if f.kind not in AUDIO_KINDS]
        if errors:
            raise SerbenchError(self._summary(errors, called or shlex.quote(self.name)))
        kept = self.table[~self.table["utterance"].isin(list(self.broken))]
        if len(kept) == 0:
            msg = f"benchmark '{self.name}': all utterances are broken; get the corpus again"
            raise SerbenchError(msg)
        return kept.reset_index(drop=True)

    def _summary(self, errors: list[Finding], called: str) -> str:
        plural = "s" if len(errors) > 1 else ""
        lines = [f"the corpus of benchmark '{self.name}' has {len(errors)} error{plural}:"]
        for first, *others in by_cause(errors):
            if first.cause:
                lines.append(f"- {1 + len(others)} files, such as {first.utterance}: {first.cause}")
                continue
            lines += [
                f"- {f.utterance}: {f.message}" if f.utterance else f"- {f.message}"
                for f in (first, *others)
            ]
        del lines[1 + _SHOWN :]
        if len(errors) > _SHOWN:
            lines.append(f"- and {len(errors) - _SHOWN} more")
        remedy = f"`serbench data check {called}` lists everything"
        if 0 < len(self.broken) < len(self.table):
            remedy += f"; `--leave-out-broken` goes on without the {len(self.broken)} broken ones"
        if any(f.kind not in AUDIO_KINDS for f in errors):
            remedy += "; what is wrong with the table must be mended there"
        return "\n".join([*lines, remedy])


def audit_corpus(
    benchmark: Benchmark, table: DataFrame, progress: Progress, *, anew: bool = False
) -> CorpusAudit:
    """Find everything that is wrong with a corpus, in one pass over its audio.

    The checks are those of `check_parts`, `check_table` and `check_audio`. What the benchmark lists
    as a known defect has severity "known", if a run survives it (silence, identical samples).

    Args:
        benchmark: for its name, task and known defects.
        table: as the benchmark reads it. If it has a column `row`, the row of the file that an
            utterance comes from, findings name that too.
        progress: advances by one a file.
        anew: read every file, whatever an earlier audit remembers of it.

    Raises:
        SerbenchError: the table is empty, lacks a column of the contract, or has one of another
            type.
    """
    check_columns(benchmark, table)
    table = table.reset_index(drop=True)
    _refuse_types(benchmark, table)
    facts = measure(benchmark.name, table, progress, anew=anew)
    checked = table.assign(
        recording=facts["recording"], seconds=facts["seconds"], rate=facts["rate"]
    )
    with progress.step("look for near-copies", None):
        copies = find_copies(checked, facts)
    findings = [
        *check_parts(checked),
        *check_table(benchmark.task, checked),
        *explained(check_audio(benchmark.task, checked, facts)),
        *check_copies(checked, copies),
        *check_overlaps(checked),
    ]
    checked = _with_links(benchmark, checked, copies)
    findings = _with_known(benchmark, checked, findings)
    findings.sort(key=lambda f: ("error", "warning", "known").index(f.severity))
    broken: dict[str, str] = {}
    for finding in findings:
        if finding.severity == "error" and finding.kind in AUDIO_KINDS and finding.utterance:
            broken.setdefault(finding.utterance, finding.public)
    return CorpusAudit(benchmark.name, checked, tuple(findings), broken)


def _with_links(benchmark: Benchmark, table: DataFrame, copies: Sequence[Copy]) -> DataFrame:
    """Return the table with `copy` and `overlap`: the first utterance that each is linked with.

    Near-copies that the benchmark lists are known, and not looked for in the parts of folds.
    """
    ids, known = table["utterance"], set(benchmark.known_defects)
    unknown = [(c.first, c.second) for c in copies if not {ids[c.first], ids[c.second]} <= known]
    return table.assign(
        copy=linked(len(table), unknown, ids),
        overlap=linked(len(table), overlapping(table), ids),
    )


def check_columns(benchmark: Benchmark, table: DataFrame) -> None:
    """Refuse a table of utterances that lacks a column of the contract, or has no row.

    Raises:
        SerbenchError: which columns are missing, or that it is empty.
    """
    missing = [c for c in (*COLUMNS, *benchmark.task.columns) if c not in table]
    if missing:
        msg = (
            f"the table of benchmark '{benchmark.name}' lacks the columns {', '.join(missing)}; "
            "its `read` must give them"
        )
        raise SerbenchError(msg)
    if len(table) == 0:
        msg = f"the table of benchmark '{benchmark.name}' has no utterances; check the corpus"
        raise SerbenchError(msg)


def _refuse_types(benchmark: Benchmark, table: DataFrame) -> None:
    """Refuse a table with columns that hold something else than names or numbers.

    Raises:
        SerbenchError: which columns do, and what they must hold.
    """
    if wrong := [f"- {finding.message}" for finding in check_types(table)]:
        first = f"the table of benchmark '{benchmark.name}' cannot be used:"
        raise SerbenchError("\n".join([first, *wrong]))


def _with_known(benchmark: Benchmark, table: DataFrame, findings: list[Finding]) -> list[Finding]:
    """Return the findings with those that the benchmark lists, found here or not, as known."""
    defects = benchmark.known_defects
    told = [
        dataclasses.replace(f, severity="known", message=defects[f.utterance])
        if f.utterance is not None and f.utterance in defects and f.kind in _BEARABLE
        else f
        for f in findings
    ]
    found = {f.utterance for f in told if f.severity == "known"}
    there = set(table["utterance"])
    rest = [u for u in defects if u in there and u not in found]
    told = [*dict.fromkeys(told)]
    return told + [Finding("known", "known", defects[u], u) for u in rest]


__all__ = ["AUDIO_KINDS", "CorpusAudit", "Finding", "audit_corpus", "check_columns"]
