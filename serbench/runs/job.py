"""What all steps of a run need to know, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serbench.devices import available
from serbench.runs import recipe as recipes

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark, Protocol
    from serbench.progress import Progress
    from serbench.runs.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """A recipe with what its names mean, and where it is computed.

    Attributes:
        recipe: all that defines the run.
        digest: of the recipe.
        benchmark: the corpus and its task.
        protocol: how it is split.
        device: a torch device.
        progress: where the work is shown.
        seconds: wall-clock time of each step that is over.
    """

    recipe: Recipe
    digest: str
    benchmark: Benchmark
    protocol: Protocol
    device: str
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, device: str, progress: Progress) -> Job:
        """Return the job that a recipe asks for.

        Raises:
            SerbenchError: a name or an option of the recipe means nothing.
        """
        benchmark = recipes.make_benchmark(recipe.benchmark)
        protocol = recipes.make_protocol(benchmark, recipe.protocol)
        return cls(recipe, recipe.digest(), benchmark, protocol, device, progress)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Take the time of a step."""
        start = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - start

    def announce(self) -> None:
        """Say what begins, and what everybody must know of it.

        Raises:
            SerbenchError: the device cannot be used.
        """
        available(self.device)
        recipe, tell = self.recipe, self.progress.tell
        what = f"{recipe.labels.upstream} {recipe.labels.weights} + {recipe.labels.downstream}"
        tell(f"{what.replace(' - ', ' ')} on {self.benchmark.name}, {self.protocol.name}")
        if self.benchmark.synthetic:
            tell(
                f"{self.benchmark.name} is SYNTHETIC: it shows how serbench works and says "
                "nothing about real speech"
            )
        if self.protocol.shares:
            shared = ", ".join(sorted(self.protocol.shares))
            tell(f"{self.protocol.name} lets train and test share: {shared}")
