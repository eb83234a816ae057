"""Whether a result is about the corpus that is here: its ids, speakers and truths, its folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from serbench.leaderboard.listing import some
from serbench.leaderboard.record import FoldRecord, Result
from serbench.leaderboard.standing import Standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks.tasks import Task

Values: TypeAlias = "NDArray[np.generic]"
Corpora: TypeAlias = Callable[[Result], "Corpus | None"]
"""From a record to its corpus, or None if that is not at hand."""

_ROUNDING = 1e-6
_SHARE = 1e-3  # by which what parts share may be another, as it is rounded


@dataclass(frozen=True)
class Corpus:
    """A corpus as it is here.

    Attributes:
        table: its utterances.
        hash: of its folds, as `record.Split` has it, made anew; empty if the record does not say
            how.
        folds: likewise.
        unmade: why the folds cannot be made anew; empty if they can.
        contents: 16 hex digits for its ids, speakers, labels and texts, as `record.Split` has them.
        shared: what share of the parts of these folds has the speaker, session or text of one in
            another, as `record.Result` has it.
        compared: where facts of these digests are not those of the table, a sentence each: what
            many results say alike is compared once.
    """

    table: DataFrame
    hash: str = ""
    folds: tuple[FoldRecord, ...] = ()
    unmade: str = ""
    contents: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, float] = field(default_factory=dict)
    compared: dict[str, tuple[str, ...]] = field(default_factory=dict)


def unlike_folds(each: Standing, corpus: Corpus) -> Iterator[str]:
    """Yield where folds are not those that the protocol makes of the corpus, test parts above all.

    The predictions are for the test parts that the record names; reading it has seen to that.
    """
    if not corpus.folds:
        return
    if each.result.split.hash != corpus.hash:
        yield "its split is not what the protocol makes of the corpus that is here"
    yield from _of_others(each.result, corpus)
    said = {fold.name: fold for fold in each.result.split.folds}
    made = {fold.name: fold for fold in corpus.folds}
    if lost := sorted(made.keys() - said.keys()):
        yield f"folds that the protocol makes, but the record does not have: {some(lost)}"
    for name, fold in said.items():
        own = made.get(name)
        if own is None or fold.hash != own.hash or not _as_true(fold, own):
            yield f"fold '{name}' is not what the protocol makes of the corpus that is here"
        else:
            yield from _missized(fold, own)
    if [*said] != [*made] and said.keys() == made.keys():
        yield "its folds are in another order than the protocol makes them"
    yield from _unshared(each.result, corpus)


def _of_others(result: Result, corpus: Corpus) -> Iterator[str]:
    """Yield where what was split, and what was left out before, is not of the corpus."""
    if result.left_out:
        left_out = {each.utterance for each in result.left_out}
        if absent := sorted(left_out - {*corpus.table["utterance"]}):
            yield f"utterances that it left out, and the corpus does not have: {some(absent)}"
    for what, own in corpus.contents.items():
        # an older serbench did not say them
        if (told := getattr(result.split, what)) and told != own:
            yield f"the {what} that its split was made of are not those of the corpus that is here"


def _as_true(said: FoldRecord, own: FoldRecord) -> bool:
    """Return whether the truths of a fold are those of the fold made anew, the tested above all."""
    return "test" in said.truths and said.truths.items() <= own.truths.items()


def _missized(said: FoldRecord, own: FoldRecord) -> Iterator[str]:
    """Yield where the parts of a fold have other sizes than those of the fold made anew."""
    for called, size in _sizes(own).items():
        if (told := _sizes(said).get(called, 0)) != size:
            yield (
                f"fold '{own.name}' has {told} {called} utterances in the record, and {size} as "
                "the protocol makes it of the corpus that is here"
            )


def _sizes(fold: FoldRecord) -> dict[str, int]:
    """Return the sizes of the parts of a fold, which corrected tests weigh by, as they are called.

    How many more utterances have no truth, older records do not say.
    """
    tests = {f"test '{name}'": size for name, size in fold.tests.items()}
    parts = {"training": fold.train, "validation": fold.valid, "test": fold.test}
    return parts | {"enrolled": fold.enrol} | tests


def _unshared(result: Result, corpus: Corpus) -> Iterator[str]:
    """Yield what parts of the folds share, and the record does not say.

    Fused runs do not say it, nor did an older serbench.
    """
    if result.members or not result.split.audio:
        return
    for what, share in corpus.shared.items():
        said = result.shared.get(what, 0.0)
        if abs(said - share) > _SHARE:
            yield f"'{what}' is {share:.4f} in the corpus here, and {said:.4f} in the record"


def unlike_truths(each: Standing, corpus: Corpus) -> tuple[str, ...]:
    """Return where ids, speakers or truths are not those of the corpus."""
    key = f"{each.measured.facts} {each.result.benchmark.task.columns}"
    if key not in corpus.compared:
        corpus.compared[key] = (*_compared(each, corpus.table),)
    return corpus.compared[key]


def _compared(each: Standing, table: DataFrame) -> Iterator[str]:
    task = each.result.benchmark.task
    known = each.facts()
    corpus = table.set_index("utterance")
    if absent := sorted({*known.index} - {*corpus.index}):
        yield f"utterances that the corpus does not have: {some(absent)}"
    common = known.index.intersection(corpus.index)
    for column, own in _pairs(task):
        here = corpus.loc[common, own]
        unequal = _unequal(known.loc[common, column].to_numpy(), here.to_numpy())
        if unequal.any():
            what = "speakers" if column == "speaker" else f"'{own}'"
            yield f"other {what} than the corpus has: {some([*common[unequal]])}"


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
