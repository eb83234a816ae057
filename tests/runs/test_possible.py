"""A recipe that serbench does not make is noticed, whatever its digest is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serbench.leaderboard.identity import digest_of
from serbench.leaderboard.record import Result
from serbench.leaderboard.verifying import verify
from serbench.runs import recipe
from serbench.runs.possible import impossible

from ..leaderboard.result_samples import classified, record  # noqa: TID252

PLAIN: dict[str, Any] = {"upstream": "fbank", "downstream": "mean_pool", "benchmark": "emodb"}
SEVERAL = {"upstream": ["hubert", "cpc"], "fusion": "late"}
HONEST: list[dict[str, Any]] = [
    {},
    SEVERAL,
    {"finetune": {"epochs": 2}, "upstream": "hubert"},
    {"training": {"finetune": {"mixed": True}, "upstream_rate": 1e-5}, "upstream": "hubert"},
    {"training": {"average": 3, "weighting": {"nearest": 2}, "schedule": "linear"}},
    {"enrol": "30s", "seeds": [0, 3], "precision": "float32"},
    {"upstream": {"name": "hubert", "weights": "base", "layers": [1, 2]}},
    {"upstream": {"name": "hubert", "weights": "somebody/else"}},
    {"protocol": {"name": "speaker_folds", "k": 3}},
]


def made(asked: dict[str, Any], change: Callable[[dict[str, Any]], object] = id) -> Result:
    """Return a record with a recipe that was changed after it had been made."""
    plain = json.loads(json.dumps(recipe.resolve({**PLAIN, **asked}).plain()))
    change(plain)
    return record(recipe=plain)


@pytest.mark.parametrize("asked", HONEST)
def test_what_serbench_makes_can_be(asked: dict[str, Any]) -> None:
    assert [*impossible(made(asked))] == []


def of(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    """Return what sets a dotted key."""

    def change(plain: dict[str, Any]) -> None:
        *tables, last = key.split(".")
        table: Any = plain
        for each in tables:
            table = table[int(each) if each.isdecimal() else each]
        table[int(last) if last.isdecimal() else last] = value

    return change


@pytest.mark.parametrize(
    ("asked", "change", "said"),
    [
        ({}, of("training.batch", "a"), "batch"),
        ({}, of("training.batch", -1), "batch"),
        ({}, lambda plain: plain["training"].pop("batch"), "has nothing as training.batch"),
        ({}, of("training.secret", 1), "secret"),
        ({}, of("tricks", True), "tricks"),
        ({}, of("fusion", "early"), "fusion"),
        (SEVERAL, of("fusion", "telepathy"), "fusion"),
        (SEVERAL, of("fusion", None), "fusion"),
        ({}, of("seeds", [0, 1, 2.0]), "[0,1,2.0] as seeds, and serbench makes [0,1,2] of it"),
        ({"upstream": "hubert"}, of("upstreams.0.layers", "best"), "layers"),
        ({}, of("downstream.layers", "last"), "has last as downstream.layers"),
        ({}, of("training.weighting", {}), "training.weighting"),
        ({}, of("training.average", 1), "has 1 as training.average, and serbench makes nothing"),
        ({}, of("downstream.options", {"depth": 3}), "depth"),
        ({}, of("upstreams", []), "not whole"),
    ],
)
def test_what_serbench_does_not_make_is_named(
    asked: dict[str, Any], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    told = [*impossible(made(asked, change))]
    assert told
    assert said in " ".join(told)


def test_of_parts_of_others_nothing_is_said_and_no_file_is_opened(tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nraise SystemExit(1)\n")
    for key in ("upstreams.0", "downstream", "benchmark"):
        for name, origin in ((str(trap), "file"), (str(trap), "serbench"), ("theirs", "wonder 1")):
            other = {"name": name, "origin": origin, "options": {"x": 1}, "defaults": {}}
            assert [*impossible(made({}, of(key, other)))] == []
    weights = {"weights": str(tmp_path / "weights")}
    assert [*impossible(made({"upstream": "hubert"}, of("upstreams.0.options", weights)))] == []
    assert [*impossible(made({}, of("protocol.options", {"file": str(trap)})))] == []
    assert not (tmp_path / "sprung").exists()


def test_verifying_asks(tmp_path: Path) -> None:
    from serbench.leaderboard import store

    plain = made({}, of("training.batch", -1)).recipe
    labels = recipe.resolve(PLAIN).labels
    forged = record(recipe=plain, digest=digest_of(plain), labels=labels)
    path = store.save(forged, classified(1.0), tmp_path)
    told = verify(path, lambda _: None, asked=impossible).problems
    assert any("batch" in each for each in told)
