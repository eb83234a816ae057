"""What tells rows apart that are called the same."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from serbench.leaderboard.record import Result

LONGEST = 24
"""Characters of a value that are shown."""


def differing(results: Sequence[Result]) -> list[str]:
    """Return for each result the options of its recipe that set it apart, "hidden=256, lr=0.1".

    Only results with equal labels are compared; the others get an empty text.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row, result in enumerate(results):
        groups[result.labels.model_dump_json()].append(row)
    texts = [""] * len(results)
    for rows in groups.values():
        for row, text in zip(rows, _compare([results[row].recipe for row in rows]), strict=True):
            texts[row] = text
    return texts


def keys_apart(recipes: Sequence[dict[str, Any]]) -> list[str]:
    """Return the dotted paths at which some recipes are not the same, or not all have a value."""
    flat = [_texts(recipe) for recipe in recipes]
    every = dict.fromkeys(key for options in flat for key in options)
    return [key for key in every if len({options.get(key, "") for options in flat}) > 1]


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


def _stages(recipes: Sequence[dict[str, Any]]) -> list[str]:
    """Return the tables of recipes that only some have, such as `finetune`."""
    tables = dict.fromkeys(
        k for recipe in recipes for k, v in recipe.items() if isinstance(v, dict)
    )
    return [key for key in tables if not all(isinstance(r.get(key), dict) for r in recipes)]


def _compare(recipes: Sequence[dict[str, Any]]) -> list[str]:
    # that there is a stage says more than each of its settings, where others have none
    stages = _stages(recipes)
    short = [
        {k: ("yes" if isinstance(v, dict) else "no") if k in stages else v for k, v in r.items()}
        | {k: "no" for k in stages if k not in r}
        for r in recipes
    ]
    flat, keys = [_texts(recipe) for recipe in short], keys_apart(short)
    last = Counter(key.rpartition(".")[2] for key in keys)
    names = {key: name if last[name := key.rpartition(".")[2]] == 1 else key for key in keys}
    return [
        ", ".join(f"{names[key]}={_shortened(options.get(key, '-'))}" for key in keys)
        for options in flat
    ]


def leaves(recipe: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of everything in a recipe that is not a table."""
    for key, entry in recipe.items():
        if key == "defaults":  # beside the options themselves
            continue
        here = f"{path}.{key}".strip(".")
        parts = entry if isinstance(entry, list) else [entry]
        if not (parts and all(isinstance(part, dict) for part in parts)):
            yield here, entry
            continue
        for number, part in enumerate(parts, start=1):
            yield from leaves(part, here if len(parts) == 1 else f"{here}.{number}")


def _texts(recipe: dict[str, Any]) -> dict[str, str]:
    return {path: as_text(value) for path, value in leaves(recipe)}


def as_text(value: Any) -> str:
    """Return a value of a recipe as it is written in JSON, a text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _shortened(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"
