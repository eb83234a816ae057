"""Studies that make runs, end to end: a planted gap is found, finished runs are looked up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import serbench
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.progress import Silent
from serbench.studies.bench import Bench
from serbench.studies.gap import gap
from serbench.studies.position import position
from serbench.studies.report import Report

RECIPE: dict[str, Any] = {
    "upstream": "fbank",
    "downstream": "mean_pool",
    "training": {"learning_rates": [3e-3], "epochs": 40, "batch": 8},
}


@pytest.fixture(scope="module")
def own_tones(tmp_path_factory: pytest.TempPathFactory, write_noises: Callable[..., Path]) -> Path:
    """Return a corpus in which each speaker has tones of his own for the labels."""
    return write_noises(tmp_path_factory.mktemp("own"), own=True)


def study(benchmark: Path, results: Path, *speakers: int) -> Report:
    return gap(Bench(results, Silent()), RECIPE | {"benchmark": str(benchmark)}, speakers)


def test_a_planted_gap_is_found_and_finished_runs_are_only_looked_up(
    own_tones: Path, tmp_path: Path
) -> None:
    report = study(own_tones, tmp_path)
    assert [(row["score"], row["speakers"], row["clips"]) for row in report.rows] == [
        ("UA", 3, 30),
        ("A-UA", 3, 30),
    ]
    assert all(row["gap"].low > 0.05 for row in report.rows)  # type: ignore[union-attr]
    assert len(store.read_all(tmp_path).entries) == len(report.runs) == 2
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    again = study(own_tones, tmp_path)
    assert again.rows == report.rows
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == before


def test_where_labels_sound_alike_of_all_speakers_there_is_no_gap(
    tmp_path: Path, write_noises: Callable[..., Path]
) -> None:
    row, _ = study(write_noises(tmp_path / "noises", own=False), tmp_path / "results").rows
    assert row["independent"] > 0.9  # type: ignore[operator]
    assert abs(row["gap"].value) < 0.1  # type: ignore[union-attr]


def test_the_command_line_maps_and_measures_a_finished_run(own_tones: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    made = serbench.run(**RECIPE, benchmark=own_tones, results=results)
    places = ["--results", str(results), "--out", str(tmp_path / "out")]
    for name, more, words in (
        ("embed", [], "same as the 5 nearest"),
        ("embed", ["--of", "speakers"], "gender"),
        ("shift", [], "feature shift and score"),
    ):
        # the record keeps no path of this machine
        command = ["study", name, made.result.digest[:12], *more, *places]
        done = CliRunner().invoke(app, [*command, "--set", f"benchmark.name={own_tones}"])
        assert done.exit_code == 0, (done.output, done.exception)
        assert words in done.output
    told = json.loads((tmp_path / "out" / f"shift-{made.result.digest[:8]}.json").read_text())
    assert told["runs"] == [made.result.digest]
    assert len(told["rows"]) == 9
    assert len(list((tmp_path / "out").iterdir())) == 12


def test_positions_are_adapted_and_run_one_by_one(
    tmp_path: Path, pretrained_hubert: Path, write_noises: Callable[..., Path]
) -> None:
    benchmark = write_noises(tmp_path / "noises", own=True, clips=6)
    upstream = {"name": "papt_hubert", "weights": str(pretrained_hubert), "epochs": 1}
    upstream |= {"batch_seconds": 8.0}
    raw = RECIPE | {"upstream": upstream, "benchmark": str(benchmark)}
    raw["training"] = RECIPE["training"] | {"epochs": 2}
    report = position(Bench(tmp_path, Silent()), raw)
    assert [row["position"] for row in report.rows] == ["last", "first", "prefix", "none"]
    for row in report.rows:
        assert row["loss, nats"] > 0  # type: ignore[operator]
        assert row["loss, nats"] == pytest.approx(row["bits"] * math.log(2))  # type: ignore[operator]
    assert report.rows[3]["A-UA against none"] == (0, 0, 0)
    assert len({*report.runs}) == 4


def test_another_upstream_has_no_positions(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match="'position' is about papt_hubert"):
        position(Bench(tmp_path, Silent()), RECIPE)


def test_options_without_a_name_are_those_of_the_upstream_with_positions(tmp_path: Path) -> None:
    raw = RECIPE | {"upstream": {"epochs": "none"}}
    with pytest.raises(SerbenchError, match="option 'epochs' of upstream 'papt_hubert'"):
        position(Bench(tmp_path, Silent()), raw)


def test_a_gap_has_a_protocol_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match="splits by protocol 'equal_amounts', not 'corpus_sp"):
        gap(Bench(tmp_path, Silent()), RECIPE | {"protocol": "corpus_split"})


def test_what_is_no_list_of_numbers_is_refused() -> None:
    command = ["study", "gap", "--upstream", "fbank", "--downstream", "mlp", "--speakers", "2,x"]
    done = CliRunner().invoke(app, command)
    assert "--speakers 2,x is no list of numbers" in str(done.exception)
