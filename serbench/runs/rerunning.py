"""A result repeated from its record: the recipe as it is here, and what comes out otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from serbench.errors import SerbenchError
from serbench.leaderboard.differing import as_text, leaves
from serbench.runs import recipe as recipes
from serbench.runs.identity import changes
from serbench.scoring.predictions import KEY
from serbench.scoring.scores import measured

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task
    from serbench.leaderboard.record import Result
    from serbench.leaderboard.store import Entry
    from serbench.runs.recipe import Recipe

_ONE = ("downstream", "benchmark", "protocol")
_SHOWN = 3


def raw_of(result: Result) -> dict[str, Any]:
    """Return the recipe of a record as `recipe.resolve` takes it; its files by their names alone.

    Raises:
        SerbenchError: an older serbench wrote the record, or its recipe is not whole.
    """
    recipe: dict[str, Any] = from_json(to_json(result.recipe))  # a copy, fast
    if result.members:
        runs = ", ".join(member.digest[:8] for member in result.members)
        msg = (
            f"result {result.digest[:8]} is made of the runs {runs}; rerun those, and fuse them "
            "again with `serbench fuse`"
        )
        raise SerbenchError(msg)
    if result.corrected is not None:
        msg = (
            f"result {result.digest[:8]} was made of {result.corrected.digest[:8]}; rerun that "
            "and correct it again with `serbench postprocess`"
        )
        raise SerbenchError(msg)
    if "upstreams" not in recipe:
        msg = f"the recipe of result {result.digest[:8]} is of an older format; run it again"
        raise SerbenchError(msg)
    try:
        upstreams = [
            _raw(part) | {"layers": part.get("layers", "all")} for part in recipe["upstreams"]
        ]
        parts = {key: _raw(recipe[key]) for key in _ONE}
    except (LookupError, TypeError, AttributeError) as error:
        msg = f"the recipe of result {result.digest[:8]} is not whole; run it again"
        raise SerbenchError(msg) from error
    named = ("format", "upstreams", *_ONE)
    rest = {key: value for key, value in recipe.items() if key not in named}
    return rest | parts | {"upstream": upstreams if len(upstreams) > 1 else upstreams[0]}


def _raw(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": part["name"], **part.get("options", {})}


def resolve(result: Result, raw: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a record with the code and the files that are here.

    Args:
        result: the record.
        raw: of `raw_of`, with paths where files lie elsewhere than in the working folder.

    Raises:
        SerbenchError: something is not here, or is another one than it was.
    """
    recipe: dict[str, Any] = result.recipe
    upstreams = raw["upstream"] if isinstance(raw["upstream"], list) else [raw["upstream"]]
    several = len(recipe["upstreams"]) > 1
    found = [
        _at_hand(f"upstream.{number}" if several else "upstream", part, here)
        for number, (part, here) in enumerate(zip(recipe["upstreams"], upstreams, strict=False), 1)
    ]
    others = {key: _at_hand(key, recipe[key], raw[key]) for key in _ONE}
    made = recipes.resolve({**raw, **others, "upstream": found})
    _refuse_another(result, made)
    return made


def _at_hand(key: str, part: Mapping[str, Any], here: Any) -> dict[str, Any]:
    """Return a part whose files are named by their whole paths.

    Raises:
        SerbenchError: one of them is not there.
    """
    given = dict(here) if isinstance(here, Mapping) else {"name": here}
    options = ["name"] if part["name"].endswith((".py", ".toml")) else []
    options += [option for option in part.get("contents", {}) if option in given]
    paths = {option: Path(given[option]).expanduser().absolute() for option in options}
    for option, path in paths.items():
        if not path.exists():
            msg = (
                f"the result was made with '{path.name}' as {key}.{option}, and '{path}' is not "
                f"there; --set {key}.{option}=PATH says where it lies"
            )
            raise SerbenchError(msg)
    return given | {option: str(path) for option, path in paths.items()}


def _refuse_another(result: Result, made: Recipe) -> None:
    """Refuse a recipe that is not that of the record, where code or files have changed."""
    here = leaves(made.plain())
    other = [
        f"{key} is {as_text(here.get(key, '-'))}, not {as_text(then)}"
        for key, then in leaves(result.recipe).items()
        if here.get(key, "-") != then
    ]
    if other:
        more = f", and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        msg = (
            f"result {result.digest[:8]} cannot be repeated, as the recipe is another one here: "
            f"{'; '.join(other[:_SHOWN])}{more}; get the code and the files that it was made with"
        )
        raise SerbenchError(msg)


def compared(before: Entry, after: Entry) -> list[str]:
    """Return in what a repeated result differs from the first, a line each for what is compared."""
    one, other = before.result, after.result
    changed = changes((one.benchmark, one.split), (other.benchmark, other.split))
    task, tables = one.benchmark.task, (before.predictions, after.predictions)
    return [
        f"data: {_listed(changed.changed, 'the same')}{_unknown(changed.unknown)}",
        f"{task.called}: {_listed(_scores(task, *tables), 'the same in every fold')}",
        f"predictions: {_predictions(task, *tables)}",
        f"versions: {_listed(_differing(one.versions, other.versions), 'the same')}",
        f"device: {_listed(_differing({'': one.device}, {'': other.device}), one.device or '-')}",
        f"threads: {_listed(_differing(one.threads, other.threads), 'the same')}",
    ]


def _listed(parts: Iterable[str], none: str) -> str:
    return ", ".join(parts) or none


def _unknown(names: list[str]) -> str:
    return f" ({', '.join(names)} of the first are not known)" if names else ""


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values that are others now: "torch 2.11.0, now 2.11.1"."""
    for key in dict.fromkeys((*one, *other)):
        then, now = one.get(key) or "-", other.get(key) or "-"
        if then != now:
            yield f"{key} {then}, now {now}".strip()


def _scores(task: Task, one: DataFrame, other: DataFrame) -> Iterator[str]:
    """Yield the folds whose score is not the same to the last digit."""
    keys = ["fold", "seed"]
    then, now = (
        measured(task, table, keys, "").set_index(keys)[task.main] for table in (one, other)
    )
    for fold, seed in then.index.union(now.index, sort=False):
        pair = [scores.get((fold, seed)) for scores in (then, now)]
        if pair[0] != pair[1] and not all(value != value for value in pair):
            texts = ["-" if value is None else f"{value:.6f}" for value in pair]
            yield f"{fold}, seed {seed} {texts[0]}, now {texts[1]}"


def _predictions(task: Task, one: DataFrame, other: DataFrame) -> str:
    """Return whether predictions are equal bit for bit, or how far apart they are."""
    import numpy as np

    then, now = (table.set_index(KEY).sort_index() for table in (one, other))
    if not then.index.equals(now.index):
        return "of other utterances, folds or seeds"
    if then.equals(now[then.columns]):
        return "bit for bit the same"
    numbers = [*task.numbers]
    apart = np.abs(then[numbers].to_numpy(float) - now[numbers].to_numpy(float))
    words = [name for name in task.words if name.startswith("prediction")]
    turned = int((then[words] != now[words]).to_numpy().sum())
    labels = f"; {turned} of {len(then)} labels are others" if words else ""
    return f"up to {np.nanmax(apart, initial=0.0):.3g} apart{labels}"
