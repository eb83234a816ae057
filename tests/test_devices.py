"""How many cores there really are, and on how many threads torch computes."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from serbench import devices


def test_cores_are_those_that_the_process_may_run_on() -> None:
    only = min(os.sched_getaffinity(0))
    code = f"""
import os
from serbench.devices import cores
os.sched_setaffinity(0, {{{only}}})
print(cores())
"""
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout == "1\n"
    assert 1 <= devices.cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("groups", "files", "granted"),
    [
        ("0::/job\n", {"job/cpu.max": "250000 100000\n"}, 2.5),
        ("0::/job\n", {"job/cpu.max": "max 100000\n"}, math.inf),
        ("0::/job/task\n", {"job/cpu.max": "50000 100000", "job/task/cpu.max": "max 100000"}, 0.5),
        ("0::/\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("0::/\n", {}, math.inf),
        (
            "3:cpuset:/\n2:cpu,cpuacct:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "400000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            4.0,
        ),
        (
            "2:cpu,cpuacct:/job\n0::/\n",
            {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            math.inf,
        ),
        (
            "1:cpuset:/docker/0123\n2:cpu:/docker/0123\n",
            {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"},
            1.5,
        ),
    ],
    ids=["v2", "v2 none", "v2 above", "v2 container", "none", "v1", "v1 none", "v1 container"],
)
def test_control_groups_grant_less(
    groups: str, files: dict[str, str], granted: float, tmp_path: Path
) -> None:
    planted = {"proc/self/cgroup": groups} | {f"sys/fs/cgroup/{k}": v for k, v in files.items()}
    for name, content in planted.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert devices.granted(tmp_path) == granted


def test_where_there_are_no_control_groups_nothing_is_less(tmp_path: Path) -> None:
    assert devices.granted(tmp_path) == math.inf


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
def test_a_freed_tensor_is_memory_of_the_next_one() -> None:
    """Each page that the system hands out anew is a fault; 48 MiB are 12,288 of 4 KiB."""
    code = """
import resource
import torch
from serbench.devices import threads

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(12 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
given_back = faults()
with threads(1):
    faults()
    kept = faults()
print(given_back, kept)
"""
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    given_back, kept = map(int, shown.stdout.split())
    assert kept < given_back / 10


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with devices.threads(3) as outer:
        with pytest.raises(KeyboardInterrupt), devices.threads(2) as inner:
            assert torch.get_num_threads() == inner == 2
            raise KeyboardInterrupt
        assert torch.get_num_threads() == outer == 3
    assert torch.get_num_threads() == before


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="pytest runs alone")
def test_processes_of_pytest_do_not_wait_for_one_another() -> None:
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])


@pytest.mark.parametrize(
    ("said", "count"), [("3", 3), ("2,4", 2), (None, None), ("", None), ("all", None), ("0", None)]
)
def test_openmp_has_a_say_in_how_many(
    said: str | None, count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    with devices.threads() as found:
        assert found == (count or devices.cores())
    with devices.threads(1) as found:
        assert found == 1
