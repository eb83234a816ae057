"""Every step on a real GPU beside the CPU.

In single precision both round. On a CPU, float32 differs from float64 by 1.5e-6 of the largest
output and by 2.1e-5 of a gradient's norm in the worst of these cases, and from itself with another
rounding of 3e-7 in each operation by 8.6e-6 and 4.9e-4. `SINGLE` leaves ten and four times as much.
bfloat16 keeps 8 bits: on a CPU under autocast, masked prediction is off by 6.9e-3 and 1.0e-1;
`BFLOAT16` is three times that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from serbench.checks import check_upstream
from serbench.vetting.observing import deviation

from .cases import ALL, MASKED, UPSTREAMS, Step, clips, make_step, upstream_of

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")

Record = Callable[[str, object], None]


class Tolerance(NamedTuple):
    """Largest difference of outputs over their largest value; of a gradient over its norm."""

    outputs: float
    gradients: float


SINGLE = Tolerance(1e-4, 2e-3)
BFLOAT16 = Tolerance(2e-2, 3e-1)
# of torch's default, TF32 in convolutions alone: 11 bits, through up to nine of them
TF32 = 2e-2
# a gradient that is nearly zero is compared with this share of the whole one's norm instead
_FLOOR = 1e-3


class Result(NamedTuple):
    """What a step gave, on the CPU."""

    outputs: dict[str, Tensor]
    gradients: dict[str, Tensor]


def result(step: Step, *, bf16: bool = False) -> Result:
    device = next(step.module.parameters(), torch.empty(0)).device.type
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        outputs = step.outputs()
    if "loss" in outputs:
        outputs["loss"].backward()
    moved = {name: value.detach().float().cpu() for name, value in outputs.items()}
    return Result(moved, {name: value.cpu() for name, value in step.gradients.items()})


def differences(found: Result, expected: Result, record: Record) -> Tolerance:
    """Return the largest differences, and write them into the report of the test."""
    assert found.outputs.keys() == expected.outputs.keys()
    assert found.gradients.keys() == expected.gradients.keys()
    outputs = [deviation(found.outputs[n], value) for n, value in expected.outputs.items()]
    norms = [value.norm() for value in expected.gradients.values()]
    least = _FLOOR * torch.stack(norms).norm() if norms else torch.zeros(())
    gradients = [
        float((found.gradients[n] - value).norm() / torch.maximum(value.norm(), least))
        for n, value in expected.gradients.items()
    ]
    worst = Tolerance(max(outputs), max(gradients, default=0.0))
    record("outputs", worst.outputs)
    record("gradients", worst.gradients)
    return worst


@pytest.mark.parametrize("name", ALL)
def test_a_step_is_that_of_the_cpu(
    name: str, gpu: str, folders: dict[str, Path], record_property: Record
) -> None:
    step = make_step(name, folders)
    expected, found = result(step.on("cpu")), result(step.on(gpu))
    worst = differences(found, expected, record_property)
    assert worst.outputs <= SINGLE.outputs
    assert worst.gradients <= SINGLE.gradients


@pytest.mark.parametrize("name", MASKED)
def test_a_step_in_bfloat16_is_near_that_of_the_cpu_in_single_precision(
    name: str, gpu: str, folders: dict[str, Path], record_property: Record
) -> None:
    step = make_step(name, folders)
    expected, found = result(step.on("cpu")), result(step.on(gpu), bf16=True)
    worst = differences(found, expected, record_property)
    assert worst.outputs <= BFLOAT16.outputs
    assert worst.gradients <= BFLOAT16.gradients


@pytest.mark.parametrize("name", UPSTREAMS)
def test_features_with_torchs_own_settings_are_near_those_of_the_cpu(
    name: str,
    gpu: str,
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Record,
) -> None:
    upstream, given = upstream_of(name, folders), clips()
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with torch.inference_mode():
        expected = upstream(given).layers
        found = upstream.to(gpu)(given.to(gpu)).layers.cpu()
    worst = max(map(deviation, found, expected))
    record_property("outputs", worst)
    assert worst <= TF32


@pytest.mark.parametrize("name", UPSTREAMS)
def test_an_upstream_keeps_its_contract(name: str, gpu: str, folders: dict[str, Path]) -> None:
    upstream = upstream_of(name, folders)
    if not any(True for _ in upstream.parameters()):
        pytest.skip("it has no weights that would say where it is")
    assert check_upstream(upstream.to(gpu)) == []
