"""What a computation runs on: libraries, a torch device, threads, and randomness without trace."""

from __future__ import annotations

import ctypes
import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from serbench.errors import SerbenchError

if TYPE_CHECKING:
    import torch


# of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# What numbers depend on: it computes them, or reads what they are computed from.
_LIBRARIES = (
    *("serbench", "torch", "torchaudio", "transformers", "tokenizers", "speechbrain"),
    *("espnet-s3prl", "numpy", "scipy", "scikit-learn", "pandas", "soundfile", "soxr"),
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed libraries that decide numbers."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def described(device: str) -> str:
    """Return what a torch device is: "cpu x86_64 AVX2", "cuda NVIDIA H100 80GB HBM3, 4 processes".

    The processes are those that train together, which add up in an order of their own.
    """
    import torch

    from serbench import ranks

    together = "" if (group := ranks.here()) is None else f", {group.count} processes"
    kind = torch.device(device).type
    if kind == "cuda":
        return f"{kind} {torch.cuda.get_device_name(device)}{together}"
    return f"{kind} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}{together}"


def rounds_as(device: str, count: int | None = None) -> str:
    """Return what decides how a device rounds.

    Args:
        device: a torch device.
        count: torch threads, which decide it on a CPU; None: as many as there are now.
    """
    import torch

    kind = described(device)
    if not kind.startswith("cpu"):
        return kind
    return f"{kind}, {count or torch.get_num_threads()} threads"


def available(device: str | None) -> str:
    """Return a device that works here.

    Args:
        device: a torch device, or None for a GPU where there is one and else the CPU.

    Raises:
        SerbenchError: it does not work here.
    """
    if device == "cpu":
        return device  # without torch, which takes seconds and nothing may need
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


def cores() -> int:
    """Return how many processor cores this process can keep busy, at least 1.

    They are those that it may run on, or fewer where a control group, such as that of a container
    or of a job in a queue, grants it less of their time (rounded up).
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        allowed = os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, granted())))


def granted(root: Path = Path("/")) -> float:
    """Return how many cores' time the control groups of this process grant it, of either version.

    Args:
        root: of the file system.

    Returns:
        Infinity if none of them sets a limit.
    """
    least = math.inf
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # only Linux has them
        return least
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        own = mount / group.lstrip("/")
        # in a container the path can be the host's: the mount is then the group itself
        least = min(least, *map(_quota, (own, *own.parents)))
    return least


def _quota(folder: Path) -> float:
    """Return how many cores' time a control group grants; infinity if it sets no limit."""
    try:
        if (unified := folder / "cpu.max").exists():
            quota, period = unified.read_text().split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{which}_us").read_text() for which in ("quota", "period")
            )
        count = int(quota) / int(period)
    except (OSError, ValueError):  # no such group; or its quota is "max"
        return math.inf
    return count if count > 0 else math.inf  # -1 in version 1


def launched() -> bool:
    """Whether `accelerate launch` or `torchrun` started this process as one of several."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def gpus(device: str) -> list[str]:
    """Return the GPUs that "cuda" may mean, each as `CUDA_VISIBLE_DEVICES` calls it alone."""
    if device != "cuda":
        return []
    import torch

    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named or [str(number) for number in range(torch.cuda.device_count())]


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
def threads(count: int | None = None) -> Iterator[int]:
    """Let torch compute on so many threads inside, and on as many as before outside.

    How many there are decides how sums are rounded: only the same number gives the same bits.

    Memory that tensors leave is kept for the next ones from then on, as `keep_freed` says.

    Args:
        count: None is for an encoder: `OMP_NUM_THREADS` if it is set, else all `cores`.

    Yields:
        How many there are.
    """
    import torch

    keep_freed()
    before, count = torch.get_num_threads(), count or _asked() or cores()
    torch.set_num_threads(count)
    try:
        yield count
    finally:
        torch.set_num_threads(before)


def keep_freed() -> None:
    """Let glibc keep blocks of up to 256 MiB that are freed, in place of giving them back at once.

    The system would hand out each again as pages of zeros: of the time in which small heads train,
    a fifth. What is above 1 GiB at the end of the heap is still given back. Nowhere else does this
    do anything, and no number depends on it.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        if mallopt(_MMAP_THRESHOLD, 2**28):
            mallopt(_TRIM_THRESHOLD, 2**30)


def _asked() -> int | None:
    """Return what `OMP_NUM_THREADS` says of the outermost level, if it says anything."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() else None
