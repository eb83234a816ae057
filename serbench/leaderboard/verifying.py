"""Whether a result is what it says: everything that can be computed again, is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from serbench.devices import cores
from serbench.errors import SerbenchError
from serbench.leaderboard import implied, notes
from serbench.leaderboard.comparable import Group, Rival, groups
from serbench.leaderboard.corpora import Corpora, unlike_folds, unlike_truths
from serbench.leaderboard.identity import is_derived
from serbench.leaderboard.intact import altered
from serbench.leaderboard.listing import some
from serbench.leaderboard.marks import was_sent
from serbench.leaderboard.naming import named, origins_of, run_of, unasked
from serbench.leaderboard.notes import sent_in
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.record import Result
from serbench.leaderboard.remembered import computed, lean, standing_of
from serbench.leaderboard.standing import Standing

if TYPE_CHECKING:
    from pandas import DataFrame

Remake: TypeAlias = Callable[[Result, Sequence[Path]], "DataFrame"]
"""From a fused or corrected record, and folders with the runs that it was made of, to what these
come to; raises SerbenchError where that cannot be made here."""

Asked: TypeAlias = Callable[[Result], Iterable[str]]
"""From a record to what its recipe has that no recipe can have, a sentence each."""

_NAMED = 3
_WORTH = 100  # results that a process of its own is worth starting for
_APART = 1e-3  # that predictions made again may be, as other machines round otherwise


class Verdict(NamedTuple):
    """What became of one record.

    Attributes:
        path: of the record.
        problems: what is not as it says, a sentence each; none for a sound one.
        truth: whether ids and truths are those of the corpus; None: that is not known.
        standing: the result with what its predictions come to, if it could be read.
        unsure: why what its row is called could not be verified; empty if it was.
        unknown: why the truth is not known; empty if it is.
        disputed: what other results say otherwise, where nothing here tells which side is right.
        unmade: why predictions that were made of other runs could not be made again; empty if they
            were, and for a run that was trained.
        remedy: for whoever has the folder, of one that could not be read.
    """

    path: Path
    problems: tuple[str, ...]
    truth: bool | None = None
    standing: Standing | None = None
    unsure: str = ""
    unknown: str = ""
    disputed: tuple[str, ...] = ()
    unmade: str = ""
    remedy: str = ""


def verify(
    path: Path,
    corpora: Corpora,
    *,
    read: Callable[[Path], Standing] = computed,
    folders: Sequence[Path] = (),
    remake: Remake | None = None,
    asked: Asked | None = None,
) -> Verdict:
    """Verify a record and its predictions.

    Reading them sees to the checksums, the recipe's digest and labels, that every test utterance of
    every fold and seed is there once, and that the truths are those that the record was made
    of, and the scores are computed again. Then what lies beside them is compared with the record's
    checksums, and with the corpus at hand ids, speakers and truths, and its folds made anew.

    Args:
        path: of the record.
        corpora: gives the tables of corpora.
        read: from a path the result with what its predictions come to.
        folders: where the records of runs may lie that it was made of, before its own folder.
        remake: makes the predictions of fused and corrected results again.
        asked: knows what a recipe can be; None: nobody looks.
    """
    try:
        found = read(path)
        around = [*folders, path.parent]  # runs that are here before those that are sent along
        corpus = corpora(_as_run(found.result, around))
        wrong = (
            [] if corpus is None else [*unlike_truths(found, corpus), *unlike_folds(found, corpus)]
        )
        other, unmade = _made_again(found, around, remake)
    except BrokenResultError as problem:
        return Verdict(path, (problem.reason,), remedy=problem.remedy)
    name = named(found.result, around)
    said = (
        *altered(path, found.result),
        *_unhashed(found.result),
        *name.problems,
        *_unnoted(path, found.result),
        *unasked(found.result),
        *implied.unlike(found.result),
        *(asked(found.result) if asked else ()),
        *other,
        *_scores(found),
    )
    unknown = "" if corpus is None else corpus.unmade
    truth = None if corpus is None or unknown else not wrong
    problems = (*said, *wrong)
    return Verdict(path, problems, truth, lean(found, path), name.unsure, unknown, unmade=unmade)


def _unnoted(path: Path, result: Result) -> Iterator[str]:
    """Yield that a folder's own result does not say which of its runs were sent in there."""
    for digest in () if was_sent(path) else origins_of(result):
        if was_sent(path.with_name(f"{digest}.json")) and sent_in(digest) not in result.noted:
            yield f"the run {digest[:8]} that it was made of was sent in, and the record denies it"


def _as_run(result: Result, folders: Sequence[Path]) -> Result:
    """Return a record whose recipe names the benchmark, as that of fused runs does not."""
    run = run_of(result, folders)
    part = None if run is None else run.recipe.get("benchmark")
    return (
        result.model_copy(update={"recipe": result.recipe | {"benchmark": part}})
        if part
        else result
    )


