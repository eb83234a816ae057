"""A benchmark's audio as something to train encoders on: its utterances without their labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.encoders.pretraining.sources import Collection
from serbench.runs import recipe as recipes
from serbench.runs.corpus import read_corpus
from serbench.upstreams import Recording

if TYPE_CHECKING:
    from pandas import DataFrame


def benchmark_audio(name: str, data: Path | None) -> Collection:
    """Return all utterances of a benchmark.

    Args:
        name: of a benchmark, or a .toml file of one.
        data: folder of the corpora; None: `SERBENCH_DATA`.

    Raises:
        SerbenchError: no such benchmark, or its corpus is not there.
    """
    part, _ = recipes.resolve_data({"benchmark": name})
    benchmark = recipes.make_benchmark(part)
    recordings = recordings_of(read_corpus(benchmark, data))
    return Collection(benchmark.name, recordings, benchmark.licence, benchmark.citation)


def recordings_of(table: DataFrame) -> list[Recording]:
    """Return the utterances of a benchmark's table: path, speaker, start, end and digest."""
    starts = table["start"].fillna(0.0)
    ends = table["end"].astype(float).fillna(math.nan)
    # which an audit adds
    digests = table["recording"] if "recording" in table else [""] * len(table)
    columns = (table["path"], table["speaker"], starts, ends, digests)
    return [
        Recording(Path(path), str(speaker), float(start), float(end), digest)
        for path, speaker, start, end, digest in zip(*columns, strict=True)
    ]
