"""Where a sweep is done: options that mean nothing there are refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench.cli.engines import Engines, engine_of
from serbench.errors import SerbenchError
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Where
from serbench.runs.grids.plan import plan


@pytest.mark.parametrize(
    ("engines", "said"),
    [
        (Engines("local", address="head:6379"), "--address means nothing without --engine ray"),
        (Engines("slurm", memory=4.0), "--memory means nothing without --engine ray"),
        (Engines("ray", slurm=["cpus_per_task=2"]), "--slurm means nothing without --engine slurm"),
        (Engines("slurm", slurm=["cpus_per_task"]), "--slurm 'cpus_per_task' is not KEY=VALUE"),
    ],
)
def test_an_option_of_another_engine_is_refused(
    engines: Engines, said: str, tmp_path: Path
) -> None:
    planned = plan(grids.made({"upstream": "fbank", "downstream": "mlp"}, {}), tmp_path)
    with pytest.raises(SerbenchError, match=said):
        engine_of(engines, planned, Where(None, tmp_path, tmp_path), None, print)
