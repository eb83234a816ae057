"""What a sweep will cost, as far as it can be known before: space of features, and time."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.errors import SerbenchError, counted
from serbench.runs import recipe as recipes
from serbench.runs.grids import times
from serbench.runs.grids.plan import impossible
from serbench.runs.grids.shared import Made

if TYPE_CHECKING:
    from serbench.runs.corpus import Prepared
    from serbench.runs.grids.corpora import Corpora
    from serbench.runs.grids.plan import Plan
    from serbench.runs.grids.shared import Together
    from serbench.runs.recipe import Part, Recipe

_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}


def told(plan: Plan, results: Path) -> Iterator[str]:
    """Yield a plan in lines."""
    grid = plan.grid
    axes = " x ".join(f"{len(values)} {key}" for key, values in grid.axes.items())
    rows = [f"{len(grid.rows)} rows"] * (len(grid.rows) > 1)
    factors = " x ".join([*([axes] if axes else []), *rows])
    yield counted(len(grid), "run") + f": {factors}" * bool(factors)
    doubled = f", {plan.doubled} are another one once more" if plan.doubled else ""
    yield f"finished: {plan.valid}{doubled}; to do: {plan.count}"
    if plan.begun:
        yield (
            f"begun: {counted(plan.begun, 'run')}, with {counted(plan.trials, 'finished trial')}, "
            "which are taken if they are of the same data, weights and versions"
        )
    if plan.count:
        yield from _prepared(plan)
        yield f"training: {times.told(plan.works, results)}"


def _prepared(plan: Plan) -> Iterator[str]:
    """Yield how often something is made that runs share, and for how many runs at most."""
    runs = Counter[Made]()
    for together, numbers in plan.groups.items():
        runs.update(dict.fromkeys(together.made, len(numbers)))
    if runs:
        kinds = Counter(made.folder for made in runs)
        weights = f"weights at most {counted(kinds['checkpoints'], 'time')} (adapted, fine-tuned)"
        kept = [weights] * ("checkpoints" in kinds) + [
            f"features {counted(kinds['features'], 'time')}"
        ]
        most = counted(max(runs.values()), "run")
        yield f"made once for all runs that share it: {', '.join(kept)}; for up to {most}"


def checked(plan: Plan, corpora: Corpora) -> Iterator[str]:
    """Look at every corpus that is needed, and yield what its features will take on disk.

    Raises:
        SerbenchError: corpora are missing or broken, or weights; each is named with its runs.
    """
    from serbench.training.store import room

    sizes: dict[tuple[str, ...], float | None] = {}
    wrong: dict[str, array[int]] = {}
    for together, numbers in plan.groups.items():
        recipe = recipes.resolve(plan.grid.raw(numbers[0]))
        try:
            sizes |= _sizes(recipe, together, corpora.of(recipe))
        except SerbenchError as error:
            wrong.setdefault(str(error), array("I")).extend(numbers)
    if wrong:
        raise impossible(plan.grid, wrong)
    space = sum(size or 0.0 for size in sizes.values())
    unknown = {name for (name, *_), size in sizes.items() if size is None}
    known = [f"at most {room(space)}"] * (space > 0)
    more = [f"those of {', '.join(sorted(unknown))}, not known yet"] * bool(unknown)
    yield f"features: {', and '.join([*known, *more]) or 'none to make'}"


def _sizes(
    recipe: Recipe, together: Together, prepared: Prepared
) -> dict[tuple[str, ...], float | None]:
    """Return the bytes of the features of each upstream, by its name and what they are of."""
    found = {}
    for part, made in zip(recipe.upstreams, together.features, strict=False):  # none if it learns
        size, times = _size(part, recipe, prepared), len(prepared.folds) if made.folds else 1
        key = (part.name, *made.of, *made.folds, prepared.split.recordings)
        found[key] = None if size is None else size * times
    return found


def _size(part: Part, recipe: Recipe, prepared: Prepared) -> float | None:
    """Return the bytes of the features; None if weights must be fetched or adapted to know."""
    plugin = plugins.find("upstreams", part.name)
    weights = part.options.get("weights")
    here = weights is None or "weights" in part.contents
    if not here and "packaged" not in plugin.sizes.get(str(weights), {}):
        return None
    from serbench.runs.conditioning import head_like
    from serbench.runs.encoding import before_adaptation
    from serbench.training.waves import count_frames

    upstream = before_adaptation(part)
    if upstream is None:
        return None
    values = upstream.depth * upstream.dim
    if head_like(recipe.downstream).needs == "mean":
        return len(prepared.table) * values * 4.0
    return float(count_frames(prepared.table, upstream).sum()) * values * _BYTES[recipe.precision]
