"""Tensors in files: safetensors, replaced whole, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

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
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SerbenchError(f"{path} cannot be read as safetensors: {error}") from error
