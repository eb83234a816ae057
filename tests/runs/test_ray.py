"""Sweeps on a Ray cluster of several nodes: the bits of one machine, whoever is killed."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.remotes import results_folder
from serbench.runs import recipe
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Where
from serbench.runs.grids.cluster import Cluster
from serbench.runs.grids.joining import connected, reached
from serbench.runs.grids.nodes import Expected, Looked, expected, look
from serbench.runs.grids.on_ray import OnRay, _Try
from serbench.runs.grids.plan import Plan, plan
from serbench.runs.grids.sweep import Report, sweep
from serbench.runs.run import run_recipe
from serbench.runs.workers import Task

from .results_of import contents

RAW: dict[str, Any] = {
    "training": {"learning_rates": [1e-3], "epochs": 2},
    "grid": {"upstream": ["fbank", "mfcc"], "downstream": ["mlp"]},
}
NOTHING = Expected({}, "", (), None, {})
STORE = 80 * 2**20  # bytes of each node's object store, the least that Ray takes


# Ray's workers are nice to everybody else, and so stand still on a busy machine.
EAGER = {"RAY_worker_niceness": "0"}


@contextmanager
def cluster(*homes: Path, **variables: str) -> Iterator[Any]:
    """Give a cluster with a node of one processor for each of some homes."""
    from ray import cluster_utils

    made = cluster_utils.Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "env_vars": EAGER,
            "object_store_memory": STORE,
            "include_dashboard": False,
        },
    )
    try:
        for home in homes:
            add(made, home, **variables)
        yield made
    finally:
        made.shutdown()


def add(made: Any, home: Path, **variables: str) -> Any:
    own = {"SERBENCH_HOME": str(home), **EAGER, **variables}
    return made.add_node(num_cpus=1, object_store_memory=STORE, env_vars=own)


class Listening(OnRay):
    """Keeps what tasks tell."""

    said: list[str]

    def each(self, tasks: Any, count: int, size: Any, hear: Callable[[Any], None]) -> Any:
        def both(heard: Any) -> None:
            if heard.kind == "tell":
                self.said.append(heard.value)
            hear(heard)

        return super().each(tasks, count, size, both)


def on_ray(
    address: str, planned: Plan, where: Where, *, unshared: bool = False
) -> tuple[Report, list[str]]:
    """Return what became of a sweep, and what its tasks told.

    Args:
        address: of the cluster.
        planned: what is to be done.
        where: the data and the results.
        unshared: nobody finds the driver's results folder, so that results are carried.
    """
    with Listening(address, where, expected(planned, where.data), print) as engine:
        engine.said = []
        if unshared:
            (where.results / engine.where.mark).unlink()
        return sweep(planned, engine, Silent()), engine.said


def test_nodes_that_share_nothing_give_the_bits_of_one_machine_and_encode_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = grids.made(RAW | {"benchmark": str(corpus), "rows": [{}, {"seeds": [1, 2]}]}, {})
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "here"))
    for number in grid.numbers():
        alone = recipe.resolve(grid.raw(number))
        run_recipe(alone, data=None, results=tmp_path / "alone", progress=Silent())

    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "driver"))
    homes = [tmp_path / "one", tmp_path / "two"]
    (tmp_path / "bucket").mkdir()
    where = Where(None, results_folder(f"file://{tmp_path}/bucket"), tmp_path)
    planned = plan(grid, where.results)
    with cluster(*homes) as made:
        report, said = on_ray(made.address, planned, where, unshared=True)
    assert (report.done, report.failed) == (4, [])
    assert contents(where.results) == contents(tmp_path / "alone")
    assert sum("to encode" in line for line in said) == len(planned.groups) == 2
    assert contents(tmp_path / "bucket") == contents(where.results), "each was put there"


def test_a_result_that_comes_back_takes_the_place_of_an_older_one_when_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    results = tmp_path / "results" / "demo"
    results.mkdir(parents=True)
    older = {"ab.parquet": b"some", "ab.enrol.parquet": b"more", "ab.json": b"incomplete"}
    for name, content in older.items():
        (results / name).write_bytes(content)
    engine = OnRay(None, Where(None, results.parent, tmp_path), NOTHING, print)
    attempt = _Try(Task("row 1", print))

    def there() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in results.iterdir()}

    engine._keep(attempt, "sent/1/demo/ab.parquet", b"all")
    engine._keep(attempt, "sent/1/demo/abc.parquet", b"of another one")
    assert there() == older
    engine._keep(attempt, "sent/1/demo/ab.json", b"complete")
    assert there() == {"ab.parquet": b"all", "ab.json": b"complete"}
    before = (results / "ab.json").stat().st_mtime_ns
    for name in ("ab.parquet", "ab.json"):
        engine._keep(attempt, f"sent/2/demo/{name}", there()[name])
    assert (results / "ab.json").stat().st_mtime_ns == before, "what is the same stays"
    for content in (b"cut", b"whole"):
        engine._keep(attempt, "features/ab/0.npy", content)
    assert (tmp_path / "home" / "features" / "ab" / "0.npy").read_bytes() == b"whole"


@pytest.mark.slow
def test_a_full_disk_leaves_its_node_out_and_nothing_is_lost(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    grid = grids.made(RAW | {"benchmark": str(corpus), "rows": [{}, {"seeds": [1, 2]}]}, {})
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "driver"))
    planned = plan(grid, tmp_path / "ray")
    where = Where(None, tmp_path / "ray", tmp_path)
    with small_disk(tmp_path / "small") as small, cluster(small, tmp_path / "one") as made:
        report, _ = on_ray(made.address, planned, where, unshared=True)
    assert (report.done, report.failed) == (4, [])
    told = capsys.readouterr().err
    assert "is left out: cannot write" in told
    assert "No space left on device" in told


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Give a folder with room for next to nothing; skip where only the root user may mount one."""
    place.mkdir()
    options = ["-t", "tmpfs", "-o", "size=16k", "tmpfs", place]
    if subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("a file system of its own cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize(("jobs", "part"), [(None, 1), (2, 1), (3, 0.5), (7, 0.25), (6, 0.3333)])
def test_small_runs_share_gpus_if_there_are_more_of_them(jobs: int | None, part: float) -> None:
    gpus = Cluster(NOTHING, "", "cuda", 2.0, print, jobs)
    has = {"CPU": 8, "memory": 64 * 2**30}
    gpus._nodes = {"one": has | {"GPU": 1}, "two": has | {"GPU": 1}, "head": has}
    asked = {"num_cpus": 1, "memory": 2 * 2**30}
    assert gpus.options("small") == asked | {"num_gpus": part}
    assert gpus.options("large") == gpus.options("shared") == asked | {"num_gpus": 1}
    assert gpus.places("large") == 2
    assert gpus.places("small") >= (jobs or 2)


def test_a_try_counts_unless_its_node_died_or_it_got_further_than_one_before() -> None:
    attempt = _Try(Task("row 1", print))
    died = (2, False, 2), (2, False, 3), (3, False, 3), (0, True, 3), (3, False, 4)
    for told, lost, number in died:
        attempt.told = told
        attempt = attempt.again(lost=lost)
        assert attempt.number == number


def test_what_a_node_has_otherwise_is_told(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    planned = plan(grids.made(RAW | {"benchmark": str(corpus)}, {}), tmp_path)
    here = expected(planned, None)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mark").touch()
    assert look(here, "mark") == Looked([], shares=True)
    older = here._replace(versions=here.versions | {"serbench": "0.0.9", "torch": "1.0"})
    told = look(older, "another mark")
    assert not told.shares
    assert told.lacks == [
        f"it has serbench {here.versions['serbench']}, not 0.0.9",
        f"it has torch {here.versions['torch']}, not 1.0",
    ]
    (other,) = look(here._replace(code="another"), "mark").lacks
    assert "its code of serbench" in other
    (corpus.parent / "0.wav").write_bytes((corpus.parent / "1.wav").read_bytes())
    assert look(here, "mark").lacks == [
        f"its benchmark '{corpus}' has other utterances, labels or files"
    ]
    (corpus.parent / "0.wav").unlink()
    (missing,) = look(here, "mark").lacks
    assert "0.wav" in missing
    monkeypatch.setenv("SERBENCH_STORE", "file:///proc/none")
    assert look(here, "mark").lacks[-1].startswith("'file:///proc/none' cannot be used")
    monkeypatch.setenv("SERBENCH_HOME", str(corpus / "a file is in the way"))
    assert "is in the way of a folder" in look(here, "mark").lacks[-1]


def test_a_node_looks_for_files_of_a_recipe_in_the_folder_of_the_driver(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(corpus.parent)
    here = expected(plan(grids.made(RAW | {"benchmark": f"./{corpus.name}"}, {}), tmp_path), None)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert look(here, "mark").lacks == []
    assert Path.cwd() == tmp_path / "elsewhere"


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere.invalid:6379"])
def test_an_address_at_which_nobody_answers_is_told_at_once(address: str) -> None:
    start = time.monotonic()
    with pytest.raises(SerbenchError, match=f"nobody answers at {address}"), connected(address):
        pass
    assert time.monotonic() - start < 30


def test_the_address_of_a_cluster_that_is_no_more_is_refused_or_passed_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private import services

    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_gcs_addresses", set)  # of whoever else is on this machine
    assert reached(None) is None
    with pytest.raises(SerbenchError, match="auto: no Ray cluster runs on this machine"):
        reached("auto")
    note = tmp_path / "ray" / "ray_current_cluster"
    note.parent.mkdir()
    note.write_text("127.0.0.1:9")
    assert reached(None) is None
    with pytest.raises(SerbenchError, match=r"nobody answers at .*:9 "):
        reached("auto")
    with socket.create_server(("", 0)) as server:  # Ray takes another address of this machine
        note.write_text(f"127.0.0.1:{server.getsockname()[1]}")
        assert reached(None) == reached("auto") == "auto"


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port", ":6379"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(SerbenchError, match="is no HOST:PORT"), connected(address):
        pass
