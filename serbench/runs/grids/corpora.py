"""The corpora of a grid, each read once, and the finished runs that are of other data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.errors import SerbenchError, counted
from serbench.leaderboard import store
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.remembered import standing_of
from serbench.progress import Silent
from serbench.runs import recipe as recipes
from serbench.runs.identity import changes, described
from serbench.runs.job import Job
from serbench.runs.result import sent

if TYPE_CHECKING:
    from serbench.leaderboard.record import Result
    from serbench.progress import Progress
    from serbench.runs.corpus import Prepared
    from serbench.runs.grids.plan import Plan
    from serbench.runs.recipe import Recipe

_REMEDY = (
    "--results FOLDER computes one here elsewhere, `serbench run --overwrite always` in its place"
)


class Corpora:
    """What runs learn from and are tested on, prepared when it is first asked for.

    Args:
        data: folder of the corpora; None: `SERBENCH_DATA`.
        progress: where the work is shown.
    """

    def __init__(self, data: Path | None, progress: Progress) -> None:
        self._data, self._progress = data, progress
        self._known: dict[str, Prepared | SerbenchError] = {}

    def of(self, recipe: Recipe) -> Prepared:
        """Return the corpus of a recipe with its folds.

        Raises:
            SerbenchError: it is missing or broken.
        """
        from serbench.runs.corpus import prepare_for

        key = _key(recipe)
        if key not in self._known:
            job = Job.of(recipe.trained, "cpu", self._progress)
            try:
                self._known[key] = prepare_for(job, self._data)
            except SerbenchError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, SerbenchError):
            raise found
        return found


def compared(plan: Plan, results: Path, corpora: Corpora) -> Iterator[str]:
    """Compare finished runs with the data that are here, and yield what is to be told of that.

    Those that are broken, sent in or of other data are put into `plan.changed`: they are no results
    of this grid. Those that are incomplete go back to what is to do.
    """
    broken, foreign = 0, 0
    begun: list[int] = []
    unknown: dict[str, int] = {}
    known: dict[str, str | None] = {}
    for number in plan.finished:
        recipe = recipes.resolve(plan.grid.raw(number))
        try:
            stored = _stored(recipe, results)
            if not stored.complete:
                begun.append(number)
            elif reason := sent(_place(recipe, results)):
                plan.changed[number], foreign = f"{reason} {_REMEDY}", foreign + 1
            elif (changed := _changed(stored, recipe, corpora, known)) is not None:
                plan.changed[number] = changed
        except BrokenResultError as error:
            plan.changed[number], broken = _mended(error), broken + 1
        except SerbenchError as error:
            unknown[str(error)] = unknown.get(str(error), 0) + 1
    for reason, count in unknown.items():
        yield f"not compared with their data: {counted(count, 'finished run')}: {reason}"
    if begun:
        plan.resume(begun)
        yield f"incomplete, and to go on: {counted(len(begun), 'result')}"
    if broken:
        yield f"broken, which counts as failed: {counted(broken, 'result')}"
    if foreign:
        yield f"sent in, which counts as failed: {counted(foreign, 'result')}"
    if other := len(plan.changed) - broken - foreign:
        yield f"of other data, which counts as failed: {counted(other, 'finished run')}"


def _stored(recipe: Recipe, results: Path) -> Result:
    """Return the record of a finished run.

    Raises:
        BrokenResultError: its files are missing or damaged.
    """
    return standing_of(_place(recipe, results)).result


def _place(recipe: Recipe, results: Path) -> Path:
    name = recipes.make_benchmark(recipe.benchmark).name
    return store.place(results, name, recipe.digest())


def _mended(error: BrokenResultError) -> str:
    """Return what is wrong with a result, with what a sweep can do: it has no --again."""
    if "--again" not in error.remedy:
        return str(error)
    record = error.path.with_name(f"{error.path.name.split('.')[0]}.json")
    remedy = f"delete '{record}' (at the URL, too, if --results is one): the sweep makes it anew"
    return str(error).removesuffix(error.remedy) + remedy


def _changed(
    stored: Result, recipe: Recipe, corpora: Corpora, known: dict[str, str | None]
) -> str | None:
    """Return why a finished run does not count; None: it does.

    Args:
        stored: its record.
        recipe: of the run.
        corpora: what is here.
        known: what was found of a corpus and a split before; grows.

    Raises:
        SerbenchError: its corpus is not here.
    """
    then = (stored.benchmark, stored.split)
    prepared = corpora.of(recipe)
    key = " ".join([_key(recipe), *(each.model_dump_json() for each in then)])
    if key not in known:
        now = described(Job.of(recipe.trained, "cpu", Silent()))[0], prepared.split
        changed, _ = changes(then, now)
        known[key] = " and ".join(changed) or None
    if (found := known[key]) is None:
        return None
    return (
        f"there is a result of this recipe, {stored.digest[:8]}, but of other data: not the same "
        f"{found}. `serbench show {stored.digest[:8]}` shows it; {_REMEDY}"
    )


def _key(recipe: Recipe) -> str:
    parts = (recipe.benchmark, recipe.protocol, recipe.enrol)
    told = [part.model_dump_json() if part is not None else "" for part in parts]
    return " ".join([*told, str(recipe.leave_out_broken)])
