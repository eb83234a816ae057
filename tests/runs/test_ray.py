"""Sweeps on a Ray cluster of several nodes: the bits of one machine, whoever is killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Where
from serbench.runs.grids.cluster import connected
from serbench.runs.grids.local import Local
from serbench.runs.grids.nodes import Looked, expected, look
from serbench.runs.grids.on_ray import OnRay
from serbench.runs.grids.plan import Plan, plan
from serbench.runs.grids.sweep import Report, sweep

from .results_of import contents

RAW: dict[str, Any] = {
    "training": {"learning_rates": [1e-3], "epochs": 2},
    "grid": {"upstream": ["fbank", "mfcc"], "downstream": ["mean_pool", "mlp"]},
}
STORE = 80 * 2**20  # bytes of each node's object store, the least that Ray takes


# Ray's workers are nice to everybody else, and so stand still on a busy machine.
EAGER = {"RAY_worker_niceness": "0"}


@contextmanager
def cluster(*homes: Path, **variables: str) -> Iterator[Any]:
    """Give a cluster with a node of one processor for each of some homes."""
    from ray.cluster_utils import Cluster

    made = Cluster(
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
    planned = plan(grid, tmp_path / "local")
    with Local(Where(None, tmp_path / "local", tmp_path), 1) as engine:
        assert sweep(planned, engine, Silent()).done == 8

    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "driver"))
    homes = [tmp_path / "one", tmp_path / "two"]
    where = Where(None, tmp_path / "ray", tmp_path)
    with cluster(*homes) as made:
        report, said = on_ray(made.address, planned, where, unshared=True)
    assert (report.done, report.failed) == (8, [])
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert sum("to encode" in line for line in said) == len(planned.groups) == 2


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
    monkeypatch.setenv("SERBENCH_HOME", str(corpus / "a file is in the way"))
    assert "is in the way of a folder" in look(here, "mark").lacks[-1]


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere.invalid:6379"])
def test_an_address_at_which_nobody_answers_is_told_at_once(address: str) -> None:
    start = time.monotonic()
    with pytest.raises(SerbenchError, match=f"nobody answers at {address}"), connected(address):
        pass
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port", ":6379"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(SerbenchError, match="is no HOST:PORT"), connected(address):
        pass
