"""Looking at a corpus and its folds without running anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.benchmarks.auditing import audit, folds
from serbench.benchmarks.auditing import checksums as sums
from serbench.benchmarks.reading.layout import only
from serbench.home import data_root
from serbench.runs import recipe as recipes
from serbench.runs.corpus import read_corpus

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark, Fold, Protocol
    from serbench.benchmarks.auditing.audit import Finding
    from serbench.progress import Progress


class Looked(NamedTuple):
    """What was found.

    benchmark: the corpus.
    protocol: how it would be split.
    table: its utterances, as a `CorpusAudit` has them.
    findings: of the corpus, errors first, then of the folds.
    folds: of the protocol; none if the corpus has errors.
    """

    benchmark: Benchmark
    protocol: Protocol
    table: DataFrame
    findings: list[Finding]
    folds: list[Fold]

    @property
    def refused(self) -> bool:
        """Whether a run would stop."""
        return any(finding.severity == "error" for finding in self.findings)


def look_at(
    raw: Mapping[str, Any],
    *,
    data: Path | None,
    progress: Progress,
    checksums: Path | None = None,
    split: bool = True,
    leave_out_broken: bool = False,
) -> Looked:
    """Return all that is wrong with a benchmark's corpus and the folds of a protocol on it.

    Args:
        raw: `benchmark` and perhaps `protocol`, as in a recipe.
        data: folder of the corpora; None: `SERBENCH_DATA`.
        progress: where the work is shown.
        checksums: a list of `sha256sum` or `b2sum`; None: those that lie in the corpus' folder or
            beside its description.
        split: look at the folds, too.
        leave_out_broken: look at what a run would go on with that leaves unusable recordings out.

    Raises:
        SerbenchError: the corpus is not there, its tables cannot be read, or the protocol cannot
            split it.
    """
    benchmark_part, protocol_part = recipes.resolve_data(raw)
    benchmark = recipes.make_benchmark(benchmark_part)
    protocol = recipes.make_protocol(benchmark, protocol_part)
    table = read_corpus(benchmark, data)
    found = audit.audit_corpus(benchmark, table, progress)
    places = _places(benchmark, benchmark_part.name, table, data)
    lists = sums.beside(places) if checksums is None else [checksums]
    changed = [f for one in lists for f in sums.check_files(one, table["path"], progress)]
    table, of_corpus = found.table, found.findings
    if leave_out_broken:
        broken = table["utterance"].isin([*found.broken])
        table = only(table, ~broken, broken.map({True: "broken"}))
        of_corpus = tuple(f for f in of_corpus if f.utterance not in found.broken)
    findings = sorted([*changed, *of_corpus], key=lambda f: f.severity != "error")
    looked = Looked(benchmark, protocol, table, findings, [])
    if looked.refused or not split:
        return looked
    made = protocol.split(table, benchmark.task)
    more = folds.audit_folds(table, made, protocol, benchmark.task, progress)
    more += folds.doubts(table, made, protocol)
    return looked._replace(findings=[*findings, *more], folds=made)


def _places(benchmark: Benchmark, name: str, table: DataFrame, data: Path | None) -> set[Path]:
    """Return the folders in which a list of a corpus' checksums would lie."""
    root = data_root(data)
    folders = {Path(os.path.commonpath([Path(path).parent for path in table["path"]]))}
    if name.endswith(".toml"):
        folders.add(Path(name).expanduser().absolute().parent)
    if benchmark.folder is not None and root is not None:
        folders.add(root / benchmark.folder)
    return folders
