"""The corpus of a stored result, where it is at hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench import plugins
from serbench.benchmarks import NAME
from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.leaderboard.builtin import own_benchmark
from serbench.leaderboard.corpora import Corpus
from serbench.runs import recipe as recipes
from serbench.runs.corpus import in_numbers, read_corpus
from serbench.runs.parts import Part

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark
    from serbench.leaderboard.record import Result


def benchmark_of(result: Result) -> Benchmark:
    """Return the benchmark that a result says it is on, from the code and files that are here.

    Raises:
        SerbenchError: it is not here.
    """
    part: Any = result.recipe.get("benchmark")
    if not isinstance(part, dict):
        own = own_benchmark(result)
        if own is None:
            raise SerbenchError(f"benchmark '{result.benchmark.name}' is not here")
        return own
    plugin = plugins.find("benchmarks", part["name"])
    options = plugins.validate(plugin, part.get("options", {}))
    made: Benchmark = plugins.make(plugin, options=options)
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
        self._corpora: dict[str, Corpus] = {}

    def __call__(self, result: Result) -> Corpus | None:
        """Return the utterances of a result's corpus, and the folds that its protocol makes."""
        part = result.recipe.get("benchmark") or result.benchmark.model_dump(mode="json")
        key = digest_json({"benchmark": part})
        if key not in self._tables:
            self._tables[key] = _table_or_none(result, self._data)
        table = self._tables[key]
        if table is None:
            return None
        split = {"protocol": result.protocol.model_dump(), "without": _left_out(result)}
        key += digest_json(split)
        if key not in self._corpora:
            self._corpora[key] = _split(result, table)
        return self._corpora[key]


def _left_out(result: Result) -> list[str]:
    return sorted(each.utterance for each in result.left_out)


def _split(result: Result, whole: DataFrame) -> Corpus:
    """Return a corpus with the folds made anew, or why nobody can make them.

    Errors of the protocol are those of a record that names what is not here, or cannot be.
    """
    table = whole[~whole["utterance"].isin(_left_out(result))].reset_index(drop=True)
    said, task = result.protocol, result.benchmark.task
    from serbench.benchmarks.auditing.folds import enrolled_folds
    from serbench.benchmarks.auditing.sharing import shares
    from serbench.benchmarks.splitting.hashes import contents

    try:
        part = Part(name=said.name, options=said.options)
        protocol = recipes.make_protocol(benchmark_of(result), part)
        folds = protocol.split(table, task)
        if said.enrolled is not None:
            given = said.enrolled
            folds, _ = enrolled_folds(table, folds, task, given.amount, given.unit, given.aside)
        own, numbers = in_numbers(table, folds, task)
        known = contents(table, task)
        return Corpus(whole, own, numbers, contents=known, shared=shares(table, folds))
    except (SerbenchError, LookupError, TypeError, ValueError) as error:
        return Corpus(whole, unmade=f"its folds cannot be made anew: {error}")


def _table_or_none(result: Result, data: Path | None) -> DataFrame | None:
    part = result.recipe.get("benchmark")
    # no path that a stranger's record names is opened, let alone run
    if isinstance(part, dict) and not re.fullmatch(NAME, str(part.get("name"))):
        return None
    try:
        return table_of(result, data)
    except (SerbenchError, LookupError, TypeError):
        # not at hand, or the record of somebody whose recipe is none
        return None
