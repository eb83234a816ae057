"""Torch devices: which one works here, what it can, and randomness on it that leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from serbench.errors import SerbenchError

if TYPE_CHECKING:
    import torch


def available(device: str | None) -> str:
    """Return a device that works here.

    Args:
        device: a torch device, or None for a GPU where there is one and else the CPU.

    Raises:
        SerbenchError: it does not work here.
    """
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        msg = f"device '{device}' cannot be used ({reason}); take --device cpu"
        raise SerbenchError(msg) from error
    return device


def has_bf16(device: str) -> bool:
    """Return whether a device computes bfloat16 in hardware."""
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        supported: bool = torch.cuda.is_bf16_supported(including_emulation=False)
        return supported
    cpu = torch.cpu
    return kind == "cpu" and (cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())


@contextmanager
def forked(device: torch.device | str) -> Iterator[None]:
    """Put the random state of the CPU and of `device` back afterwards."""
    import torch

    kind = torch.device(device).type
    with torch.random.fork_rng(devices=[device] if kind == "cuda" else []):
        yield


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Draw from `seed` on the CPU and on `device` inside, and leave no trace outside."""
    with forked(device):
        reseed(seed, device)
        yield


def reseed(seed: int, device: torch.device | str) -> None:
    """Seed the generators of the CPU and of `device`; those of other devices stay as they are.

    `torch.manual_seed` would seed these, too, and so for good: only what is used is put back.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if torch.device(device).type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute on so many threads inside, and on as many as before outside.

    How many there are changes how sums are rounded: the same number gives the same bits.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
