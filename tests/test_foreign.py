"""Upstreams of other people: an installed package by name, and a file by its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

UPSTREAM = '''"""Sums of squares of 10 ms blocks: one number a frame."""

from __future__ import annotations

import torch

from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream


class Energy(Upstream):
    sample_rate, depth, dim = 16000, 1, 1

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def frames(self, samples: int) -> int:
        return samples // 160

    def forward(self, clips: Clips) -> Features:
        if min(len(wave) for wave in clips.waves) < 160:
            raise SerbenchError("a clip is shorter than one block of 160 samples; remove it")
        blocks = [w[: len(w) // 160 * 160].reshape(-1, 160) for w in clips.waves]
        energies = [self.scale * b.square().sum(1, keepdim=True) for b in blocks]
        lengths = torch.tensor([len(e) for e in energies])
        layers = torch.nn.utils.rnn.pad_sequence(energies, batch_first=True)
        return Features(layers[None], lengths)


def make(*, scale: float = 1.0) -> Energy:
    return Energy(scale)
'''

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "energy-upstream"
version = "1.2"

[project.entry-points."serbench.upstreams"]
energy = "energy_upstream:make"

[tool.setuptools]
py-modules = ["energy_upstream"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the foreign package into a folder of its own."""
    source = tmp_path_factory.mktemp("source")
    (source / "energy_upstream.py").write_text(UPSTREAM)
    (source / "pyproject.toml").write_text(PROJECT)
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--quiet", "--target", target, source], check=True)
    return target


def serbench(*args: str | Path, site: Path | None = None, cwd: Path | None = None) -> str:
    """Run the command line with the foreign package on the path; return what it printed."""
    environment = os.environ | ({"PYTHONPATH": str(site)} if site else {})
    command = [sys.executable, "-m", "serbench", *map(str, args)]
    result = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_an_installed_upstream_is_listed_with_its_origin(site: Path) -> None:
    listed = serbench("list", "upstreams", site=site)
    assert "energy" in listed
    assert "[energy-upstream 1.2]" in listed
    assert "energy" not in serbench("list", "upstreams")


def test_an_installed_upstream_keeps_the_contract(site: Path) -> None:
    assert "keeps the contract" in serbench("check", "upstream", "energy", site=site)


def test_an_installed_upstream_runs_by_name(site: Path, tmp_path: Path) -> None:
    args = ("run", "--upstream", "energy", "--downstream", "mean_pool", "--results", tmp_path)
    printed = serbench(*args, "--set", "training.epochs=2", site=site)
    assert "energy" in printed
    assert len(list(tmp_path.glob("demo/*.json"))) == 1


def test_a_file_runs_by_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(UPSTREAM)
    args = ("run", "--upstream", "./mine.py", "--downstream", "mean_pool")
    printed = serbench(*args, "--set", "training.epochs=2", cwd=tmp_path)
    assert "mine" in printed
    assert len(list(tmp_path.glob("results/demo/*.json"))) == 1
