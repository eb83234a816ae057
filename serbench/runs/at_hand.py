"""The corpus of a stored result, where it is at hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.benchmarks import NAME
from serbench.digests import digest_json
from serbench.errors import SerbenchError
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


class AtHand:
    """Gives the table of a result's corpus, each read once; None where it is not here.

    Args:
        data: folder of the corpora; None: `SERBENCH_DATA`.
    """

    def __init__(self, data: Path | None) -> None:
        self._data = data
        self._known: dict[str, DataFrame | None] = {}

    def __call__(self, result: Result) -> DataFrame | None:
        """Return the utterances of a result's corpus."""
        part = result.recipe.get("benchmark", result.benchmark.name)
        key = digest_json({"benchmark": part})
        if key not in self._known:
            self._known[key] = _table_or_none(result, self._data)
        return self._known[key]


def _table_or_none(result: Result, data: Path | None) -> DataFrame | None:
    part = result.recipe.get("benchmark")
    # no path that a stranger's record names is opened, let alone run
    if not isinstance(part, dict) or not re.fullmatch(NAME, str(part.get("name"))):
        return None
    try:
        return table_of(result, data)
    except (SerbenchError, LookupError, TypeError):
        # not at hand, or the record of somebody whose recipe is none
        return None
