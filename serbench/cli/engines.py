"""Options that say where the tasks of a sweep are done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from serbench.durable import makeable
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.remotes import check_urls
from serbench.runs.settings import assign

if TYPE_CHECKING:
    from serbench.runs.grids.cells import Where
    from serbench.runs.grids.local import Local
    from serbench.runs.grids.on_ray import OnRay
    from serbench.runs.grids.on_slurm import OnSlurm
    from serbench.runs.grids.plan import Plan


_LEAST_MEMORY = 0.1  # GiB


def _memory(text: str) -> float:
    """Return the GiB that `--memory` asks for.

    Raises:
        SerbenchError: it is no amount that a task could do with.
    """
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not _LEAST_MEMORY <= amount < math.inf:
        msg = f"--memory '{text}' is no amount of memory; give GiB from {_LEAST_MEMORY} on, as in 8"
        raise SerbenchError(msg)
    return amount


class Engines(NamedTuple):
    """Where tasks are done, and what they ask for."""

    engine: Annotated[
        Literal["local", "ray", "slurm"],
        typer.Option(help="Where: this machine, a Ray cluster, jobs of SLURM (docs/grids.md)."),
    ] = "local"
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Head of the Ray cluster [one here, or a new one]."),
    ] = None
    memory: Annotated[
        float | None,
        typer.Option(parser=_memory, metavar="GIB", help="What each task asks Ray for [nothing]."),
    ] = None
    slurm: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Asked of SLURM: cpus_per_task=8, timeout_min=60."),
    ] = None


def checked(engines: Engines, where: Where) -> None:
    """Refuse what could do no task, before anybody looks at the grid and its corpora.

    Raises:
        SerbenchError: an option is none of the engine that was chosen; the engine is not here, or
            the device; results or what they are made of could not be kept.
    """
    for option, owner in (("address", "ray"), ("memory", "ray"), ("slurm", "slurm")):
        if getattr(engines, option) is not None and engines.engine != owner:
            raise SerbenchError(f"--{option} means nothing without --engine {owner}")
    for folder in (home(), where.results):
        makeable(folder)
    check_urls(where.results)
    if engines.engine == "ray":
        from serbench.runs.grids.joining import reached

        reached(engines.address)
    elif engines.engine == "slurm":
        from serbench.runs.grids.on_slurm import OnSlurm

        with OnSlurm(where, None, _asked(engines.slurm or ())):
            pass  # the queue is there
    elif where.device != "cpu":
        from serbench.devices import available

        available(where.device)


def engine_of(
    engines: Engines,
    planned: Plan,
    where: Where,
    jobs: int | None,
    tell: Callable[[str], object],
) -> Local | OnRay | OnSlurm:
    """Return what does the tasks of a sweep, of options that were `checked`."""
    if engines.engine == "ray":
        from serbench.runs.grids.nodes import expected
        from serbench.runs.grids.on_ray import OnRay

        wanted = expected(planned, where.data)
        return OnRay(engines.address, where, wanted, tell, jobs, engines.memory)
    if engines.engine == "slurm":
        from serbench.runs.grids.on_slurm import OnSlurm

        return OnSlurm(where, jobs, _asked(engines.slurm or ()))
    from serbench.runs.grids.local import Local

    return Local(where, jobs)


def _asked(settings: Sequence[str]) -> dict[str, Any]:
    """Return what KEY=VALUE mean.

    Raises:
        SerbenchError: one is not that.
    """
    for setting in settings:
        if "=" not in setting:
            msg = f"--slurm '{setting}' is not KEY=VALUE; write for instance cpus_per_task=8"
            raise SerbenchError(msg)
    asked: dict[str, Any] = {}
    assign(asked, settings)
    return asked
