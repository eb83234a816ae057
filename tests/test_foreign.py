"""Upstreams of other people: an installed package by name, and a file by its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import commands
from .conftest import copy_me, serbench

SHORT = ("--downstream", "mean_pool", "--set", "training.epochs=2")


def test_an_installed_upstream_is_listed_with_its_origin(site: Path) -> None:
    listed = serbench("list", "upstreams", site=site)
    assert "energy" in listed
    assert "[foreign-plugins 1.2]" in " ".join(listed.split()), "lines are wrapped at 80 columns"
    assert "energy" not in serbench("list", "upstreams")


@pytest.mark.usefixtures("installed")
def test_an_installed_upstream_and_benchmark_run_by_name(my_corpus: Path, tmp_path: Path) -> None:
    args = ("run", "--upstream", "energy", *SHORT, "--benchmark", "my_corpus", "--data", my_corpus)
    ended = commands.serbench(*args, "--results", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "energy" in ended.stdout
    assert len(list(tmp_path.glob("my_corpus/*.json"))) == 1


def test_one_that_cannot_be_used_costs_its_own_line_alone(tmp_path: Path) -> None:
    about = tmp_path / "lab-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1\n")
    lines = ["broken = broken:make", "gone = gone.deep:make", "mfcc = sound:make"]
    lines += ["sound = sound:make", "failing = failing:make"]
    groups = [f"[serbench.{kind}]\n" + "\n".join(lines) for kind in ("upstreams", "benchmarks")]
    (about / "entry_points.txt").write_text("\n".join(groups))
    (tmp_path / "broken.py").write_text("def make(:\n")
    (tmp_path / "sound.py").write_text('"""A sound one."""\ndef make(*, size: int): ...\n')
    (tmp_path / "failing.py").write_text('"""A failing one."""\ndef make(): return 1 / 0\n')
    listed = " ".join(serbench("list", "upstreams", site=tmp_path).split())
    assert "broken cannot be used: upstream 'broken' is not Python" in listed
    assert "gone cannot be used: upstream 'gone' is announced as gone.deep:make" in listed
    assert "mfcc cannot be used: upstream 'mfcc' of lab has the name of a built-in one" in listed
    assert "sound A sound one. [lab 1]" in listed
    assert "fbank Log mel" in listed
    listed = " ".join(serbench("list", "benchmarks", site=tmp_path).split())
    assert "failing A failing one. [lab 1]: benchmark 'failing' ends in ZeroDivisionError" in listed
    assert "sound A sound one. [lab 1]: benchmark 'sound' needs option 'size'" in listed
    assert "demo" in listed


def test_a_file_runs_by_path(my_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(copy_me("upstream"))
    (tmp_path / "my_corpus.py").write_text(copy_me("benchmark"))
    args = ("run", "--upstream", "./mine.py", *SHORT, "--benchmark", "./my_corpus.py")
    ended = commands.serbench(*args, "--data", my_corpus, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "mine" in ended.stdout
    assert len(list(tmp_path.glob("results/my_corpus/*.json"))) == 1
