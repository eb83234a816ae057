"""Every step on torch's fake CUDA device: no two devices meet, forward or backward.

What reads values cannot run on tensors without values: k-means and pseudo-labels, the choice of an
epoch, the enrolment of speakers, the feature store. `test_fits.py` and `test_jobs.py` have these,
on a real GPU.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from .cases import ALL, Step, make_step
from .fake import backward, fake_cuda, on_fake_cuda

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")

VALUES = {
    "papt_hubert": "the nearest speaker is found by values; its variants take the mean instead",
    "s3prl": "s3prl reads lengths and samples of the clips, which are values",
}


@pytest.mark.parametrize("name", ALL)
def test_a_step_stays_on_the_device(name: str, folders: dict[str, Path]) -> None:
    if name in VALUES:
        pytest.skip(VALUES[name])
    step = make_step(name, folders)
    real = step.on("cpu")
    expected = real.outputs()
    if "loss" in expected:
        expected["loss"].backward()
    with fake_cuda():
        fake = on_fake_cuda(step)
        found = fake.outputs()
        if "loss" in found:
            backward(found["loss"])
            nn.utils.clip_grad_norm_(fake.module.parameters(), 1.0)
            torch.optim.AdamW(fake.module.parameters(), fused=True).step()
    for ours, theirs in ((found, expected), (fake.gradients, real.gradients)):
        assert described(ours, "cuda") == described(theirs, "cpu")


def described(tensors: dict[str, Tensor], device: str) -> dict[str, tuple[torch.Size, torch.dtype]]:
    assert {value.device.type for value in tensors.values()} <= {device}
    return {name: (value.shape, value.dtype) for name, value in tensors.items()}


@pytest.mark.parametrize(
    "name",
    ["hubert.nano", "whisper", "cpc.contrastive", "attention.classes", "mlp.deep.dimensions"],
)
def test_the_backward_pass_of_the_fakes_is_torchs_own(name: str, folders: dict[str, Path]) -> None:
    ours, theirs = (make_step(name, folders).on("cpu") for _ in range(2))
    backward(ours.outputs()["loss"])
    theirs.outputs()["loss"].backward()
    assert ours.gradients.keys() == theirs.gradients.keys()
    for key, gradient in theirs.gradients.items():
        torch.testing.assert_close(ours.gradients[key], gradient)


class Offset(nn.Module):
    """Adds numbers that it makes on the CPU, whatever it is given."""

    def forward(self, given: Tensor) -> Tensor:
        return given + torch.arange(3.0)


class Astray(torch.autograd.Function):
    """Gives a gradient on the CPU, whatever it is a gradient of."""

    @staticmethod
    def forward(ctx: object, given: Tensor) -> Tensor:
        return given * 2

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return torch.ones(3)


def test_two_devices_that_meet_are_found_forward() -> None:
    step = Step(Offset(), torch.zeros(3), lambda module, given: {"loss": module(given)})
    assert step.on("cpu").outputs()["loss"].tolist() == [0, 1, 2]
    with fake_cuda(), pytest.raises(RuntimeError, match="two different devices cuda:0, cpu"):
        on_fake_cuda(step).outputs()


def test_two_devices_that_meet_are_found_backward() -> None:
    def run(module: nn.Module, given: Tensor) -> dict[str, Tensor]:
        return {"loss": Astray.apply(module(given)).sum()}

    step = Step(nn.Linear(3, 3), torch.zeros(3), run)
    backward(step.on("cpu").outputs()["loss"])
    with fake_cuda():
        loss = on_fake_cuda(step).outputs()["loss"]
        with pytest.raises(AssertionError, match="cpu is not cuda:0"):
            backward(loss)
