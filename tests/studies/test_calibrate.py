"""Study `calibrate`: what is planted is found, and what is not there is not."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from serbench.benchmarks import Distribution
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.progress import Silent
from serbench.runs.postprocessing import postprocess
from serbench.studies.bench import Bench
from serbench.studies.calibrate import calibrate, options
from serbench.studies.report import write
from serbench.studies.speakers import gain, measured

from . import planted


class Made:
    """The study of a planted run: the rows of its table by post-processor and option."""

    def __init__(self, root: Path, save: Callable[..., Path] = planted.save, **how: Any) -> None:
        self.results, self.out = root / "results", root / "out"
        self.digest = store.load_result(save(self.results, **how)).result.digest
        report = calibrate(Bench(self.results, Silent()), self.digest[:10])
        write(report, self.out)
        self.caption = report.caption
        self.rows = {(row["post-processor"], row["option"]): row for row in report.rows}

    def gained(self, name: str, option: str = "", score: str = "A-CCC") -> Any:
        return self.rows[name, option][f"{score} gained"]


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return that of a run whose spreads follow voices."""
    return Made(tmp_path_factory.mktemp("scaled"), scaled=True, follow=True)


def test_where_spreads_follow_voices_validation_chooses_sigma_with_few_neighbours(
    scaled: Made,
) -> None:
    (chosen,) = [k for k, row in scaled.rows.items() if row["note"] == "chosen by validation"]
    # three of the training speakers of each fold are of a kind
    assert chosen in [("pldc sigma", f"k={k}") for k in (1, 2, 3)]
    assert scaled.gained(*chosen).low > 0.05
    for control in ("pldc sigma, random", "pldc sigma, all"):
        assert scaled.gained(control).value < scaled.gained(*chosen).low
    assert scaled.gained("oracle sigma").low > 0


def test_where_voices_say_nothing_neighbours_are_worth_no_more_than_random_ones(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, Silent())
    run = bench.stored(str(planted.save(tmp_path, scaled=True, follow=False)))
    before = measured(planted.TASK, run.entry.predictions)

    def gained(**options: Any) -> Any:
        made = postprocess(run.path, {"name": "pldc", **options}, tmp_path)
        after = measured(planted.TASK, store.load_result(made.path).predictions)
        return gain(after, before).average

    control = gained(k=10, neighbours="random")
    for k in (7, 10):
        assert control.low - 0.03 < gained(k=k).value < control.high + 0.03


def test_where_speakers_are_shifted_validation_chooses_class_means(tmp_path: Path) -> None:
    made = Made(tmp_path, planted.save_shifted)
    (chosen,) = [k for k, row in made.rows.items() if row["note"] == "chosen by validation"]
    assert chosen[0].startswith("class_means")
    assert made.gained(*chosen, "A-UA").low > 0.02
    # everybody has all labels equally often, and voices say nothing
    assert made.gained("prior_shift", "k=5", "A-UA").value == pytest.approx(0, abs=0.02)
    assert made.gained("em_prior", "strength=0", "A-UA").value < 0


def test_what_kept_no_embeddings_is_told_and_the_rest_is_tried(tmp_path: Path) -> None:
    made = Made(tmp_path, planted.save_shifted, embedded=False)
    assert {name.split(",")[0] for name, _ in made.rows} == {"none", "em_prior", "prior_shift"}
    assert "class_means is left out: the run kept no embeddings" in made.caption


def test_shares_have_nothing_to_calibrate_with(scaled: Made) -> None:
    stored = Bench(scaled.results, Silent()).stored(scaled.digest)
    with pytest.raises(SerbenchError, match="predicts shares, which no post-processor corrects"):
        next(options(Distribution(("calm", "sad")), stored))


def test_its_files_say_the_same_and_every_option_is_a_result(scaled: Made) -> None:
    stem = scaled.out / f"calibrate-{scaled.digest[:8]}"
    told = json.loads(stem.with_suffix(".json").read_text())
    rows = list(csv.DictReader(stem.with_suffix(".csv").read_text().splitlines()))
    assert len(rows) == len(told["rows"]) == len(told["runs"])
    for row, plain in zip(rows, told["rows"], strict=True):
        assert float(row["A-CCC"]) == pytest.approx(plain["A-CCC"])
        assert float(row["A-CCC gained low"]) == pytest.approx(plain["A-CCC gained"][1])
    results = {entry.result.digest for entry in store.read_all(scaled.results).entries}
    assert results == set(told["runs"])
    drawn = ElementTree.parse(stem.with_suffix(".svg")).getroot()
    assert told["caption"] in "".join(drawn.itertext())
    assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    command = ["study", "calibrate", "abcdef", "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    assert "abcdef" in str(done.exception)


def test_what_was_corrected_is_not_corrected_again(scaled: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in scaled.results.rglob("*.json")}
    again = calibrate(Bench(scaled.results, Silent()), scaled.digest)
    assert {path: path.stat().st_mtime_ns for path in scaled.results.rglob("*.json")} == before
    assert list(again.rows) == list(scaled.rows.values())
