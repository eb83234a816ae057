"""Weights for the cases, and a GPU or the reason why there is none.

`pytest tests/cuda` needs no corpus and no weights. Without a GPU it runs the steps on torch's fake
CUDA device, in about a minute; with one, everything beside the CPU, in less than ten. A machine
that has torch, torchaudio and transformers of its own keeps them like this:

    pip install --no-deps .
    pip install pytest pydantic platformdirs filelock soundfile soxr pandas pyarrow scikit-learn

What needs SpeechBrain or s3prl is skipped where it is missing. With `-o junit_family=xunit1
--junitxml FILE` the file tells how large each difference was.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ..encoders.pretraining.conftest import audio, voices  # noqa: TID252
from .cases import POSITIONS, SPEAKERS

__all__ = ["audio", "voices"]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the CUDA device, in full single precision, or skip where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU that CUDA can use here")
    torch.zeros(1, device="cuda")  # so that its random state exists before it is looked at
    # torch's default lets cuDNN round to TF32's 11 bits; matrix products it leaves as they are
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    assert not torch.backends.cuda.matmul.allow_tf32
    return "cuda"


@pytest.fixture(scope="session")
def folders(
    tiny_checkpoints: dict[str, Path],
    pretrained_hubert: Path,
    write_tiny_hubert: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Return folders of small random weights by the upstreams that take them."""
    root = tmp_path_factory.mktemp("personal")
    personal = {
        f"papt_hubert.{position}": write_tiny_hubert(root / position, SPEAKERS, position)
        for position in POSITIONS
    }
    adaptable = dict.fromkeys(("tapt_hubert", "papt_hubert"), pretrained_hubert)
    return tiny_checkpoints | adaptable | personal
