"""What the settings of a row are, where they are not the usual ones or not those of its like."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from serbench.leaderboard.record import Result

LONGEST = 24
"""Characters of a value that are shown."""

Recommend = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From the recipe of a record to the same with what its plugins recommend."""

_STAGES = ("finetune", "training.finetune")
_LAYERS = ".layers"
_UNSAID = {"layers": "all", "average": "1", "precision": "float16", "schedule": "constant"}
_MEMBERS = "members"  # of fused runs, which a note names


def differing(results: Sequence[Result], recommend: Recommend | None = None) -> list[str]:
    """Return for each result the settings to mention, "epochs=3, normalize=true".

    These are what is not as recommended, and what sets results with equal labels apart.

    Args:
        results: of one board.
        recommend: what tells the recommended settings; None: they are not known.
    """
    recipes = [_texts(result.recipe) for result in results]
    keys = [
        _apart(recipe, recommend, result) for recipe, result in zip(recipes, results, strict=True)
    ]
    groups: dict[str, list[int]] = defaultdict(list)
    for row, result in enumerate(results):
        groups[result.labels.model_dump_json()].append(row)
    for rows in groups.values():
        common = _between([recipes[row] for row in rows])
        for row in rows:
            keys[row] = {**dict.fromkeys(common), **keys[row]}
    names = _short(key for own in keys for key in own)
    return [
        ", ".join(f"{names[key]}={_shortened(recipe.get(key, _absent(key)))}" for key in own)
        for recipe, own in zip(recipes, keys, strict=True)
    ]


def _apart(
    recipe: Mapping[str, str], recommend: Recommend | None, result: Result
) -> dict[str, None]:
    """Return the keys whose values are not the recommended ones."""
    if recommend is None:
        return {}
    usual = _texts(recommend(result.recipe)) | dict.fromkeys(_STAGES, "no")
    said = {key: _absent(key) for key in usual if key.endswith(_LAYERS)} | {**recipe}
    return {key: None for key, text in said.items() if usual.get(key) != text}


def _between(recipes: Sequence[Mapping[str, str]]) -> list[str]:
    """Return where recipes differ; that there is a stage says more than each of its settings."""
    keys = _unequal(recipes)
    some = [f"{stage}." for stage in _STAGES if stage in keys]
    return [key for key in keys if not key.startswith(tuple(some))]


def _short(keys: Iterable[str]) -> dict[str, str]:
    """Return what each key is called: its last part, where no other has the same."""
    every = dict.fromkeys(keys)
    last = Counter(key.rpartition(".")[2] for key in every)
    return {key: name if last[name := key.rpartition(".")[2]] == 1 else key for key in every}


def keys_apart(recipes: Sequence[dict[str, Any]]) -> list[str]:
    """Return the dotted paths at which some recipes are not the same, or not all have a value."""
    return _unequal([{path: as_text(value) for path, value in leaves(each)} for each in recipes])


def machines_apart(results: Sequence[Result]) -> list[str]:
    """Return in which versions, device and threads results differ, "torch 2.11.0 (3), 2.11.1 (1)".

    What a record does not say is not compared.
    """
    told = [
        result.versions | {f"{k} threads": str(n) for k, n in result.threads.items()}
        for result in results
    ]
    counts = {
        key: Counter(each[key] for each in told if key in each)
        for key in sorted({key for each in told for key in each})
    }
    return [
        f"{key} {', '.join(f'{value} ({rows})' for value, rows in sorted(found.items()))}"
        for key, found in counts.items()
        if len(found) > 1
    ]


def _unequal(recipes: Sequence[Mapping[str, str]]) -> list[str]:
    every = dict.fromkeys(key for recipe in recipes for key in recipe)
    return [key for key in every if len({each.get(key, _absent(key)) for each in recipes}) > 1]


def _absent(key: str) -> str:
    """Return what a recipe means that says nothing of a setting, "-" if that is not known."""
    if key in _STAGES:
        return "no"
    return _UNSAID.get(key.rpartition(".")[2], "-")


def leaves(recipe: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of everything in a recipe that is not a table."""
    for key, entry in recipe.items():
        if key in ("defaults", "recommends", _MEMBERS):  # beside the settings themselves
            continue
        here = f"{path}.{key}".strip(".")
        parts = entry if isinstance(entry, list) else [entry]
        if not (parts and all(isinstance(part, dict) for part in parts)):
            yield here, entry
            continue
        for number, part in enumerate(parts, start=1):
            yield from leaves(part, here if len(parts) == 1 else f"{here}.{number}")


def _texts(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Return every value by its path, and of each stage of training whether it is there."""
    found = {path: as_text(value) for path, value in leaves(recipe)}
    training = recipe.get("training")
    tables = (recipe, training if isinstance(training, dict) else {})
    stages = {path: table.get("finetune") for path, table in zip(_STAGES, tables, strict=True)}
    return {
        **{path: "yes" for path, stage in stages.items() if stage},
        **{path: text for path, text in found.items() if path not in _STAGES},
    }


def as_text(value: Any) -> str:
    """Return a value of a recipe as it is written in JSON, a text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _shortened(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"
