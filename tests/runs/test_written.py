"""The recipe of a result as TOML: whoever runs it makes the same result."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from serbench.runs import recipe
from serbench.runs.recipe_files import read_recipe, shipped
from serbench.runs.written import recipe_of, to_toml

from ..leaderboard.result_samples import record  # noqa: TID252


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_a_recipe_that_is_copied_has_the_same_digest(path: Path) -> None:
    first = recipe.resolve(read_recipe(path))
    text = recipe_of(record(recipe=first.plain()))
    assert recipe.resolve(tomllib.loads(text)).digest() == first.digest()


@pytest.mark.parametrize(
    "table",
    [
        {"a": 1, "b": 1e-05, "c": True, "d": [0.1, 2], "e": [], "f": {"g": {"h": "i"}, "j": -1}},
        {"a b": '="\\', "\u00fc": "\u6771\u4eac \U0001f600", "": "'", "x.y": {"[": "]"}},
        {"parts": [{"name": "a", "inner": {"b": [{"c": 1}]}}, {"name": "b"}], "list": [[1], ["x"]]},
    ],
)
def test_what_is_written_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table)) == table


def test_nothing_is_a_default() -> None:
    assert to_toml({"a": None, "b": {"c": None, "d": 1}}) == "[b]\nd = 1\n"
