"""Grids: what they expand to, what is told before anything starts, what survives."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import soundfile

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Where
from serbench.runs.grids.corpora import Corpora, compared
from serbench.runs.grids.costs import checked, told
from serbench.runs.grids.local import Local
from serbench.runs.grids.plan import Plan, plan
from serbench.runs.grids.sweep import Report, sweep
from serbench.runs.run import run_recipe
from serbench.runs.workers import Done

from ..commands import serbench  # noqa: TID252
from .results_of import contents

SHARED: dict[str, Any] = {
    "training": {"learning_rates": [1e-3], "epochs": 1},
    "grid": {"upstream": ["fbank", "mfcc"], "downstream": ["mean_pool", "mlp"]},
}


def test_a_grid_is_all_combinations_with_each_row_on_top() -> None:
    raw = SHARED | {"rows": [{"seeds": [0]}, {"seeds": [1], "training.epochs": 3}]}
    grid = grids.made(raw, {"upstream": ["fbank", "cpc", "hubert"]})
    made = [recipe.resolve(grid.raw(number)) for number in grid.numbers()]
    found = [
        (each.upstreams[0].name, each.downstream.name, each.seeds, each.training.epochs)
        for each in made
    ]
    assert found == [
        (upstream, downstream, seeds, epochs)
        for seeds, epochs in (((0,), 1), ((1,), 3))
        for upstream in ("fbank", "cpc", "hubert")
        for downstream in ("mean_pool", "mlp")
    ]
    assert len({each.digest() for each in made}) == len(grid) == 12
    name = "row 2 (upstream=fbank, downstream=mlp, seeds=0)"
    assert grid.name(2) == name
    assert "training" in raw
    assert raw["training"] == {"learning_rates": [1e-3], "epochs": 1}, "nobody else's is changed"


def test_an_unknown_name_in_row_73_is_told_before_anything_starts(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"seeds": [number]} for number in range(80)]
    rows[72] = {"upstream": "hubrt"}
    with pytest.raises(SerbenchError) as caught:
        plan(grids.made({"upstream": "fbank", "downstream": "mlp", "rows": rows}, {}), tmp_path)
    assert "1 of 80 runs cannot be made; nothing was started" in str(caught.value)
    assert "row 73 (upstream=hubrt): no upstream 'hubrt'; did you mean 'hubert'?" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"grid": {"upstrem": ["fbank"]}}, "no grid key 'upstrem'; did you mean 'upstream'?"),
        ({"grid": {"upstream": "fbank"}}, "must be a list of the values"),
        ({"grid": {"upstream": []}}, "'upstream' is an empty list; give the values it takes"),
        ({"grid": []}, "must be a table of lists"),
        ({"rows": {}}, "must be tables, each under a line"),
        ({"rows": [{"seeds": [1]}, {"upstrem": "x"}]}, "no grid key in row 2 'upstrem'; did you"),
        ({"grid": {"training.epochs": [*range(1001)], "seeds": [[0]] * 1000}}, "more than 1000000"),
    ],
)
def test_what_is_no_grid_is_refused(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(SerbenchError, match=said):
        grids.made(raw, {})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("training.epochs", date(2020, 1, 1), "epochs' must be a valid integer"),
        ("training.epochs", True, "epochs' takes numbers, not True"),
        ("training.learning_rates", [1e-3, True], "learning_rates' takes numbers, not"),
        ("training.weighting", {"seed": True}, "seed' takes numbers, not True"),
        ("seeds", [3, True], "'seeds' takes numbers, not"),
        ("downstream", {"name": "mlp", "dropout": True}, "'dropout' .* takes numbers, not True"),
        ("training.learning_rates", [math.inf], "learning_rates' must be a finite number"),
        ("training.clip_norm", math.inf, "clip_norm' must be a finite number"),
        ("finetune", {"learning_rates": [math.nan]}, "learning_rates' must be"),
        ("recipe", date(2020, 1, 1), "'recipe' must be a name or the path"),
    ],
)
def test_what_is_no_number_and_one_that_is_not_finite_are_told_with_their_row(
    key: str, value: Any, said: str, tmp_path: Path
) -> None:
    grid = grids.made({"upstream": "fbank", "downstream": "mlp", "grid": {key: [value]}}, {})
    with pytest.raises(SerbenchError, match=rf"row 1 \({key}.*{said}"):
        plan(grid, tmp_path)


def swept(raw: dict[str, Any], corpus: Path, results: Path, jobs: int) -> Report:
    planned = plan(grids.made(raw | {"benchmark": str(corpus)}, {}), results)
    with Local(Where(None, results, Path.cwd()), jobs) as engine:
        return sweep(planned, engine, Silent())


def test_a_sweep_does_what_single_runs_do_skips_it_next_time_and_survives_a_bad_cell(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    wrong = {"upstream": "fbank", "downstream": "mlp", "training.learning_rates": [1e18]}
    raw = SHARED | {"rows": [{}, wrong]}
    report = swept(raw, corpus, tmp_path / "swept", jobs=2)
    assert (report.done, report.skipped) == (4, 0)
    assert report.doubled == 3, "the bad row is the same in each combination"
    (failed,) = report.failed
    assert "smaller learning rates" in failed.reason
    assert failed.log is not None
    assert "error: fold" in failed.log.read_text()
    assert len([*tmp_path.glob("home/features/*/index.json")]) == 2, "of two upstreams, once each"

    again = swept(raw, corpus, tmp_path / "swept", jobs=1)
    assert (again.done, again.skipped, again.doubled, len(again.failed)) == (0, 4, 3, 1)

    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "other"))
    single = recipe.resolve(
        {
            "upstream": "mfcc",
            "downstream": "mlp",
            "benchmark": str(corpus),
            "training": SHARED["training"],
        }
    )
    run_recipe(single, data=None, results=tmp_path / "alone", progress=Silent())
    (alone,) = contents(tmp_path / "alone").items()
    assert alone in contents(tmp_path / "swept").items()


def test_a_finished_run_of_other_data_is_no_result_of_the_grid(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    results = tmp_path / "results"
    raw = SHARED | {"grid": {"upstream": ["fbank"], "downstream": ["mean_pool", "mlp"]}}
    single = recipe.resolve(
        {"upstream": "fbank", "downstream": "mlp", "benchmark": str(corpus)}
        | {"training": SHARED["training"]}
    )
    run_recipe(single, data=None, results=results, progress=Silent())
    wave, rate = soundfile.read(corpus.parent / "0.wav")
    for found in (0, 1):
        if found:
            soundfile.write(corpus.parent / "0.wav", 0.9 * wave, rate)
        planned = plan(grids.made(raw | {"benchmark": str(corpus)}, {}), results)
        assert len(planned.finished) == 1
        lines = [*compared(planned, results, Corpora(None, Silent()))]
        assert len(planned.changed) == len(lines) == found
    with Local(Where(None, results, Path.cwd()), 1) as engine:
        report = sweep(planned, engine, Silent())
    assert (report.done, report.skipped, len(report.failed)) == (1, 0, 1)
    assert "of other data: not the same audio" in report.failed[0].reason
    for file in corpus.parent.glob("*.wav"):
        file.unlink()
    planned = plan(planned.grid, results)
    (told_of,) = compared(planned, results, Corpora(None, Silent()))
    assert "not compared with their data: 2 finished runs" in told_of


def made_of(raw: dict[str, Any], axes: dict[str, Any], number: int) -> dict[str, Any]:
    return grids.made(raw, axes).raw(number)


def test_a_table_without_a_name_changes_what_all_runs_share_and_one_with_it_replaces() -> None:
    raw = {
        "upstream": {"name": "hubert", "weights": "base"},
        "training": {"epochs": 2, "batch": 4},
        "grid": {"training": [{"batch": 8}], "upstream": [{"name": "cpc"}]},
        "rows": [{}, {"training": {"epochs": 3}}, {"training": {"batch": 16}}],
    }
    trained = [made_of(raw, {}, number)["training"] for number in (1, 2, 3)]
    assert [(each["epochs"], each["batch"]) for each in trained] == [(2, 8), (3, 8), (2, 16)]
    assert made_of(raw, {}, 1)["upstream"] == {"name": "cpc"}
    assert raw["training"] == {"epochs": 2, "batch": 4}, "nobody else's is changed"
    name = "row 2 (training.batch=8, upstream=cpc, training.epochs=3)"
    assert grids.made(raw, {}).name(2) == name


@pytest.mark.parametrize("axes", [{"upstream": ["hubert", "cpc"]}, {}])
def test_a_table_without_a_name_holds_for_each_plugin_that_an_axis_names(axes) -> None:
    named = {"name": "hubert", "weights": "base"}
    several = ["fbank", {"name": "cpc", "layers": "all"}]
    raw = {
        "upstream": {"layers": "last"},
        "downstream": {"width": 3},
        "protocol": {"k": 4},
        "finetune": {"epochs": 7},
        "enrol": {"aside": 30},
        "grid": {"upstream": ["hubert", named, {"name": "cpc", "layers": [0]}, several]},
        "rows": [
            {"downstream": "mlp", "protocol": {"name": "speaker_folds", "k": 5}, "enrol": 5},
            {"protocol": "speaker_folds", "finetune": False, "upstream": {"layers": [1]}},
            {"finetune": True},
        ],
    }
    if axes:
        found = [made_of(raw, axes, number)["upstream"] for number in (1, 2, 3)]
        assert found[:2] == [{"name": name, "layers": "last"} for name in ("hubert", "cpc")]
        assert found[2] == {"name": "hubert", "layers": [1]}, "of a row, too"
        return
    assert [made_of(raw, {}, number)["upstream"] for number in (1, 2, 3, 4)] == [
        {"name": "hubert", "layers": "last"},
        named | {"layers": "last"},
        {"name": "cpc", "layers": [0]},
        [{"name": "fbank", "layers": "last"}, {"name": "cpc", "layers": "all"}],
    ]
    assert made_of(raw, {}, 8)["upstream"] == [
        {"name": "fbank", "layers": [1]},
        {"name": "cpc", "layers": [1]},
    ]
    first, second, third = (made_of(raw, {}, number) for number in (1, 5, 9))
    assert first["downstream"] == {"name": "mlp", "width": 3}
    assert first["enrol"] == {"name": 5, "aside": 30}
    assert first["protocol"] == {"name": "speaker_folds", "k": 5}
    assert second["protocol"] == {"name": "speaker_folds", "k": 4}
    assert [each["finetune"] for each in (first, second, third)] == [
        {"epochs": 7},
        False,
        {"epochs": 7},
    ]


def test_what_a_setting_replaces_is_neither_an_axis_nor_in_a_name(tmp_path: Path) -> None:
    folds = {"name": "speaker_folds", "k": 5}
    upstreams = ["fbank", {"name": "hubert", "layers": "all"}]
    raw = {
        "downstream": "mlp",
        "grid": {"upstream": upstreams, "training.epochs": [20, 50]},
        "rows": [{"training": {"batch": 4, "epochs": 7}}, {"seeds": [1], "protocol": folds}],
    }
    settings = ["training.epochs=5", "seeds=[3]", "protocol.k=4", "upstream.layers=last"]
    grid = grids.made(raw, {}, settings)
    assert [grid.name(number) for number in grid.numbers()] == [
        "row 1 (upstream=fbank, training.batch=4)",
        "row 2 (upstream=hubert layers=last, training.batch=4)",
        "row 3 (upstream=fbank, protocol=speaker_folds k=4)",
        "row 4 (upstream=hubert layers=last, protocol=speaker_folds k=4)",
    ]
    assert next(iter(told(Plan(grid), tmp_path))) == "4 runs: 2 upstream x 2 rows"
    named = grids.made(raw, {}, ["upstream.name=mfcc", "training={}"])
    assert named.name(1) == "row 1 (upstream=mfcc)"


@pytest.mark.parametrize("key", ["upstream.layers", "upstream"])
def test_an_axis_inside_of_several_upstreams_is_set_in_each(key: str) -> None:
    value = "last" if "." in key else {"layers": "last"}
    raw = {"grid": {"upstream": ["hubert", ["hubert", "cpc"]]}, "rows": [{key: value}]}
    hubert, cpc = ({"name": name, "layers": "last"} for name in ("hubert", "cpc"))
    assert [made_of(raw, {}, number)["upstream"] for number in (1, 2)] == [hubert, [hubert, cpc]]


def test_what_all_runs_share_changes_the_recipe_they_start_from() -> None:
    plain, changed = (made_of({"recipe": "superb"} | more, {}, 1) for more in ({}, SHARED))
    assert "training" in plain
    assert changed["training"] == plain["training"] | SHARED["training"]


def test_lists_of_the_command_line_win_over_rows_too() -> None:
    raw = {"downstream": "mlp", "rows": [{"upstream": "cpc", "seeds": [1]}, {"upstream": "mfcc"}]}
    found = [made_of(raw, {"upstream": ["fbank"]}, number) for number in (1, 2)]
    assert [each["upstream"] for each in found] == ["fbank", "fbank"]
    assert found[0]["seeds"] == [1]


def test_a_broken_result_is_no_finished_run(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    results = tmp_path / "results"
    assert swept(SHARED, corpus, results, jobs=1).done == 4
    cut, bare, *_ = sorted(results.glob("*/*.json"))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    bare.with_suffix(".parquet").unlink()
    planned = plan(grids.made(SHARED | {"benchmark": str(corpus)}, {}), results)
    (line,) = compared(planned, results, Corpora(None, Silent()))
    assert line == "broken, which counts as failed: 2 results"
    with Local(Where(None, results, Path.cwd()), 1) as engine:
        report = sweep(planned, engine, Silent())
    assert (report.done, report.skipped, len(report.failed)) == (0, 2, 2)
    told_to_delete = {each.reason.split("delete '")[1].split("'")[0] for each in report.failed}
    assert told_to_delete == {str(cut), str(bare)}
    assert "--again" not in "".join(each.reason for each in report.failed)
    for record in (cut, bare):
        record.unlink()
    again = swept(SHARED, corpus, results, jobs=1)
    assert (again.done, again.skipped, again.failed) == (2, 2, [])


def test_corpora_that_are_missing_are_told_with_their_runs_before_anything_starts(
    corpus: Path, tmp_path: Path
) -> None:
    raw = SHARED | {"rows": [{"benchmark": str(corpus)}, {"benchmark": "emodb"}]}
    planned = plan(grids.made(raw, {}), tmp_path / "results")
    with pytest.raises(SerbenchError) as caught:
        [*checked(planned, Corpora(tmp_path, Silent()))]
    said = str(caught.value)
    assert "4 of 8 runs cannot be made; nothing was started" in said
    assert "row 5 (upstream=fbank, downstream=mean_pool, benchmark=emodb) and 3 more: " in said


def test_a_run_whose_result_is_incomplete_goes_on(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    axes = {"upstream": ["fbank"], "downstream": ["mlp"]}
    whole = tmp_path / "whole"
    assert swept(SHARED | {"grid": axes}, corpus, whole, jobs=1).done == 1
    (path,) = whole.glob("*/*.json")
    entry = store.load_result(path)
    some = entry.predictions[entry.predictions["fold"] != entry.result.split.folds[-1].name]
    part = entry.result.model_copy(update={"complete": False})
    store.save(part, some, tmp_path / "part")
    planned = plan(
        grids.made(SHARED | {"benchmark": str(corpus), "grid": axes}, {}), tmp_path / "part"
    )
    (line,) = compared(planned, tmp_path / "part", Corpora(None, Silent()))
    assert line == "incomplete, and to go on: 1 result"
    with Local(Where(None, tmp_path / "part", Path.cwd()), 1) as engine:
        report = sweep(planned, engine, Silent())
    assert (report.done, report.skipped, len(report.failed)) == (1, 0, 0)
    assert contents(tmp_path / "part") == contents(whole)

    (corpus.parent / "0.wav").unlink()
    store.save(part, some, tmp_path / "third")
    given = ["--benchmark", str(corpus), "--upstream", "fbank", "--downstream", "mlp"]
    given += ["--set", "training.learning_rates=[1e-3]", "--set", "training.epochs=1"]
    ended = serbench("sweep", *given, "--results", tmp_path / "third")
    assert "finished: 0; to do: 1" in ended.stdout
    assert ended.returncode == 2
    assert "1 of 1 run cannot be made; nothing was started" in ended.stderr, "nor is its corpus"


def test_a_run_whose_process_was_ended_is_named_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    planned = plan(grids.made(SHARED, {}), tmp_path)

    class Dying:
        where, apart, jobs = Where(None, tmp_path, tmp_path), False, 1

        def each(self, tasks, *_: object):
            for task in tasks:
                yield Done(task, error=f"{task.name}: its process was ended")

    report = sweep(planned, Dying(), Silent())
    assert [each.reason for each in report.failed] == ["its process was ended"] * 4


def test_the_log_of_a_row_names_it_and_the_one_that_was_prepared_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    raw = {"upstream": "fbank", "downstream": "mlp", "grid": {"seeds": [[0], [1]]}}

    class Refusing:
        where, apart, jobs = Where(None, tmp_path, tmp_path), False, 1

        def each(self, tasks, *_: object):
            for task in tasks:
                yield Done(task, error="it is broken; mend it")

    report = sweep(plan(grids.made(raw, {}), tmp_path), Refusing(), Silent())
    first, second = (each.log.read_text().splitlines()[0] for each in report.failed if each.log)
    assert first == "row 1 (seeds=0)"
    assert second == "row 2 (seeds=1), prepared together with row 1 (seeds=0)"


def test_what_runs_warn_of_that_went_well_is_in_the_summary_equal_lines_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SERBENCH_STORE", f"file://{tmp_path}/store")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "features").touch()  # so that the store takes files, but no features
    twice = (corpus.parent / "7.wav").read_bytes()
    (corpus.parent / "15.wav").write_bytes(twice)  # of which the driver warns
    given = ["--upstream", "fbank,mfcc", "--downstream", "mean_pool", "--benchmark", str(corpus)]
    short = ["--set", "training.learning_rates=[1e-3]", "--set", "training.epochs=1"]
    ended = serbench("sweep", *given, *short, "--jobs", "1", cwd=tmp_path)
    assert ended.stdout.count("2 done, 0 failed, 0 skipped") == 1, ended.stderr
    warnings = [line for line in ended.stderr.splitlines() if line.startswith("warning: ")]
    said = f"warning: 'file://{tmp_path}/store' takes no files (Not a directory); what was made is"
    assert f"{said} in '{tmp_path}/home' alone (2 times)" == warnings.pop()
    assert warnings, "of the audit"
    assert len(warnings) == len({*warnings}), "which were told once"


def test_sweeps_of_other_grids_and_results_do_not_share_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))

    class Refusing:
        apart, jobs = False, 1

        def __init__(self, results: Path) -> None:
            self.where = Where(None, results, tmp_path)

        def each(self, tasks, *_: object):
            for task in tasks:
                yield Done(task, error="it is broken; mend it")

    def log(head: str, results: str) -> Path:
        grid = grids.made({"upstream": "fbank", "downstream": head, "seeds": [0]}, {})
        planned = plan(grid, tmp_path / results)
        (failed,) = sweep(planned, Refusing(tmp_path / results), Silent()).failed
        assert failed.log
        return failed.log

    heads = ("mlp", "mean_pool", "mlp"), ("one", "one", "two")
    assert len({log(*each) for each in zip(*heads, strict=True)}) == 3
    assert log("mlp", "one") == log("mlp", "one"), "the same command has the same"


@pytest.mark.slow
def test_a_hundred_thousand_runs_are_planned_in_a_minute_and_little_memory(tmp_path: Path) -> None:
    grid = grids.made(
        {"grid": {"upstream": ["fbank", "mfcc"], "downstream": ["mean_pool", "mlp"]}},
        {"seeds": [[seed] for seed in range(25_000)]},
    )
    few = grids.made({"upstream": "fbank", "downstream": "mlp"}, {"seeds": [[0], [1]]})
    plan(few, tmp_path)  # what it needs is imported
    start, before = time.process_time(), resident()
    planned = plan(grid, tmp_path)
    took, more = time.process_time() - start, resident() - before
    assert (planned.count, len(planned.groups)) == (100_000, 2)
    sys.stdout.write(f"{took:.1f} s of processor time, {more / 2**20:.0f} MiB\n")
    assert took < 60
    assert more < 50 * 2**20


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


RAISING = """
from serbench.downstreams import Downstream


