"""What a sweep will cost, as far as it can be known before: space of features, and time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.runs import recipe as recipes

if TYPE_CHECKING:
    from serbench.runs.corpus import Prepared
    from serbench.runs.grids.corpora import Corpora
    from serbench.runs.grids.plan import Plan
    from serbench.runs.recipe import Part, Recipe

_SAMPLED = 100  # results that tell how long a run takes
_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}


def told(plan: Plan, results: Path) -> Iterator[str]:
    """Yield a plan in lines."""
    grid = plan.grid
    axes = " x ".join(f"{len(values)} {key}" for key, values in grid.axes.items())
    rows = [f"{len(grid.rows)} rows"] * (len(grid.rows) > 1)
    factors = " x ".join([*([axes] if axes else []), *rows])
    yield f"{len(grid)} runs" + f": {factors}" * bool(factors)
    doubled = f", {plan.doubled} are another one once more" if plan.doubled else ""
    yield f"finished: {len(plan.finished)}{doubled}; to do: {plan.count}"
    if plan.count:
        most = max(map(len, plan.groups.values()))
        yield (
            f"prepared (adapted, fine-tuned, encoded) once for several: {len(plan.groups)} times, "
            f"for up to {most} runs each"
        )
        yield f"training: {_time(plan, results)}"


def _time(plan: Plan, results: Path) -> str:
    """Return how long training takes in all, by what results that are there took."""
    files = islice(results.glob("*/*.json"), _SAMPLED)
    took = [seconds for file in files if (seconds := _trained(file)) is not None]
    if not took:
        return "nothing is known of the time before the first result"
    hours = plan.count * sum(took) / len(took) / 3600
    return f"about {hours:.1f} h on one process, as {len(took)} results here took"


def _trained(file: Path) -> float | None:
    try:
        return float(json.loads(file.read_text(encoding="utf-8"))["seconds"]["train"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def checked(plan: Plan, corpora: Corpora) -> Iterator[str]:
    """Look at every corpus that is needed, and yield what its features will take on disk.

    Raises:
        SerbenchError: a corpus is missing or broken.
    """
    from serbench.training.store import room

    space, unknown = 0.0, set[str]()
    for number in plan.leaders():
        recipe = recipes.resolve(plan.grid.raw(number))
        prepared = corpora.of(recipe)
        for part in recipe.upstreams:
            size = _size(part, recipe, prepared)
            space += size or 0.0
            unknown |= {part.name} if size is None else set()
    more = f", and those of {', '.join(sorted(unknown))}, not known yet" if unknown else ""
    yield f"features: at most {room(space)}{more}"


def _size(part: Part, recipe: Recipe, prepared: Prepared) -> float | None:
    """Return the bytes of the features; None if weights must be fetched or adapted to know."""
    if recipe.training.finetune:
        return 0.0
    plugin = plugins.find("upstreams", part.name)
    weights = part.options.get("weights")
    here = weights is None or "weights" in part.contents
    if not here and "packaged" not in plugin.sizes.get(str(weights), {}):
        return None
    from serbench.runs.conditioning import head_like
    from serbench.runs.encoding import make_upstream
    from serbench.training.waves import count_frames

    try:
        upstream = make_upstream(part)
    except SerbenchError:
        if not plugin.adapted_by:
            raise
        return None
    values = upstream.depth * upstream.dim
    if head_like(recipe.downstream).needs == "mean":
        return len(prepared.table) * values * 4.0
    return float(count_frames(prepared.table, upstream).sum()) * values * _BYTES[recipe.precision]
