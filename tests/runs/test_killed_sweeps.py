"""Sweeps that are killed, by signals to the driver and to those who work for it; minutes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import written
from .results_of import contents

pytestmark = pytest.mark.slow

RUNS = 6
SWEEP = ["--upstream", "fbank,mfcc", "--downstream", "mean_pool,mlp,ecapa"]
SHORT = ["--set", "training.learning_rates=[1e-3]", "--set", "training.epochs=40"]


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def command(corpus: Path, engine: str, results: str) -> list[str]:
    start = [sys.executable, "-m", "serbench", "sweep", "--benchmark", str(corpus), *SWEEP, *SHORT]
    return [*start, "--engine", engine, "--jobs", "2", "--results", results]


def started(line: list[str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        line,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait(until: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def working_in(folder: Path) -> Iterator[int]:
    """Yield the processes that have this folder as their `SERBENCH_HOME`, but for this one."""
    wanted = f"SERBENCH_HOME={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)
        except OSError:
            continue


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Return the results of a sweep that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    home = {"SERBENCH_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    line = command(written(folder), "local", "results")
    subprocess.run(line, cwd=folder, env=os.environ | home, check=True, capture_output=True)
    return contents(folder / "results")


@pytest.mark.parametrize("engine", ["local", "ray"])
@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_driver_that_is_ended_leaves_nobody_and_the_same_command_finishes_the_rest(
    engine: str,
    how: signal.Signals,
    code: int,
    corpus: Path,
    tmp_path: Path,
    whole: dict[str, tuple[str, str]],
) -> None:
    line = command(corpus, engine, "results")
    stopped = started(line, tmp_path)
    wait(lambda: bool([*tmp_path.glob("results/*/*.json")]) or stopped.poll() is not None)
    if engine == "local":
        os.killpg(stopped.pid, how)  # as a terminal does with Ctrl-C
    else:
        stopped.send_signal(how)
    _, said = stopped.communicate(timeout=120)
    assert stopped.returncode == code
    assert "Traceback" not in said
    if code > 0:
        assert "the same command goes on from there" in said.strip().splitlines()[-1]
    wait(lambda: not [*working_in(tmp_path / "home")], 60)

    before = len([*tmp_path.glob("results/*/*.json")])
    assert 0 < before < RUNS, "it was stopped midway"
    again = started(line, tmp_path)
    printed, said = again.communicate(timeout=900)
    assert again.returncode == 0, said
    assert f"{RUNS - before} done, 0 failed, {before} skipped" in printed
    assert contents(tmp_path / "results") == whole


def test_workers_that_are_killed_cost_only_time(corpus: Path, tmp_path: Path) -> None:
    sweep = started(command(corpus, "local", "results"), tmp_path)
    killed = 0
    while sweep.poll() is None:
        time.sleep(4)
        children = Path(f"/proc/{sweep.pid}/task/{sweep.pid}/children").read_text().split()
        workers = [int(each) for each in children if _works(int(each))]
        if killed < 5 and workers:
            os.kill(workers[killed % len(workers)], signal.SIGKILL)
            killed += 1
    printed, said = sweep.communicate()
    assert f"{RUNS} done, 0 failed" in printed, said
    assert killed > 1


def _works(process: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
