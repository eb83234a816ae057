"""Study `calibrate`: a finished run under every post-processor, option and control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.errors import SerbenchError
from serbench.leaderboard import beside, store
from serbench.leaderboard.identity import corrected_by, digest_of
from serbench.runs.postprocessing import Finished, corrected
from serbench.runs.recipe import steps_of
from serbench.studies.bench import Bench, Stored
from serbench.studies.plotting import COLOURS, line, plain_log, tidy
from serbench.studies.report import Report, Row
from serbench.studies.speakers import Gain, Measured, gain, measured, names, own_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from serbench.benchmarks import Task

NEIGHBOURS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
_SHIFTS = ("sigma", "mu", "both")
_STRENGTHS = (0.0, 1.0, 5.0, 20.0, 80.0)
_CHOSEN = "chosen by validation"


class Option(NamedTuple):
    """A post-processor with options.

    family: what is varied in a line of the picture: "pldc sigma".
    x: how far, k or strength; None for a control.
    step: name and options.
    oracle: whether it looks at the truths.
    """

    family: str
    x: float | None
    step: Mapping[str, Any]
    oracle: bool = False


class _Tried(NamedTuple):
    """An option and what it gave.

    valid: mean over the speakers who validate.
    """

    option: Option
    digest: str
    test: Measured
    valid: float
    gain: Gain


def calibrate(bench: Bench, run: str) -> Report:
    """Correct a finished run in every way, and compare each with the run, paired by speaker.

    Tran et al. (Interspeech 2023), Table 2, for more than their options: `pldc` for sigma, mu, both
    with k from 1 to 50, both ways to join the neighbours, random neighbours and all of them, and
    the oracle; `prior_shift`, `em_prior` and `class_means` for classes. Each is a result of its
    own. What the validation part would choose, by its mean over speakers, is said beside what the
    test part shows to be best, which nobody could have known.

    Args:
        bench: where results lie.
        run: how the digest of the run begins, or the path of its record.

    Raises:
        SerbenchError: there is no such run, it is not of classes or dimensions, or it kept nothing
            for post-processors.
    """
    stored = bench.stored(run)
    task = stored.entry.result.benchmark.task
    ways = list(options(task, stored))
    before, finished = measured(task, stored.entry.predictions), Finished(*stored)
    tried = []
    with bench.progress.step("calibrate", len(ways)) as step:
        for option in ways:
            step.note(f"{option.family} {_told(option)}")
            tried.append(_try(bench, finished, option, before))
            step.advance(1)
    chosen = _chosen(tried, _average(task, stored))
    digest = stored.entry.result.digest
    rows = [*_rows(task, before, tried, chosen)]
    return Report(
        study="calibrate",
        about=digest[:8],
        caption=_caption(task, stored, before),
        rows=rows,
        summary=[_short(row) for row in rows],
        runs=[digest, *(each.digest for each in tried)],
        draw=lambda figure: _draw(figure, task, before, tried),
    )


def options(task: Task, stored: Stored) -> Iterator[Option]:
    """Yield in which ways a run can be corrected.

    Raises:
        SerbenchError: in none, as it predicts shares.
    """
    if task.correlates:
        yield from _for_dimensions(_candidates(stored))
    elif task.words:  # labels, not shares
        yield from _for_classes(_candidates(stored))
        if _embedded(stored):
            yield from _for_embeddings()
    else:
        msg = (
            f"study 'calibrate' is about labels and dimensions; run "
            f"{stored.entry.result.digest[:8]} predicts shares, which no post-processor corrects"
        )
        raise SerbenchError(msg)


def _counts(candidates: int) -> list[int]:
    """Return numbers of neighbours; all candidates are a control of their own."""
    return [k for k in NEIGHBOURS if k < candidates]


def _for_dimensions(candidates: int) -> Iterator[Option]:
    counts = _counts(candidates)
    for shift in _SHIFTS:
        for k in counts:
            yield Option(f"pldc {shift}", k, {"name": "pldc", "shift": shift, "k": k})
    usual = min(15, counts[-1]) if counts else 1
    for shift in _SHIFTS:
        options = {"name": "pldc", "shift": shift, "k": usual}
        yield Option(f"pldc {shift}, pooled", None, {**options, "statistics": "pooled"})
        yield Option(f"pldc {shift}, random", None, {**options, "neighbours": "random"})
        yield Option(
            f"pldc {shift}, all", None, {"name": "pldc", "shift": shift, "neighbours": "all"}
        )
        yield Option(f"oracle {shift}", None, {"name": "oracle", "shift": shift}, oracle=True)


def _for_classes(candidates: int) -> Iterator[Option]:
    counts = _counts(candidates)
    for strength in _STRENGTHS:
        yield Option("em_prior", strength, {"name": "em_prior", "strength": strength})
    yield Option("em_prior, not calibrated", None, {"name": "em_prior", "calibrate": False})
    for k in counts:
        yield Option("prior_shift", k, {"name": "prior_shift", "k": k})
    usual = min(15, counts[-1]) if counts else 1
    yield Option(
        "prior_shift, random", None, {"name": "prior_shift", "k": usual, "neighbours": "random"}
    )
    yield Option("prior_shift, all", None, {"name": "prior_shift", "neighbours": "all"})


def _for_embeddings() -> Iterator[Option]:
    for family, move in (("class_means", "together"), ("class_means, each", "each")):
        for strength in _STRENGTHS[1:]:
            step = {"name": "class_means", "move": move, "strength": strength}
            yield Option(family, strength, step)
    yield Option("class_means, not calibrated", None, {"name": "class_means", "calibrate": False})


def _embedded(stored: Stored) -> bool:
    """Return whether the run kept what its outputs saw; fused runs and older ones did not."""
    return not beside.load_embedded(stored.path, stored.entry.result).empty


def _candidates(stored: Stored) -> int:
    """Return how many speakers with two clips or more the smallest training part has."""
    trained = beside.load_part(stored.path, stored.entry.result, "train")
    clips = trained.groupby(["fold", "seed", "speaker"]).size()
    return int((clips >= 2).groupby(["fold", "seed"]).sum().min())


def _try(bench: Bench, run: Finished, option: Option, before: Measured) -> _Tried:
    made = _corrected(bench, run, option.step)
    task = made.entry.result.benchmark.task
    test = measured(task, made.entry.predictions)
    digest = made.entry.result.digest
    return _Tried(option, digest, test, _average(task, made), gain(test, before))


def _corrected(bench: Bench, run: Finished, step: Mapping[str, Any]) -> Stored:
    """Return a run after a post-processor, corrected unless that is there."""
    result, steps = run.entry.result, steps_of(step)
    digest = digest_of(corrected_by([part.identity() for part in steps], result.digest))
    path = store.place(bench.results, result.benchmark.name, digest)
    found = store.find(bench.results, result.benchmark.name, digest)
    if found is None:
        path = corrected(run, steps, bench.results).path
    return Stored(path, found or store.load_result(path))


def _average(task: Task, stored: Stored) -> float:
    """Return the mean over the speakers who validate."""
    valid = beside.load_part(stored.path, stored.entry.result, "valid")
    return float(own_scores(task, valid)[task.main].mean())


def _chosen(tried: Sequence[_Tried], before: float) -> str | None:
    """Return the digest of what is best for the speakers who validate; None: to correct nothing."""
    best = max((each for each in tried if not each.option.oracle), key=lambda each: each.valid)
    return best.digest if best.valid > before else None


def _rows(
    task: Task, before: Measured, tried: Sequence[_Tried], chosen: str | None
) -> Iterator[Row]:
    whole, average = names(task)

    def row(name: str, option: str, scores: Measured, against: Gain, note: str) -> Row:
        return {
            "post-processor": name,
            "option": option,
            whole: scores.overall,
            f"{whole} gained": against.whole,
            average: scores.average.value,
            f"{average} gained": against.average,
            "note": note,
        }

    nothing = gain(before, before)
    yield row("none", "", before, nothing, "" if chosen else _CHOSEN)
    for each in tried:
        note = "looks at the truths" if each.option.oracle else ""
        note = _CHOSEN if each.digest == chosen else note
        yield row(each.option.family, _told(each.option), each.test, each.gain, note)


def _short(row: Row) -> Row:
    """Return a row for 80 columns: what was done in one cell, marked where validation chose it."""
    name = " ".join(str(row[key]) for key in ("post-processor", "option") if row[key])
    kept = {key: cell for key, cell in row.items() if key not in ("option", "note")}
    return kept | {"post-processor": name + (" *" if row["note"] == _CHOSEN else "")}


def _told(option: Option) -> str:
    if option.x is None:
        return ""
    return f"{'k' if 'k' in option.step else 'strength'}={option.x:g}"


def _caption(task: Task, stored: Stored, before: Measured) -> str:
    result = stored.entry.result
    whole, average = names(task)
    return (
        f"Run {result.digest[:8]} ({result.labels.upstream} {result.labels.weights} + "
        f"{result.labels.downstream}, {result.benchmark.name}, {result.protocol.name}, "
        f"{len(result.seeds)} seed{'s' * (len(result.seeds) > 1)}) under every post-processor. "
        f"{whole}: mean of folds; {average}: mean of {before.size} speakers. Gained: "
        "against no post-processing, paired by speaker; brackets and bands are 95 % "
        "delete-one-speaker jackknife intervals (t, "
        "k - 1 degrees). 'random' and 'all' neighbours are controls; an oracle looks at the truths "
        f"of the test part, and is not drawn. *: chosen by the {average} of the speakers who "
        f"validate.{_lacking(task, stored)}"
    )


def _lacking(task: Task, stored: Stored) -> str:
    if task.correlates or _embedded(stored):
        return ""
    return " class_means is left out: the run kept no embeddings (--again makes them)."


def _draw(figure: Figure, task: Task, before: Measured, tried: Sequence[_Tried]) -> None:
    whole, average = names(task)
    figure.set_size_inches(10, 4)
    left, right = figure.subplots(1, 2)
    lines = [each for each in tried if each.option.x is not None]
    colours = dict(zip(dict.fromkeys(each.option.family for each in lines), COLOURS, strict=False))
    for family, colour in colours.items():
        own = [each for each in lines if each.option.family == family]
        scores = [(each.test.average.value, each.test.overall) for each in own]
        left.plot(*zip(*scores, strict=True), "o-", ms=4, color=colour, label=family)
        places = [each.option.x or 0.0 for each in own]
        line(right, places, [each.gain.average for each in own], family, colour)
    _draw_controls(left, tried, colours)
    left.plot(before.average.value, before.overall, "*", ms=13, color="black", label="none")
    tidy(left, average, whole)
    left.locator_params(nbins=6)
    right.axhline(0, color="black", lw=0.8)
    plain_log(right, [each.option.x or 0.0 for each in lines])
    tidy(right, _varied(task), f"{average} gained")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)


def _draw_controls(axes: Axes, tried: Sequence[_Tried], colours: Mapping[str, str]) -> None:
    """Draw what is no line; an oracle is far off and would hide the rest."""
    controls = [each for each in tried if each.option.x is None and not each.option.oracle]
    kinds = dict.fromkeys(each.option.family.partition(", ")[2] for each in controls)
    markers = dict(zip(kinds, "sDv^P", strict=False))
    for each in controls:
        family, _, kind = each.option.family.partition(", ")
        axes.plot(
            each.test.average.value,
            each.test.overall,
            markers[kind],
            color=colours.get(family, "black"),
            mfc="none",
            ms=7,
        )
    for kind, marker in markers.items():
        axes.plot([], [], marker, color="black", mfc="none", ms=7, label=kind)


def _varied(task: Task) -> str:
    return "k, neighbours" if task.correlates else "k, neighbours; strength, clips"
