"""Tensors in files: safetensors, replaced whole; pickle is only read, and runs nothing."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from serbench import bounds
from serbench.errors import SerbenchError


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None
) -> None:
    """Write safetensors under a temporary name, then put the file in its place at once."""
    fresh = path.with_name(path.name + ".new")
    fresh.touch()
    readers = fresh.stat().st_mode  # safetensors would leave its owner alone able to read it
    save_file({name: value.contiguous() for name, value in tensors.items()}, fresh, about)
    fresh.chmod(readers)
    fresh.replace(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a file.

    Raises:
        SerbenchError: it is no whole safetensors file.
    """
    try:
        bounds.regular(path, bounds.TENSORS)
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SerbenchError(f"{path} cannot be read as safetensors: {error}") from error


def read_pickled(path: Path) -> Any:
    """Return what `torch.save` wrote, if it is tensors and plain values; no code of it runs.

    Raises:
        SerbenchError: no regular file, or one that would be larger in memory than on disk.
        Exception: of any kind, if it is no such file.
    """
    size = bounds.regular(path, bounds.TENSORS)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = sum(entry.file_size for entry in archive.infolist())
        if inside > size:  # PyTorch does not compress
            msg = (
                f"{path} is compressed, {size:,} bytes for {inside:,}; PyTorch writes no such file"
            )
            raise SerbenchError(msg)
    return torch.load(path, map_location="cpu", weights_only=True)
