"""Upstreams of other people: an installed package by name, and a file by its path."""

from __future__ import annotations

from pathlib import Path

from .conftest import copy_me, serbench


def test_an_installed_upstream_is_listed_with_its_origin(site: Path) -> None:
    listed = serbench("list", "upstreams", site=site)
    assert "energy" in listed
    assert "[foreign-plugins 1.2]" in " ".join(listed.split()), "lines are wrapped at 80 columns"
    assert "energy" not in serbench("list", "upstreams")


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
