"""Which clips are too short for an upstream, before anything is made of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from serbench.runs.encoding import before_adaptation

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.runs.job import Job

# Seconds that are enough for a frame of any upstream that people use, so that none has to be made
# to be asked; one that needs more refuses its clips when it decodes them.
_ENOUGH = 0.25


def too_short(job: Job, table: DataFrame) -> Mapping[str, str]:
    """Return the id of each utterance of less than one frame, with the reason.

    Args:
        job: whose upstreams are asked.
        table: with `utterance` and `seconds`.
    """
    if not (table["seconds"] < _ENOUGH).any():
        return {}
    found: dict[str, str] = {}
    for number, part in enumerate(job.recipe.upstreams):
        with job.about(number):
            upstream = before_adaptation(part)
        if upstream is not None and upstream.reads == "waves":
            for name, seconds in zip(table["utterance"], table["seconds"], strict=True):
                if upstream.frames(round(seconds * upstream.sample_rate)) < 1:
                    what = f"{1000 * seconds:.1f} ms are too short for one frame of '{part.name}'"
                    found.setdefault(name, what)
    return found
