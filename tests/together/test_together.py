"""Training over two processes of this machine (gloo) against one: the same, but for rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..checkpoints import SMALL, save_encoder  # noqa: TID252
from ..encoders.pretraining.conftest import voices  # noqa: TID252
from . import trainings

__all__ = ["voices"]

# Sums in another order. Where a gradient is zero but for rounding, as of a bias before a norm, Adam
# makes whole steps of it, which no loss sees but predictions and weights do.
LOSS, REST = 1e-4, 5e-3

Trained = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "hubert"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_encoder(folder, "hubert", SMALL)
    return folder


@pytest.fixture(scope="module")
def alone(hubert: Path, voices: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("alone")
    return {name: job() for name, job in trainings.jobs(folder, hubert, voices).items()}


@pytest.fixture(scope="module")
def together(hubert: Path, voices: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("together")
    command = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    ended = subprocess.run(
        [sys.executable, *command, trainings.__file__, folder, hubert, voices],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return {file.stem: load_file(file) for file in folder.glob("*.safetensors")}


@pytest.mark.parametrize("name", ["ccc", "classes", "masked"])
def test_two_processes_train_as_one_does(name: str, alone: Trained, together: Trained) -> None:
    """Whole batches by CCC, batch norm and dropout; parts, a loss of the encoder, a refit."""
    expected, found = alone[name], together[name]
    assert found.keys() == expected.keys()
    for key, value in found.items():
        assert worst(expected[key], value) < (LOSS if key.startswith("loss") else REST), key


def test_the_tolerance_tells_a_ccc_of_each_half_apart(alone: Trained, hubert: Path) -> None:
    key = "loss of each epoch"
    assert worst(alone["ccc"][key], trainings.ccc(hubert, accumulate=2)[key]) > 100 * LOSS


def worst(first: Tensor, second: Tensor) -> float:
    return float((first.double() - second.double()).abs().max())


def test_two_processes_do_not_both_do_what_is_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from serbench.cli import app
    from serbench.errors import SerbenchError

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SerbenchError, match="`serbench sweep` is for one process"):
        app(["sweep"], standalone_mode=False)
