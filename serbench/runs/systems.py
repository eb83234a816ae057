"""What trials train: a head and its streams, how many threads that is worth, how much at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.devices import cores
from serbench.runs.conditioning import head_of
from serbench.runs.plugin_part import plugin_of

if TYPE_CHECKING:
    from serbench.runs.encoding import Sources
    from serbench.runs.job import Job
    from serbench.training.settings import FineTuning
    from serbench.training.system import System
    from serbench.upstreams import Upstream

# Parameters of what learns from frames, below which one thread is the better choice. The time of an
# update of 32 clips of 3 s on two threads over that on one, with both cores free and with others at
# work on them: mean_pool and mlp (200 to 280 k) 0.9 to 1.0, 1.4 to 6; ecapa.small (85 to 170 k)
# 0.8, 1.3 to 29; attention (570 k) 0.6, 0.8 to 1.7; ecapa.full (6.6 M) 0.65, 3 to 3.8. On means,
# where an update takes a millisecond, 0.9 to 1.8, 5 to 46.
_SMALL = 500_000


def usual_threads(job: Job, sources: Sources) -> int | None:
    """Return on how many threads trials learn unless told: 1 if little learns; None: on all cores.

    Several processes share the cores where more than a little learns.

    Args:
        job: what is run.
        sources: what a fold learns from.
    """
    many = max(1, cores() // job.jobs) if job.jobs and job.jobs > 1 else None
    if job.recipe.training.finetune:
        return many
    size, on_means = _size(job, sources)
    return 1 if on_means or size < _SMALL else many


def parameters(job: Job, sources: Sources) -> dict[str, int]:
    """Return how many there are of the upstreams, and of what learns from them.

    Args:
        job: what is run.
        sources: what a fold learns from.
    """
    counted = [source.parameters for source in sources]
    known = [count for count in counted if count is not None]
    upstream = {"upstream": sum(known)} if len(known) == len(counted) else {}
    trained = sum(known) if job.recipe.training.finetune else 0
    return upstream | {"head": _size(job, sources)[0] - trained}


def speed(sources: Sources) -> float | None:
    """Return the seconds of audio that all upstreams encode in a second; None if unknown."""
    known = [source.speed for source in sources if source.speed]
    return 1 / sum(1 / each for each in known) if len(known) == len(sources) else None


def _size(job: Job, sources: Sources) -> tuple[int, bool]:
    """Return how many parameters a system has, and whether its head looks at means alone."""
    import torch

    from serbench.devices import forked

    with forked(torch.device("cpu")):
        on_means = head_of(job).needs == "mean"
        system = make_system(job, sources)
        return sum(parameter.numel() for parameter in system.parameters()), on_means


def budget_of(tuning: FineTuning, upstreams: Sequence[Upstream]) -> float:
    """Return the samples that go through upstreams at once, where these are trained.

    Args:
        tuning: says how many seconds.
        upstreams: those that are trained; what reads text has no samples, and so no bound.
    """
    rates = [upstream.sample_rate for upstream in upstreams if upstream.reads == "waves"]
    return tuning.budget(max(rates)) if rates else math.inf


def make_system(job: Job, sources: Sources) -> System:
    """Make a new system for what a fold learns from; its weights come from torch's generator."""
    from serbench.training.streams import Stream
    from serbench.training.system import System
    from serbench.training.waves import DecodedClips

    part = job.recipe.downstream
    plugin = plugin_of("downstreams", part)
    widths = [source.dim for source in sources]
    if job.recipe.fusion == "early":
        widths = [sum(widths)]
    heads = [plugins.make(plugin, width, options=part.options) for width in widths]
    streams = [
        Stream(
            source.depth,
            source.dim,
            pace=float(source.frames.mean()),
            upstream=copy.deepcopy(source.upstream) if isinstance(source, DecodedClips) else None,
            tuning=job.recipe.training.tuning,
        )
        for source in sources
    ]
    return System(streams, heads, len(job.benchmark.task.outputs))
