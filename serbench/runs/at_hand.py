"""The corpus of a stored result, where it is at hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.benchmarks import NAME
from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.leaderboard.verifying import Corpus
from serbench.runs import recipe as recipes
from serbench.runs.corpus import in_numbers, read_corpus
from serbench.runs.parts import Part
from serbench.runs.rerunning import raw_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark
    from serbench.leaderboard.record import FoldRecord, Result


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
    """Gives the corpus of a result, each read and split once; None where it is not here.

    Args:
        data: folder of the corpora; None: `SERBENCH_DATA`.
    """

    def __init__(self, data: Path | None) -> None:
        self._data = data
        self._tables: dict[str, DataFrame | None] = {}
        self._splits: dict[str, tuple[str, tuple[FoldRecord, ...]]] = {}

    def __call__(self, result: Result) -> Corpus | None:
        """Return the utterances of a result's corpus, and the folds that its protocol makes."""
        part = result.recipe.get("benchmark", result.benchmark.name)
        key = digest_json({"benchmark": part})
        if key not in self._tables:
            self._tables[key] = _table_or_none(result, self._data)
        table = self._tables[key]
        if table is None:
            return None
        split = {"protocol": result.protocol.model_dump(), "without": _left_out(result)}
        key += digest_json(split)
        if key not in self._splits:
            self._splits[key] = _split(result, table)
        return Corpus(table, *self._splits[key])


def _left_out(result: Result) -> list[str]:
    return sorted(each.utterance for each in result.left_out)


def _split(result: Result, table: DataFrame) -> tuple[str, tuple[FoldRecord, ...]]:
    """Return the folds made anew and their hash; none where the record does not say how.

    Errors of the protocol are those of a record that names what is not here.
    """
    table = table[~table["utterance"].isin(_left_out(result))].reset_index(drop=True)
    said, task = result.protocol, result.benchmark.task
    from serbench.benchmarks.auditing.folds import enrolled_folds

    try:
        part = Part(name=said.name, options=said.options)
        protocol = recipes.make_protocol(benchmark_of(result), part)
        folds = protocol.split(table, task)
        if said.enrolled is not None:
            given = said.enrolled
            folds, _ = enrolled_folds(table, folds, task, given.amount, given.unit, given.aside)
        return in_numbers(table, folds, task)
    except (SerbenchError, LookupError, TypeError, ValueError):
        return "", ()


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
