"""The corpus of a stored result, where it is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.runs.corpus import read_corpus
from serbench.runs.rerunning import raw_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark
    from serbench.leaderboard.record import Result


def benchmark_of(result: Result) -> Benchmark:
    """Return the benchmark that a result says it is on, from the code and files that are here.

    Raises:
        SerbenchError: it is not here.
    """
    part = dict(raw_of(result)["benchmark"])
    plugin = plugins.find("benchmarks", part.pop("name"))
    made: Benchmark = plugins.make(plugin, options=plugins.validate(plugin, part))
    return made


def table_of(result: Result, data: Path | None) -> DataFrame:
    """Return the utterances of a result's corpus, without looking at the audio.

    Args:
        result: the record.
        data: folder of the corpora; None: `SERBENCH_DATA`.

    Raises:
        SerbenchError: the corpus is not there, or is half unpacked.
    """
    return read_corpus(benchmark_of(result), data)
