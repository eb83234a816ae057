"""What the settings of a row are, where they are not the usual ones or not those of its like."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from serbench.leaderboard.identity import CORRECTED
from serbench.leaderboard.record import Result

LONGEST = 24
"""Characters of a value that are shown."""

Recommend = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From the recipe of a record to the same with what its plugins recommend."""

_STAGE = "finetune"
_STAGES = {_STAGE: "first", f"training.{_STAGE}": "together"}  # encoder a fold, encoder and head
_LAYERS = ".layers"
_UNSAID = {_STAGE: "no", "layers": "all", "average": 1, "precision": "float16"}
_UNSAID |= {"schedule": "constant"}
_MEMBERS = "members"  # of fused runs, which a note names
_BESIDE = ("defaults", "recommends", _MEMBERS)  # the settings themselves
_encoded = json.JSONEncoder(separators=(",", ":")).encode


def differing(results: Sequence[Result], recommend: Recommend | None = None) -> list[str]:
    """Return for each result the settings to mention, "epochs=3, normalize=true".

    These are what is not as recommended, and what sets results with equal labels apart.

    Args:
        results: of one board.
        recommend: what tells the recommended settings; None: they are not known.
    """
    runs = _runs(results)
    trained = [_said(run.recipe) for run in runs]
    recipes = [
        recipe if run is result else recipe | _said(result.recipe)
        for recipe, run, result in zip(trained, runs, results, strict=True)
    ]
    keys = [_apart(recipe, recommend, run) for recipe, run in zip(trained, runs, strict=True)]
    groups: dict[str, list[int]] = defaultdict(list)
    for row, result in enumerate(results):
        groups[result.labels.model_dump_json()].append(row)
    for rows in groups.values():
        common = _between([recipes[row] for row in rows])
        for row in rows:
            # of a post-processor a recipe has what is not as by default
            told = (k for k in common if k in recipes[row] or not k.startswith(f"{CORRECTED}."))
            keys[row] = {**dict.fromkeys(told), **keys[row]}
    names = _short(key for own in keys for key in own)
    return [
        ", ".join(f"{names[key]}={_shortened(recipe.get(key, _absent(key)))}" for key in own)
        for recipe, own in zip(recipes, keys, strict=True)
    ]


def _runs(results: Sequence[Result]) -> list[Result]:
    """Return for each result the run that it was corrected of, as far as it is here, or itself."""
    here = {result.digest: result for result in results}

    def run(result: Result) -> Result:
        seen = set[str]()  # what strangers write may go in circles
        while (was := result.corrected) and was.digest in here and was.digest not in seen:
            seen.add(was.digest)
            result = here[was.digest]
        return result

    return [run(result) for result in results]


def _apart(
    recipe: Mapping[str, Any], recommend: Recommend | None, result: Result
) -> dict[str, None]:
    """Return the keys whose values are not the recommended ones."""
    if recommend is None:
        return {}
    own = result.recipe
    # what is as it should be is most of a recipe; of a stage every setting is told
    usual = {
        key: part for key, part in recommend(own).items() if key == _STAGE or own.get(key) != part
    }
    told = {**_said(usual), _STAGE: "no"}
    said = {key: _absent(key) for key in told if key.endswith(_LAYERS)} | {**recipe}
    looked = (*usual, _STAGE)
    return {
        key: None
        for key, value in said.items()
        if key.partition(".")[0] in looked and told.get(key) != value
    }


def _between(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where recipes differ; that there is a stage says more than each of its settings."""
    keys = _unequal(recipes)
    some = [f"{stage}." for stage in _STAGES if _STAGE in keys]
    return [key for key in keys if not key.startswith(tuple(some))]


def _short(keys: Iterable[str]) -> dict[str, str]:
    """Return what each key is called: its last part, or all as one sets it if others end so."""
    every = {key: key.replace(".options.", ".") for key in keys}
    last = Counter(key.rpartition(".")[2] for key in every)
    return {
        key: name if last[name := key.rpartition(".")[2]] == 1 else whole
        for key, whole in every.items()
    }


def keys_apart(recipes: Sequence[dict[str, Any]]) -> list[str]:
    """Return the dotted paths at which some recipes are not the same, or not all have a value."""
    return _unequal([_plain(each) for each in recipes])


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


def _unequal(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    every = dict.fromkeys(key for recipe in recipes for key in recipe)
    unsaid = {key: _absent(key) for key in every}
    return [key for key in every if len({each.get(key, unsaid[key]) for each in recipes}) > 1]


def _absent(key: str) -> Any:
    """Return what a recipe means that says nothing of a setting, "-" if that is not known."""
    return _UNSAID.get(key.rpartition(".")[2], "-")


def leaves(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of everything in a recipe that is not a table, by its dotted path."""
    found: dict[str, Any] = {}
    _collect(recipe, "", found, list)
    return found


def _plain(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that can be told apart fast: texts in the place of lists."""
    found: dict[str, Any] = {}
    _collect(recipe, "", found, as_text)
    return found


def _collect(
    table: Mapping[str, Any], path: str, found: dict[str, Any], told: Callable[[list[Any]], Any]
) -> None:
    for key, entry in table.items():
        if key in _BESIDE:
            continue
        here = path + key
        if isinstance(entry, dict):
            _collect(entry, f"{here}.", found, told)
        elif not isinstance(entry, list):
            found[here] = entry
        elif not entry or not all(isinstance(each, dict) for each in entry):
            found[here] = told(entry)
        elif len(entry) == 1:
            _collect(entry[0], f"{here}.", found, told)
        else:
            for number, part in enumerate(entry, start=1):
                _collect(part, f"{here}.{number}.", found, told)


def _said(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return every value by its path; of the stages of fine-tuning, which there are."""
    found = _plain(recipe)
    training = recipe.get("training")
    tables = (recipe, training if isinstance(training, dict) else {})
    there = [
        word for word, table in zip(_STAGES.values(), tables, strict=True) if table.get(_STAGE)
    ]
    for stage in _STAGES:
        found.pop(stage, None)
    return {_STAGE: " and ".join(there), **found} if there else found


def as_text(value: Any) -> str:
    """Return a value of a recipe as it is written in JSON, a text without its quotes."""
    return value if isinstance(value, str) else _encoded(value)


def _shortened(value: Any) -> str:
    text = as_text(value)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"
