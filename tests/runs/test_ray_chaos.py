"""Forty runs on a Ray cluster in which workers and a node are killed all the time; minutes."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serbench.progress import Silent
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Where
from serbench.runs.grids.local import Local
from serbench.runs.grids.plan import plan
from serbench.runs.grids.sweep import sweep

from .results_of import contents
from .test_ray import add, cluster, on_ray

pytestmark = pytest.mark.slow

EVERY = 6.0  # seconds between two kills of a worker
RUNS: dict[str, Any] = {
    "benchmark": "demo",
    "training": {"learning_rates": [1e-3], "epochs": 3},
    "grid": {"upstream": ["fbank", "mfcc"], "downstream": ["mean_pool", "mlp"]},
    "rows": [{"seeds": [seed]} for seed in range(10)],
}


def workers(home: Path) -> list[int]:
    """Return the processes of Ray that are at work on a task in some `SERBENCH_HOME`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            at_work = (process / "cmdline").read_bytes().startswith(b"ray::row")
            here = f"SERBENCH_HOME={home}".encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if at_work and here:
            found.append(int(process.name))
    return found


@contextmanager
def killing(
    home: Path, results: Path, killed: list[int], midway: Callable[[], None]
) -> Iterator[None]:
    """Kill a worker every few seconds inside, if any run was finished since; half are: `midway`."""
    over, rng = threading.Event(), random.Random(0)

    def kill() -> None:
        before = -1
        while not over.wait(EVERY):
            count, there = len([*results.glob("*/*.json")]), workers(home)
            if there and count > before:
                killed.append(rng.choice(there))
                os.kill(killed[-1], signal.SIGKILL)
                if before < 20 <= count:
                    midway()
                before = count

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_whoever_is_killed_the_results_are_those_of_one_machine_and_each_encoding_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = grids.made(RUNS, {})
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "here"))
    with Local(Where(None, tmp_path / "local", tmp_path), 1) as engine:
        assert sweep(plan(grid, tmp_path / "local"), engine, Silent()).done == 40

    shared = tmp_path / "shared"  # what a cluster has in a network folder
    monkeypatch.setenv("SERBENCH_HOME", str(shared))
    planned, killed = plan(grid, tmp_path / "ray"), list[int]()
    with cluster(shared, shared) as made:
        gone = add(made, shared)
        where = Where(None, tmp_path / "ray", tmp_path)
        with killing(shared, where.results, killed, partial(made.remove_node, gone)):
            report, said = on_ray(made.address, planned, where)
    assert (report.done, report.failed) == (40, [])
    sys.stdout.write(f"{len(killed)} workers killed\n")
    assert len(killed) > 2
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    # an encoding whose worker is killed goes on in the next one
    began = [line for line in said if "to encode" in line]
    assert 2 <= len(began) <= 2 + len(killed)
    assert len([*shared.glob("features/*/index.json")]) == 2
