"""The script for a job of SLURM: Ray's launcher does its part, SLURM's commands are stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import ROOT  # noqa: TID252

# what SLURM's commands do in a job of one node
STAND_INS = {
    "scontrol": 'echo "$3"',
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    "ray": f'exec {sys.executable} -m ray.scripts.scripts "$@"',
    "serbench": f'exec {sys.executable} -m serbench "$@"',
}
GRID = """
downstream = "mean_pool"
benchmark = "{corpus}"
[training]
learning_rates = [1e-3]
epochs = 1
[grid]
upstream = ["fbank", "mfcc"]
"""


def others() -> bool:
    """Whether somebody else's Ray runs here: the launcher would end it, too."""
    lines = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))
    return any(b"raylet/raylet" in line for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(others(), reason="another Ray runs on this machine")
def test_the_script_starts_a_cluster_does_the_grid_and_ends_it(
    corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for name, line in STAND_INS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "grid.toml").write_text(GRID.format(corpus=corpus))
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "SCRATCH": str(tmp_path),
        "WORK": str(tmp_path),
        "SLURM_NNODES": "1",
        "SLURM_JOB_NODELIST": "127.0.0.1",
    }
    done = subprocess.run(
        ["bash", ROOT / "docs" / "ray.sbatch"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 done, 0 failed" in done.stdout
    assert len([*tmp_path.glob("results/voices/*.json")]) == 2
