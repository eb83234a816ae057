"""The nodes of a Ray cluster: which of them are of use, what they have, what tasks ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from serbench.errors import SerbenchError, brief
from serbench.runs.grids.nodes import look

if TYPE_CHECKING:
    from serbench.runs.grids.nodes import Expected
    from serbench.runs.grids.sweep import Size

_LOOKED_AT = 300.0  # seconds in which a node must tell what it has
_PATIENCE = 60.0  # seconds without any node that could do a task
_GIB = 2**30
_STEPS = 10_000  # of a GPU, in which Ray counts


class Cluster:
    """The nodes, as far as they are of use.

    Attributes:
        shared: all of them have the driver's `SERBENCH_HOME`.

    Args:
        expected: what they must have.
        mark: name of a file in the driver's `SERBENCH_HOME`.
        device: torch device of the tasks.
        memory: GiB that each task asks for.
        tell: shows a line.
        jobs: small tasks at once; if there are fewer GPUs, these share them.
    """

    def __init__(
        self,
        expected: Expected,
        mark: str,
        device: str,
        memory: float | None,
        tell: Callable[[str], object],
        jobs: int | None = None,
    ) -> None:
        import ray

        self._expected, self._tell, self._jobs = (expected, mark), tell, jobs
        self.shared = True
        self._gpu = device.startswith("cuda")
        self._memory = {} if memory is None else {"memory": int(memory * _GIB)}
        self._look = ray.remote(num_cpus=0, max_retries=3)(look)
        self._asked: dict[Any, str] = {}
        self._nodes: dict[str, Mapping[str, float]] = {}
        self._known: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._last = time.monotonic()

    def first_look(self) -> None:
        """Ask every node what it has, wait for the answers, and leave out those that are no use.

        Raises:
            SerbenchError: none is left, or none has what tasks ask for.
        """
        end = time.monotonic() + _LOOKED_AT
        self._ask()
        while self._asked and time.monotonic() < end:
            self._hear(1.0)
        for node in self._asked.values():
            self.leave_out(node, f"it did not tell what it has within {_LOOKED_AT:.0f} s")
        for size in ("shared", "small"):
            if not self._able(size):
                raise self._nobody(size)

    def look(self, size: Size) -> None:
        """Ask nodes that are new, and hear what those say that were asked.

        Raises:
            SerbenchError: for a while no node has had what tasks of a size ask for.
        """
        self._ask()
        self._hear(0.0)
        if self._able(size):
            self._last = time.monotonic()
        elif time.monotonic() - self._last > _PATIENCE:
            raise self._nobody(size)

    def leave_out(self, node: str, reason: str) -> None:
        """Send no more tasks to a node."""
        if node not in self._unfit:
            self._unfit[node] = reason
            self._tell(f"warning: {self._name(node)} is left out: {reason}")

    def places(self, size: Size) -> int:
        """Return how many tasks of a size the nodes have room for."""
        asked = self._asks(size)
        rooms = (min(int(has.get(k, 0) / v) for k, v in asked.items()) for has in self._alive())
        return sum(rooms)

    def options(self, size: Size) -> dict[str, Any]:
        """Return what a task asks Ray for."""
        asked = dict(self._asks(size))
        options: dict[str, Any] = {"num_cpus": asked.pop("CPU"), "num_gpus": asked.pop("GPU", 0)}
        options |= asked
        if self._unfit:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(self._unfit)})"}
        return options

    def _asks(self, size: Size) -> Mapping[str, float]:
        """Return what a task needs: a GPU or a part of one, one processor, or all of a node."""
        if self._gpu:
            return {"CPU": 1, "GPU": self._part() if size == "small" else 1, **self._memory}
        processors = [has["CPU"] for has in self._alive() if has.get("CPU")]
        all_of_one = min(processors, default=1)
        return {"CPU": 1 if size == "small" else all_of_one, **self._memory}

    def _part(self) -> float:
        """Return how much of a GPU is a small task's, in the steps that Ray knows."""
        there = sum(has.get("GPU", 0) for has in self._alive())
        together = ceil(self._jobs / there) if self._jobs and there else 1
        return floor(_STEPS / together) / _STEPS

    def _able(self, size: Size) -> bool:
        return self.places(size) > 0

    def _alive(self) -> list[Mapping[str, float]]:
        """Return what each node of use has."""
        return [has for node, has in self._nodes.items() if node not in self._unfit]

    def _ask(self) -> None:
        """Find out which nodes there are, and ask the new ones what they have."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._nodes = {node["NodeID"]: node["Resources"] for node in _nodes()}
        for name, has in self._nodes.items():
            if name not in self._known and has.get("CPU"):  # many heads have none, and get no task
                self._known.add(name)
                there = NodeAffinitySchedulingStrategy(name, soft=False)
                asked = self._look.options(scheduling_strategy=there).remote(*self._expected)
                self._asked[asked] = name

    def _hear(self, seconds: float) -> None:
        import ray

        if not self._asked:
            return
        ready, _ = ray.wait([*self._asked], num_returns=1, timeout=seconds)
        for each in ready:
            node = self._asked.pop(each)
            try:
                found = ray.get(each)
            except ray.exceptions.RayTaskError as error:
                self.leave_out(node, f"it cannot do what serbench asks: {brief(error.cause)}")
            except ray.exceptions.RayError as error:
                self.leave_out(node, brief(error).split(". ")[0])
            else:
                self.shared = self.shared and found.shares
                if found.lacks:
                    self.leave_out(node, "; ".join(found.lacks))

    def _nobody(self, size: Size) -> SerbenchError:
        asked = ", ".join(
            f"{value / _GIB:g} GiB of memory" if key == "memory" else f"{value:g} {key}"
            for key, value in self._asks(size).items()
        )
        why = "".join(f"\n{self._name(node)}: {reason}" for node, reason in self._unfit.items())
        return SerbenchError(
            f"no node of the Ray cluster is of use: a task asks for {asked}; what is finished is "
            f"kept, the same command goes on{why}"
        )

    def _name(self, node: str) -> str:
        known = next((each for each in _nodes() if each["NodeID"] == node), dict[str, Any]())
        host = known.get("NodeManagerHostname", "")
        return f"node {node[:8]} ({host}, {known.get('NodeManagerAddress', '')})"


def _nodes() -> list[dict[str, Any]]:
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in known if node["Alive"]]
