"""What all steps of a run need to know, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.devices import available, threads
from serbench.errors import SerbenchError
from serbench.runs import recipe as recipes
from serbench.runs.plugin_part import plugin_of
from serbench.vetting.vet import vet

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark, Protocol
    from serbench.progress import Progress
    from serbench.runs.recipe import Part, Recipe


@dataclass(frozen=True)
class Job:
    """A recipe with what its names mean, and where it is computed.

    Attributes:
        recipe: all that defines the run.
        digest: of the recipe and of what of the corpus is left out.
        benchmark: the corpus and its task.
        protocol: how it is split.
        device: a torch device.
        progress: where the work is shown.
        asked_threads: torch threads of every step; None: as many as each is worth.
        anew: nothing that was computed before is used.
        jobs: processes that trials go over; None: as many as make it faster.
        only_small: others than those that learn on one thread are refused.
        seconds: wall-clock time of each step that is over.
        threads: of torch, that each step computed on.
    """

    recipe: Recipe
    digest: str
    benchmark: Benchmark
    protocol: Protocol
    device: str
    progress: Progress
    asked_threads: int | None = None
    anew: bool = False
    jobs: int | None = 1
    only_small: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        device: str,
        progress: Progress,
        asked_threads: int | None = None,
        *,
        anew: bool = False,
        jobs: int | None = 1,
    ) -> Job:
        """Return the job that a recipe asks for.

        Raises:
            SerbenchError: a name or an option of the recipe means nothing.
        """
        benchmark = recipes.make_benchmark(recipe.benchmark)
        protocol = recipes.make_protocol(benchmark, recipe.protocol)
        digest = recipe.digest()
        where = (device, progress, asked_threads, anew, jobs)
        return cls(recipe, digest, benchmark, protocol, *where)

    def without(self, left_out: Collection[str]) -> Job:
        """Return the same job on a corpus without some utterances, which its digest tells."""
        return replace(self, digest=self.recipe.digest(left_out))

    @property
    def foreign(self) -> list[tuple[plugins.Plugin, Part]]:
        """Those of other people, with their parts of the recipe."""
        recipe = self.recipe
        parts: list[tuple[plugins.Kind, Part]] = [("upstreams", each) for each in recipe.upstreams]
        parts += [("downstreams", recipe.downstream), ("benchmarks", recipe.benchmark)]
        return [(plugin_of(kind, part), part) for kind, part in parts if part.code]

    @contextmanager
    def blaming(self) -> Iterator[None]:
        """Turn an exception that comes out of one of the `foreign` into one sentence."""
        with ExitStack() as stack:
            for plugin, _ in self.foreign:
                stack.enter_context(plugins.blamed(plugin))
            yield

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Take the time of a step."""
        start = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - start

    @contextmanager
    def threaded(self, step: str, usual: int | None = None) -> Iterator[None]:
        """Compute a step on the threads that were asked for.

        Args:
            step: its name.
            usual: how many if none were; None: as an encoder, see `devices.threads`.
        """
        with threads(self.asked_threads or usual) as self.threads[step]:
            yield

    @contextmanager
    def about(self, number: int) -> Iterator[None]:
        """Let what is wrong with an upstream say which of several it is wrong with.

        Args:
            number: of the upstream, from 0.
        """
        try:
            yield
        except SerbenchError as error:
            if len(self.recipe.upstreams) == 1:
                raise
            name = self.recipe.upstreams[number].name
            msg = f"upstream {number + 1}, {name}: {self.addressed(str(error), number)}"
            raise SerbenchError(msg) from error

    def addressed(self, remedy: str, number: int) -> str:
        """Return a remedy with the settings of an upstream as `--set` knows them among several."""
        if len(self.recipe.upstreams) == 1:
            return remedy
        remedy = remedy.replace("--weights ", "--set upstream.weights=")
        return remedy.replace("upstream.", f"upstream.{number + 1}.")

    def vet(self, *kinds: plugins.Kind) -> None:
        """Refuse plugins of others that break their contract.

        Args:
            *kinds: of these alone; none: of all.

        Raises:
            SerbenchError: one does.
        """
        for plugin, part in self.foreign:
            if plugin.kind != "benchmarks" and (not kinds or plugin.kind in kinds):
                vet(plugin, part.identity(), part.options, self.progress, self.device)

    def announce(self) -> None:
        """Say what begins, and what everybody must know of it.

        Raises:
            SerbenchError: the device cannot be used.
        """
        available(self.device)
        recipe, tell = self.recipe, self.progress.tell
        labels = recipe.labels
        weights = [name for name in labels.weights.split(", ") if name != "-"]
        what = " ".join([labels.upstream, ", ".join(weights)]).rstrip()
        tell(f"{what} + {labels.downstream} on {self.benchmark.name}, {self.protocol.name}")
        if self.benchmark.synthetic:
            tell(
                f"{self.benchmark.name} is SYNTHETIC: it shows how serbench works and says "
                "nothing about real speech"
            )
        if shared := ", ".join(sorted(self.protocol.shares)):
            tell(f"{self.protocol.name} lets parts of a fold share: {shared}")
