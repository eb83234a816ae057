"""A run called from Python: the keys of a recipe are the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack, get_args

from serbench.errors import unknown
from serbench.progress import Progress, Silent
from serbench.runs import recipe as recipes
from serbench.runs.result import Overwrite
from serbench.runs.run import run_recipe
from serbench.runs.settings import in_place_of

if TYPE_CHECKING:
    from serbench.runs.recipe import Recipe
    from serbench.runs.result import Outcome

FilePath: TypeAlias = str | PathLike[str]
Choice: TypeAlias = FilePath | Mapping[str, Any]
"""A part by its name or file, or a table of `name` and options."""


class Keys(TypedDict, total=False):
    """The keys of a recipe, as `serbench.runs.recipe.resolve` takes them."""

    upstream: Choice | Sequence[Choice]
    downstream: Choice
    benchmark: Choice
    protocol: Choice
    training: Mapping[str, Any]
    seeds: Sequence[int]
    leave_out_broken: bool
    fusion: str
    finetune: bool | Mapping[str, Any]
    precision: str
    enrol: float | str | Mapping[str, Any]
    postprocess: Choice | Sequence[Choice]


def run(
    *,
    recipe: FilePath | None = None,
    data: FilePath | None = None,
    results: FilePath = "results",
    overwrite: Overwrite = "only-missing",
    device: str = "cpu",
    threads: int | None = None,
    jobs: int | None = 1,
    progress: Progress | None = None,
    **keys: Unpack[Keys],
) -> Outcome:
    """Run every fold and seed of a recipe, or return its result if it is there.

    This is `serbench run`: the same recipe has the same digest here and there, and its result is
    found by both. A stopped run goes on where it was.

    Args:
        recipe: the name of a shipped recipe or a TOML file, to start from; none: from nothing.
        data: folder that holds the corpora; None: `SERBENCH_DATA`.
        results: folder of the result files.
        overwrite: "only-missing" returns an older result if it is of the data that are here,
            "always" computes it anew, "never" looks it up and at no corpus.
        device: torch device.
        threads: of torch, for every step; None: one for a small head, all cores for encoders.
        jobs: processes that trials go over; None: as many as make it faster. With others than 1,
            a script does its work under `if __name__ == "__main__":`, as they import it, too.
        progress: where the work and its warnings are shown, such as
            `serbench.cli.terminal.Terminal()`; None: nowhere.
        **keys: `upstream` and `downstream` (needed unless the recipe has them), `benchmark` [demo],
            `protocol` [the benchmark's first], each a name, a file, or a dict of `name` and
            options; `training`, a dict; `seeds`, such as (0, 1, 2) [(0,)]; `leave_out_broken`;
            `postprocess`, one or several of those; `enrol`, such as 5 clips or "30s". A dict
            without a name changes these options in what the recipe says; anything else takes its
            place, but an upstream that says no `layers` reads those that the recipe says.

    Returns:
        The record (`result`), its scores (`scores`), and where it lies (`path`; the predictions
        beside it, as .parquet).

    Raises:
        SerbenchError: anything that the user can mend; what was computed is kept.

    Example:
        outcome = serbench.run(upstream="fbank", downstream="ecapa", training={"epochs": 5})
        outcome.scores.by_fold["ua"].mean_of_folds
    """
    if overwrite not in get_args(Overwrite):
        raise unknown("way to overwrite", overwrite, get_args(Overwrite))
    return run_recipe(
        recipe_of(recipe, keys),
        data=None if data is None else Path(data),
        results=Path(results).expanduser(),
        progress=progress or Silent(),
        overwrite=overwrite,
        device=device,
        threads=threads,
        jobs=jobs,
    )


def recipe_of(start: FilePath | None, keys: Mapping[str, Any]) -> Recipe:
    """Return the recipe that the arguments of `run` mean.

    Args:
        start: the name of a shipped recipe or a TOML file; None for nothing.
        keys: what comes on top of it.

    Raises:
        SerbenchError: an unknown key or name, or a wrong value.
    """
    raw = {} if start is None else recipes.read_recipe(recipes.path_of(fspath(start)))
    return recipes.resolve(raw | {k: _changed(k, raw.get(k), _plain(v)) for k, v in keys.items()})


def _changed(key: str, own: Any, given: Any) -> Any:
    """Return what a recipe says of a key when `given` comes on top of it."""
    if own is None or not isinstance(given, Mapping) or "name" in given:
        return in_place_of(own, given) if key == "upstream" else given
    return {**(own if isinstance(own, Mapping) else {"name": own}), **given}


def _plain(given: Any) -> Any:
    """Return a value as a TOML file could have it: paths are texts."""
    if isinstance(given, PathLike):
        return fspath(given)
    if isinstance(given, Mapping):
        return {key: _plain(value) for key, value in given.items()}
    return list(given) if isinstance(given, range) else given
