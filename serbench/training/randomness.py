"""Randomness that leaves no trace: seeds are arguments, the global state is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def forked(device: torch.device) -> Iterator[None]:
    """Put the random state of the CPU and of `device` back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from `seed` inside, and leave no trace outside.

    `torch.manual_seed` would also seed the devices that are not used, and those for good.
    """
    with forked(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
