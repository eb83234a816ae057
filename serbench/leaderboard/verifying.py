"""Whether a result is what it says: everything that can be computed again, is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from serbench.devices import cores
from serbench.errors import SerbenchError
from serbench.leaderboard import notes
from serbench.leaderboard.comparable import Group, groups
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.record import FoldRecord, Result
from serbench.leaderboard.remembered import computed, lean
from serbench.leaderboard.standing import Standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks.tasks import Task

Values: TypeAlias = "NDArray[np.generic]"
Corpora: TypeAlias = Callable[[Result], "Corpus | None"]
"""From a record to its corpus, or None if that is not at hand."""

_NAMED = 3
_WORTH = 100  # results that a process of its own is worth starting for
_ROUNDING = 1e-6
_SERIOUS = ("other labels", "speakers", "other tests")


class Corpus(NamedTuple):
    """A corpus as it is here.

    Attributes:
        table: its utterances.
        hash: of its folds, as `record.Split` has it, made anew; empty if the record does not say
            how.
        folds: likewise.
    """

    table: DataFrame
    hash: str = ""
    folds: tuple[FoldRecord, ...] = ()


class Verdict(NamedTuple):
    """What became of one record.

    Attributes:
        path: of the record.
        problems: what is not as it says, a sentence each; none for a sound one.
        truth: whether ids and truths are those of the corpus; None: the corpus is not at hand.
        standing: the result with what its predictions come to, if it could be read.
    """

    path: Path
    problems: tuple[str, ...]
    truth: bool | None = None
    standing: Standing | None = None


def verify(path: Path, corpora: Corpora) -> Verdict:
    """Verify a record and its predictions.

    Reading them sees to the checksums, the recipe's digest and labels, that every test utterance of
    every fold and seed is there once, and that the truths are those that the record was made
    of. Then the scores are computed again, and with the corpus at hand ids, speakers and truths
    compared, and its folds made anew.

    Args:
        path: of the record.
        corpora: gives the tables of corpora.
    """
    try:
        found = computed(path)
        corpus = corpora(found.result)
        wrong = [] if corpus is None else [*_truths(found, corpus.table), *_folds(found, corpus)]
    except BrokenResultError as problem:
        return Verdict(path, (f"{problem.reason}; {problem.remedy}",))
    problems = *_asked(found.result), *_scores(found), *wrong
    return Verdict(path, problems, None if corpus is None else not wrong, lean(found, path))


def verify_all(root: Path, corpora: Corpora) -> Iterator[Verdict]:
    """Verify everything in a results folder, and that results on the same agree on its truth.

    Many are spread over processes, one a core.

    Raises:
        SerbenchError: such a process was killed.
    """
    found = [*_each(sorted(root.glob("*/*.json")), corpora)]
    apart = _disagreeing([each.standing for each in found if each.standing is not None])
    for each in found:
        digest = each.standing.result.digest if each.standing else ""
        yield each._replace(problems=(*each.problems, *apart.get(digest, ())))


def _each(paths: Sequence[Path], corpora: Corpora) -> Iterator[Verdict]:
    count = min(cores(), len(paths) // _WORTH)
    if count < 2:
        yield from (verify(path, corpora) for path in paths)
        return
    work = partial(_verify_some, corpora=corpora)
    size = -(-len(paths) // count)  # one part a process, so that each reads a corpus once
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    try:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            for some in pool.map(work, parts):
                yield from some
    except BrokenProcessPool as error:
        msg = "a process was killed, perhaps as memory ran out; verify fewer results at once"
        raise SerbenchError(msg) from error


def _verify_some(paths: Sequence[Path], corpora: Corpora) -> list[Verdict]:
    return [verify(path, corpora) for path in paths]


def _asked(result: Result) -> Iterator[str]:
    """Yield where a record has other seeds than its recipe asks for: the best may be all it has."""
    asked = result.recipe.get("seeds", result.seeds)
    asked = asked if isinstance(asked, list | tuple) else [asked]
    if len(asked) != len(result.seeds) or any(seed not in result.seeds for seed in asked):
        yield f"its recipe asks for the seeds {_some(asked)}, but it has {_some(result.seeds)}"


def _folds(each: Standing, corpus: Corpus) -> Iterator[str]:
    """Yield where folds are not those that the protocol makes of the corpus, test parts above all.

    The predictions are for the test parts that the record names; reading it has seen to that.
    """
    if not corpus.folds:
        return
    if each.result.split.hash != corpus.hash:
        yield "its split is not what the protocol makes of the corpus that is here"
    said = {fold.name: fold for fold in each.result.split.folds}
    made = {fold.name: fold for fold in corpus.folds}
    if lost := sorted(made.keys() - said.keys()):
        yield f"folds that the protocol makes, but the record does not have: {_some(lost)}"
    for name, fold in said.items():
        own = made.get(name)
        if own is None or (fold.hash, fold.truths.get("test")) != (own.hash, own.truths["test"]):
            yield f"fold '{name}' is not what the protocol makes of the corpus that is here"


def _scores(each: Standing) -> Iterator[str]:
    """Yield where the scores of a record are not those of its predictions."""
    different = [*notes.differences(each.result, each.measured.scores)]
    for where, stored, found in different[:_NAMED]:
        yield f"score {where} is {stored} in the record, {found} by its predictions"
    if len(different) > _NAMED:
        yield f"{len(different) - _NAMED} more scores are not those of the predictions"


def _truths(each: Standing, table: DataFrame) -> Iterator[str]:
    """Yield where ids, speakers or truths are not those of the corpus."""
    task = each.result.benchmark.task
    known = each.facts()
    corpus = table.set_index("utterance")
    if absent := sorted({*known.index} - {*corpus.index}):
        yield f"utterances that the corpus does not have: {_some(absent)}"
    common = known.index.intersection(corpus.index)
    for column, own in _pairs(task):
        here = corpus.loc[common, own]
        unequal = _unequal(known.loc[common, column].to_numpy(), here.to_numpy())
        if unequal.any():
            what = "speakers" if column == "speaker" else f"'{own}'"
            yield f"other {what} than the corpus has: {_some([*common[unequal]])}"


def _pairs(task: Task) -> Iterator[tuple[str, str]]:
    """Yield the columns of predictions and of the corpus that must agree."""
    from serbench.scoring.predictions import truths

    yield "speaker", "speaker"
    yield from zip(truths(task), task.columns, strict=True)


def _unequal(one: Values, other: Values) -> NDArray[np.bool_]:
    import numpy as np

    found: NDArray[np.bool_] = one.astype(str) != other.astype(str)
    if one.dtype.kind == "f":
        found = ~(np.abs(one - other.astype(float)) <= _ROUNDING)
    return found


def _some(names: Sequence[object]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(map(str, names[:_NAMED]))}{more}"


def _disagreeing(standings: Sequence[Standing]) -> dict[str, list[str]]:
    """Return, by digest, what results on the same benchmark and protocol do not agree on."""
    return {
        each.result.digest: contradictions(group)
        for group in groups(standings)
        for each in group.entries
    }


def contradictions(group: Group) -> list[str]:
    """Return what sets a group apart from others although one of them must be wrong."""
    said = [s for s in group.sentences if s.startswith("Not comparable with")]
    return [s for s in said if any(kind in s for kind in _SERIOUS)]
