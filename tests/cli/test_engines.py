"""Where a sweep is done: options that mean nothing there are refused before anything starts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serbench.cli import app
from serbench.cli.engines import Engines, checked
from serbench.errors import SerbenchError
from serbench.runs.grids.cells import Where

without_s3fs = pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is here")

COMPLETE = ("--upstream", "fbank", "--downstream", "mlp", "--benchmark", "demo")


@pytest.mark.parametrize(
    ("engines", "said"),
    [
        (Engines("local", address="head:6379"), "--address means nothing without --engine ray"),
        (Engines("slurm", memory=4.0), "--memory means nothing without --engine ray"),
        (Engines("ray", slurm=["cpus_per_task=2"]), "--slurm means nothing without --engine slurm"),
        (Engines("local", slurm=["foo"]), "--slurm means nothing without --engine slurm"),
        (Engines("slurm", slurm=["cpus_per_task"]), "--slurm 'cpus_per_task' is not KEY=VALUE"),
        (Engines("slurm"), "no SLURM here"),
        (Engines("ray", address="head"), "--address 'head' is no HOST:PORT"),
    ],
)
def test_an_option_of_another_engine_and_an_engine_that_is_not_here_are_refused(
    engines: Engines, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no SLURM on it
    with pytest.raises(SerbenchError, match=said):
        checked(engines, Where(None, tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "there is no grid; give a file"),
        (("--upstream", "fbank,,mfcc"), "--upstream 'fbank,,mfcc' has no name where one should be"),
        (("--benchmark", ""), "--benchmark '' has no name where one should be"),
        (("--memory", "0"), "--memory '0' is no amount of memory; give GiB from 0.1 on"),
        (("--memory", "nan"), "--memory 'nan' is no amount of memory"),
        (("nosuch.toml",), "grid file 'nosuch.toml' does not exist"),
        (("--upstream", "nosuch", "--device", "cudda"), "device 'cudda' cannot be used"),
        (("--upstream", "nosuch", "--results", "/proc/none/x"), "cannot write '/proc/none/x'"),
        (("--upstream", "nosuch", "--results", "/dev/null"), "'/dev/null' is in the way"),
        (("--upstream", "nosuch", "--results", "/dev/null/x"), "'/dev/null' is in the way"),
        # --set comes last, as for a run, and what it says is not dropped for --seeds
        ((*COMPLETE, "--seeds", "2", "--set", "seeds=3"), "'seeds' must be a list"),
    ],
)
def test_a_sweep_that_cannot_start_is_refused_before_its_plan_is_made(
    given: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(app, ["sweep", *given, "--dry-run"])
    assert said in str(done.exception)


@pytest.mark.parametrize("command", ["run", "sweep"])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        pytest.param("s3://lab/store", "Install s3fs", marks=without_s3fs),
        ("nonsense://lab", "Protocol not known"),
        ("file:///proc/none", "No such file or directory"),
        ("file:///dev/null/x", "Not a directory"),
    ],
)
def test_urls_that_take_no_file_are_told_before_anything_starts(
    command: str, url: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("results", "store"):
        monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / f"{command} {key}"))
        given = ["--upstream", "fbank", "--downstream", "mlp", "--data", str(tmp_path)]
        if key == "results":
            given += ["--results", url]
        else:
            monkeypatch.setenv("SERBENCH_STORE", url)
            given += ["--results", str(tmp_path / "results")]
        done = CliRunner().invoke(app, [command, *given, "--benchmark", "emodb"])
        assert f"'{url}' " in str(done.exception)
        assert why in str(done.exception)
        assert "emodb" not in done.output


@pytest.mark.parametrize(
    "command",
    [
        ("fuse", "a", "b", "--results"),
        ("postprocess", "a", "pldc", "--results"),
        ("study", "shift", "a", "--out"),
        ("study", "gap", "--upstream", "nosuch", "--out"),
    ],
)
def test_a_folder_that_cannot_be_written_is_told_before_the_work(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*command, "/proc/none"])
    assert "cannot write '/proc/none'" in str(done.exception)


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_no_seeds_are_refused(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--upstream", "fbank", "--seeds", "0"])
    assert "Invalid value for '--seeds'" in done.output


def test_no_place_is_made_by_a_look_at_the_plan(tmp_path: Path) -> None:
    checked(Engines("local"), Where(None, tmp_path / "results" / "new", tmp_path))
    assert not [*tmp_path.iterdir()]
