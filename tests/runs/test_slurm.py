"""Sweeps in jobs of a queue. SLURM itself is not here: submitit's local executor does its part."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Where
from serbench.runs.grids.on_slurm import Batch, OnSlurm
from serbench.runs.grids.plan import plan
from serbench.runs.grids.sweep import sweep
from serbench.runs.run import run_recipe
from serbench.runs.workers import Task

from ..commands import serbench  # noqa: TID252
from .results_of import contents

RAW: dict[str, Any] = {
    "training": {"learning_rates": [1e-3], "epochs": 2},
    "grid": {"upstream": ["fbank"], "downstream": ["mlp"]},
}


def test_jobs_of_a_queue_give_the_bits_of_one_machine_and_say_which_run_failed(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"training.learning_rates": [1e18]}
    grid = grids.made(RAW | {"benchmark": str(corpus), "rows": [{}, wrong]}, {})
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "here"))
    alone = recipe.resolve(grid.raw(1))
    run_recipe(alone, data=None, results=tmp_path / "alone", progress=Silent())
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    where = Where(None, tmp_path / "slurm", tmp_path)
    with OnSlurm(where, 1, USED, "local") as engine:
        report = sweep(plan(grid, where.results), engine, Silent())
    assert (report.done, len(report.failed)) == (1, 1)
    assert "smaller learning rates" in report.failed[0].reason
    assert contents(tmp_path / "slurm") == contents(tmp_path / "alone")


def test_a_job_that_lacks_memory_is_told_what_slurm_can_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = "import os, signal\ndef die(progress):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    (tmp_path / "dying.py").write_text(dies)
    monkeypatch.syspath_prepend(tmp_path)
    import dying  # type: ignore[import-not-found]

    ((done, _),) = Batch([Task("it", dying.die)], "small", Where(None, tmp_path, tmp_path))()
    del sys.modules["dying"]
    assert str(done.error).endswith("; if memory is short, ask for more with --slurm mem_gb=GIB")


def test_a_job_that_slurm_does_not_take_is_told_in_one_sentence_and_nothing_is_lost(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "sbatch: error: invalid partition specified: nosuch"
    for name, does in (("srun", "exit 0"), ("sbatch", f"echo '{why}' >&2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    given = ["--upstream", "fbank", "--downstream", "mlp", "--benchmark", corpus]
    slurm = ["--engine", "slurm", "--slurm", "slurm_partition=nosuch"]
    ended = serbench("sweep", *given, *slurm, cwd=tmp_path)
    assert ended.returncode == 2
    (said,) = (line for line in ended.stderr.splitlines() if line.startswith("serbench: "))
    assert said.startswith("serbench: error: SLURM takes no job: ")
    assert why in said
    assert said.endswith("; see --slurm, and `sinfo` for partitions")
    assert "Traceback" not in ended.stderr


USED = {"cpus_per_task": 2, "timeout_min": 10}


def test_without_a_queue_or_with_words_it_does_not_know_nothing_starts(tmp_path: Path) -> None:
    where = Where(None, tmp_path, tmp_path)
    with pytest.raises(SerbenchError, match="no SLURM here"), OnSlurm(where):
        pass
    with (
        pytest.raises(SerbenchError, match="--slurm cannot be used"),
        OnSlurm(where, 1, {"cpus": 2}, "local"),
    ):
        pass