class Raising(Downstream):
    def __init__(self, dim):
        super().__init__()
        self.embedding_dim = dim

    def forward(self, frames, lengths, speakers):
        raise ValueError("no")


def make(dim):
    return Raising(dim)
"""


# heads that only a process of the sweep cannot make, as one that is asked for a GPU of its own
UNMADE = """
import os, signal
from multiprocessing import parent_process
from serbench.downstreams import mean_pool


def make(dim):
    if parent_process():
        {deed}
    return mean_pool.make(dim)
"""
HEADS = {
    "raising": RAISING,
    "unmade": UNMADE.format(deed='raise RuntimeError("not here")'),
    "dying": UNMADE.format(deed="os.kill(os.getpid(), signal.SIGKILL)"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_fails_costs_none_of_those_who_share_its_features(
    name: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    (tmp_path / f"{name}.py").write_text(HEADS[name])
    heads = [str(tmp_path / f"{name}.py"), "mean_pool"]
    raw = SHARED | {"grid": {"seeds": [[0], [1]], "upstream": ["fbank"], "downstream": heads}}
    report = swept(raw, corpus, tmp_path / "swept", jobs=1)
    assert report.done == 2
    assert len(report.failed) == 2
    assert all(name in each.name for each in report.failed)


def test_what_fails_under_two_heads_is_what_they_share_and_not_tried_under_more(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    tried = tmp_path / "tried"
    code = (
        "from pathlib import Path\n\n\ndef make():\n"
        f"    with Path({str(tried)!r}).open('a') as file:\n        file.write('x')\n"
        "    raise RuntimeError('no weights')\n"
    )
    (tmp_path / "bare.py").write_text(code)
    heads = ["mean_pool", *({"name": "mlp", "dropout": rate} for rate in (0.1, 0.2, 0.3))]
    raw = SHARED | {"upstream": str(tmp_path / "bare.py"), "grid": {"downstream": heads}}
    report = swept(raw, corpus, tmp_path / "swept", jobs=1)
    assert (report.done, len(report.failed)) == (0, 4)
    alone = tried.read_text()
    tried.unlink()
    swept(raw | {"grid": {"downstream": heads[:2]}}, corpus, tmp_path / "again", jobs=1)
    assert tried.read_text() == alone


LOUD = """
from serbench.downstreams import mean_pool

print("loaded")


def make(dim):
    print("of a head", end=" ")
    return mean_pool.make(dim)
"""


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_what_a_head_prints_is_not_in_what_a_command_prints(
    command: str, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    given = ["--upstream", "fbank", "--downstream", "./loud.py", "--benchmark", corpus.name]
    short = ["--set", "training.learning_rates=[1e-3]", "--set", "training.epochs=1"]
    line = [sys.executable, "-m", "serbench", command, *given, *short, "--jobs", "1"]
    home = {"SERBENCH_HOME": str(tmp_path / "home")}
    ended = subprocess.run(
        line, cwd=tmp_path, env=os.environ | home, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert "of a head" in ended.stderr
    assert "of a head" not in ended.stdout
    assert "loaded" not in ended.stdout