def _made_again(
    each: Standing, folders: Sequence[Path], remake: Remake | None
) -> tuple[list[str], str]:
    """Return how predictions that were made of runs are wrong, or why that cannot be seen."""
    if not is_derived(each.result.recipe):
        return [], ""
    if remake is None:
        return [], "nobody tried"
    try:
        made = remake(each.result, folders)
    except BrokenResultError as error:
        return [], f"{error.path.name[:8]}: {error.reason}"
    except SerbenchError as error:
        return [], str(error).partition("; ")[0]  # its remedies are for whoever has the runs
    return [*_remade(each, made)], ""


def _remade(each: Standing, made: DataFrame) -> Iterator[str]:
    """Yield how far predictions are from what the runs come to that they were made of."""
    import numpy as np

    from serbench.scoring.predictions import KEY, values

    task = each.result.benchmark.task
    said, found = (table.sort_values(KEY) for table in (each.load(), made))
    if not np.array_equal(said[KEY].to_numpy(), found[KEY].to_numpy()):
        yield "the runs that it was made of predict other utterances, folds or seeds"
        return
    one, other = (values(task, table) for table in (said, found))
    same = np.isclose(one, other, rtol=0, atol=_APART, equal_nan=True)
    far = np.flatnonzero((~same).any(axis=1))
    if wrong := said["utterance"].iloc[far].tolist():
        yield (
            f"{len(wrong)} of {len(said)} predictions are not what comes of the runs that it was "
            f"made of ({some(wrong)})"
        )


def verify_all(
    root: Path,
    corpora: Corpora,
    *,
    again: bool = False,
    remake: Remake | None = None,
    asked: Asked | None = None,
) -> Iterator[Verdict]:
    """Verify everything in a results folder, and that results on the same agree on its truth.

    Where they do not, it counts against those whom the corpus at hand contradicts; where it cannot
    tell, against nobody: how many are on a side proves nothing.

    Many are spread over processes, one a core.

    Args:
        root: the results folder.
        corpora: gives the tables of corpora.
        again: whether scores are computed anew of files, too, that were read by the same code
            before and have not changed by a byte.
        remake: as of `verify`.
        asked: likewise.

    Raises:
        SerbenchError: such a process was killed.
    """
    read = computed if again else standing_of
    one = partial(verify, corpora=corpora, read=read, remake=remake, asked=asked)
    found = [*_each(sorted(root.glob("*/*.json")), one)]
    known = [each.standing for each in found if each.standing is not None]
    rivals = {e.result.digest: group.rivals for group in groups(known) for e in group.entries}
    right = {each.path.stem for each in found if each.truth}
    for each in found:
        # who has the corpus on his side is not to blame that others contradict him
        yield each if each.truth else _judged(each, rivals.get(each.path.stem, ()), right)


def _judged(each: Verdict, rivals: Sequence[Rival], right: Set[str]) -> Verdict:
    """Return a verdict with what its rivals make of it.

    Args:
        each: of a result whose truth is not known to be right.
        rivals: who contradict it.
        right: digests of those whose truth is that of the corpus.
    """
    wrong, disputed = [], []
    for rival in rivals:
        if any(entry.result.digest in right for entry in rival.entries):
            wrong.append(f"{_said(rival)}, whose truth is that of the corpus")
        else:
            disputed.append(_said(rival))
    return each._replace(problems=(*each.problems, *wrong), disputed=(*disputed,))


def _each(paths: Sequence[Path], one: Callable[[Path], Verdict]) -> Iterator[Verdict]:
    count = min(cores(), len(paths) // _WORTH)
    if count < 2:
        yield from map(one, paths)
        return
    work = partial(_some_of, one)
    size = -(-len(paths) // count)  # one part a process, so that each reads a corpus once
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    try:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            for some in pool.map(work, parts):
                yield from some
    except BrokenProcessPool as error:
        msg = "a process was killed, perhaps as memory ran out; verify fewer results at once"
        raise SerbenchError(msg) from error


def _some_of(one: Callable[[Path], Verdict], paths: Sequence[Path]) -> list[Verdict]:
    return [*map(one, paths)]


def _unhashed(result: Result) -> Iterator[str]:
    """Yield whether the hash of the split is not that of the folds; of several it cannot be told.

    That of one fold is that of the split; of several the record lacks what they were hashed from.
    """
    folds = result.split.folds
    if len(folds) == 1 and folds[0].hash != result.split.hash:
        yield (
            f"its split has the hash {result.split.hash[:8]}, but its one fold, "
            f"'{folds[0].name}', has {folds[0].hash[:8]}, and the two must be equal"
        )


def _scores(each: Standing) -> Iterator[str]:
    """Yield where the scores of a record are not those of its predictions."""
    if each.measured.mismatch is None:
        return
    different = [*notes.differences(each.result, each.measured.scores)]
    for where, stored, found in different[:_NAMED]:
        yield f"score {where} is {stored} in the record, {found} by its predictions"
    if len(different) > _NAMED:
        yield f"{len(different) - _NAMED} more scores are not those of the predictions"


def _said(rival: Rival) -> str:
    return f"{rival.what} than in {some([each.result.digest[:8] for each in rival.entries])}"


def contradictions(group: Group) -> list[str]:
    """Return in what a group contradicts others, one of which must be wrong."""
    return [
        f"{_said(rival)}; the corpus alone can tell which side is right (--data)"
        for rival in group.rivals
    ]
