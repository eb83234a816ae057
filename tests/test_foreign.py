"""Upstreams of other people: an installed package by name, and a file by its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import copy_me

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
    (source / "energy_upstream.py").write_text(copy_me("upstream"))
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
    assert "[energy-upstream 1.2]" in " ".join(listed.split()), "lines are wrapped at 80 columns"
    assert "energy" not in serbench("list", "upstreams")


def test_an_installed_upstream_keeps_the_contract(site: Path) -> None:
    assert "keeps the contract" in serbench("check", "upstream", "energy", site=site)


def test_an_installed_upstream_runs_by_name(site: Path, tmp_path: Path) -> None:
    args = ("run", "--upstream", "energy", "--downstream", "mean_pool", "--results", tmp_path)
    printed = serbench(*args, "--set", "training.epochs=2", site=site)
    assert "energy" in printed
    assert len(list(tmp_path.glob("demo/*.json"))) == 1


def test_a_file_runs_by_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(copy_me("upstream"))
    args = ("run", "--upstream", "./mine.py", "--downstream", "mean_pool")
    printed = serbench(*args, "--set", "training.epochs=2", cwd=tmp_path)
    assert "mine" in printed
    assert len(list(tmp_path.glob("results/demo/*.json"))) == 1
