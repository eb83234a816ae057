"""Two results beside each other: how much better one is, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from serbench.errors import SerbenchError, counted
from serbench.leaderboard.comparable import groups, title
from serbench.leaderboard.differing import differing
from serbench.leaderboard.figures import chance, number
from serbench.leaderboard.record import Labels, Result
from serbench.leaderboard.standing import Standing, standing
from serbench.leaderboard.store import Entry
from serbench.leaderboard.table import columns_of

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from serbench.scoring.comparisons import Difference

By = Literal["speaker", "fold", "emotion", "gender"]
"""What a comparison is taken apart by."""


class Line(NamedTuple):
    """One figure of two systems.

    Attributes:
        name: of the figure, or of the part of the utterances.
        one: of the first system.
        other: of the second.
        difference: of the first less the second, over speakers.
    """

    name: str
    one: float
    other: float
    difference: Difference


class Comparison(NamedTuple):
    """Two results on the same.

    Attributes:
        title: benchmark, task and protocol.
        names: of the systems, A and B.
        figures: the figures of the task, the ranking one first.
        over_folds: of the ranking figure, the corrected t test over folds.
        parts: the ranking figure on parts of the utterances, if that was asked for; the p values
            are adjusted (Holm) for their number.
        verdict: sentences.
    """

    title: str
    names: tuple[str, str]
    figures: tuple[Line, ...]
    over_folds: Difference
    parts: tuple[Line, ...]
    verdict: tuple[str, ...]


def compare(
    one: Entry, other: Entry, by: By | None = None, gender: Mapping[str, str] | None = None
) -> Comparison:
    """Compare two results on the same utterances.

    One may have heard the test part, without labels, and the other not: the verdict says so. No
    board ranks the two together.

    Args:
        one: a result with its predictions.
        other: another.
        by: what to take the ranking figure apart by.
        gender: of each speaker, for that.

    Raises:
        SerbenchError: they are not comparable, one is not complete, or `by` does not go with the
            task.
    """
    pair = _comparable(one, other)
    figures = tuple(figures_of(*pair))
    if not figures:
        kind = one.result.benchmark.task.kind
        raise SerbenchError(f"the metrics of a {kind} task do not follow from sums over utterances")
    folds = _over_folds(*pair)
    names = _names(one.result, other.result)
    parts = tuple(_parts(one, other, by, gender)) if by else ()
    heading = title(one.result.benchmark, one.result.protocol)
    heard = _about_hearing(one.result, other.result)
    verdict = (*_verdict(figures[0], folds), *heard, *_about_seeds(*pair))
    return Comparison(heading, names, figures, folds, parts, verdict)


def _comparable(one: Entry, other: Entry) -> tuple[Standing, Standing]:
    pair = standing(*one), standing(*other)
    for each in pair:
        if not each.result.complete:
            digest = each.result.digest[:8]
            raise SerbenchError(f"result {digest} is incomplete; let its run end, then compare")
    found = groups(pair, by_heard=False)
    if len(found) > 1:
        said = next((s for g in found for s in g.sentences), " and ".join(g.title for g in found))
        raise SerbenchError(f"the two are not on the same: {said.rstrip('.')}; take two that are")
    return pair


def figures_of(one: Standing, other: Standing) -> Iterator[Line]:
    """Yield the figures that can be taken apart by speaker, of two results on the same.

    Args:
        one: a result with what its predictions come to.
        other: another.
    """
    from serbench.scoring.comparisons import by_speakers

    mine, theirs = one.measured.shares, other.measured.shares
    for figure in columns_of(one.result):
        if figure.key in mine and figure.key in theirs:
            name = f"{figure.title} {figure.dimension or ''}".strip()
            pair = mine[figure.key], theirs[figure.key]
            yield Line(name, pair[0].value, pair[1].value, by_speakers(*pair))


def _over_folds(one: Standing, other: Standing) -> Difference:
    from serbench.scoring.comparisons import over_folds

    folds = one.result.split.folds
    learnt = sum(fold.train + fold.valid * _refits(one.result) for fold in folds)
    share = sum(fold.test for fold in folds) / learnt
    names = [fold.name for fold in folds]
    mine, theirs = (_by_fold(each).reindex(names).to_list() for each in (one, other))
    return over_folds(mine, theirs, share)


def _refits(result: Result) -> bool:
    training = result.recipe.get("training")
    return isinstance(training, dict) and training.get("refit") is True


def _by_fold(each: Standing) -> Series[float]:
    folds = each.measured.scores.folds.assign(fold=lambda rows: rows["fold"].astype(str))
    return folds.groupby("fold", sort=False)[each.result.benchmark.task.rank].mean()


def _names(one: Result, other: Result) -> tuple[str, str]:
    """Return how both are called, with what sets systems of one name apart."""
    apart = differing([one, other])
    first, second = (
        f"{called(each.labels)} ({each.digest[:8]}){said and ', '}{said}"
        for each, said in zip((one, other), apart, strict=True)
    )
    return first, second


def called(labels: Labels) -> str:
    """Return how a system is called in a sentence: "hubert nano + ecapa"."""
    weights = "" if labels.weights == "-" else f" {labels.weights}"
    return f"{labels.upstream}{weights} + {labels.downstream}"


def _parts(one: Entry, other: Entry, by: By, gender: Mapping[str, str] | None) -> Iterator[Line]:
    """Yield the ranking figure on each part of the utterances, the p values adjusted."""
    from serbench.scoring.comparisons import by_speakers, holm
    from serbench.scoring.intervals import over_folds
    from serbench.scoring.predictions import first_test

    task = one.result.benchmark.task
    one, other = (Entry(each.result, first_test(each.predictions)) for each in (one, other))
    found = []
    for name, rows in _groups(one, by, gender):
        mine = over_folds(task, one.predictions[one.predictions["utterance"].isin(rows)])
        theirs = over_folds(task, other.predictions[other.predictions["utterance"].isin(rows)])
        pair = mine[task.rank], theirs[task.rank]
        found.append(Line(name, pair[0].value, pair[1].value, by_speakers(*pair)))
    tested = [line for line in found if line.difference.p == line.difference.p]
    adjusted = dict(
        zip(
            (line.name for line in tested),
            holm([line.difference.p for line in tested]),
            strict=True,
        )
    )
    if by == "speaker":
        found.sort(key=lambda line: -line.difference.value)
    for line in found:
        p = adjusted.get(line.name, line.difference.p)
        yield line._replace(difference=line.difference._replace(p=p))


def _groups(
    one: Entry, by: By, gender: Mapping[str, str] | None
) -> Iterator[tuple[str, Series[str]]]:
    """Yield the name of each part and its utterances."""
    rows = one.predictions.drop_duplicates(["utterance", "fold"])
    for name, own in rows.groupby(_key(one, rows, by, gender), sort=True):
        yield str(name), own["utterance"]


def _key(one: Entry, rows: DataFrame, by: By, gender: Mapping[str, str] | None) -> Series[str]:
    task = one.result.benchmark.task
    if by == "emotion":
        if not task.words:
            raise SerbenchError(
                f"the task has no emotions but {task.summary}, which are compared anyway; leave "
                "--by emotion out"
            )
        return rows["truth"]
    if by == "gender":
        found = rows["speaker"].map(dict(gender or {}))
        if found.isna().all():
            raise SerbenchError(
                f"nobody says the gender of the speakers of {one.result.benchmark.name}"
            )
        return found.fillna("unknown")
    return rows[by]


def _verdict(ranking: Line, folds: Difference) -> Iterator[str]:
    """Yield in words what the numbers come to."""
    found = ranking.difference
    if found.p != found.p:
        people = counted(found.units, "speaker")
        yield f"Nothing can be said: {ranking.name} of {people} is no sample."
        return
    better, worse = "AB" if found.value >= 0 else "BA"
    amount = f"{ranking.name} {abs(found.value):.3f}"
    low, high = sorted((abs(found.low), abs(found.high)))
    if found.p == 1 and found.value == 0:
        yield "A and B predict the same."
    elif found.real:
        yield (
            f"{better} is better than {worse}: by {amount} (95 % interval {low:.3f} to "
            f"{high:.3f}, p {chance(found.p)}, {found.units} speakers)."
        )
    else:
        yield (
            f"A and B cannot be told apart: they differ by {amount}, and with "
            f"these {found.units} speakers only more than about "
            f"{(found.high - found.low) / 2:.3f} would show (p {chance(found.p)})."
        )
    yield from _about_folds(found, folds)


def _about_folds(found: Difference, folds: Difference) -> Iterator[str]:
    if folds.p != folds.p or found.value == 0:
        return
    same = "agrees" if folds.real == found.real else "does not agree"
    why = "" if same == "agrees" else "; it knows less, as it has fewer folds than speakers"
    if not found.real and folds.real:
        why = "; take the two as undecided"
    yield (f"The corrected t test over {folds.units} folds {same} (p {chance(folds.p)}{why}).")


def _about_hearing(one: Result, other: Result) -> Iterator[str]:
    """Yield what one was told or heard of the test part, which is a part of the difference."""
    for name, result in zip("AB", (one, other), strict=True):
        if result.saw_truths:
            yield (
                f"{name} is corrected by the labels of the test part (an oracle): it shows what "
                "could be had, is no system, and has no rank."
            )
    if one.transductive != other.transductive:
        heard, not_heard = "AB" if one.transductive else "BA"
        yield (
            f"{heard} heard the audio of the test part, without labels (transductive), and "
            f"{not_heard} did not: the difference is of systems and of what they heard, and no "
            "board ranks the two together."
        )


def _about_seeds(*pair: Standing) -> Iterator[str]:
    rank = pair[0].result.benchmark.task.rank
    spreads = [each.measured.scores.by_fold[rank].std_over_seeds for each in pair]
    seeds = [each.measured.scores.seeds for each in pair]
    if max(seeds) > 1:
        shown = " and ".join(
            number(spread) if count > 1 else "unknown (one seed)"
            for spread, count in zip(spreads, seeds, strict=True)
        )
        yield f"Spread over seeds, which is no part of the test: {shown}."
    else:
        yield "Both were trained with one seed: how far another would move them is not known."
