"""Tensors in files: safetensors, replaced whole; pickle is only read, and runs nothing."""

from __future__ import annotations

import errno
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from serbench import bounds
from serbench.durable import kept, replacing
from serbench.errors import SerbenchError


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None
) -> None:
    """Write safetensors, at once, for a folder that is sealed in the end.

    Raises:
        SerbenchError: the file cannot be written.
    """
    with replacing(path) as fresh:
        _write(fresh, tensors, about)


def keep_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None
) -> None:
    """Write safetensors, at once, with a checksum beside them, for work that is gone on with.

    Raises:
        SerbenchError: the file cannot be written.
    """
    with kept(path) as fresh:
        _write(fresh, tensors, about)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a file.

    Raises:
        SerbenchError: it is no whole safetensors file.
    """
    try:
        bound_header(path)
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SerbenchError(f"{path} cannot be read as safetensors: {error}") from error


def bound_header(path: Path) -> None:
    """Refuse a safetensors file whose header alone would take memory and time, unread.

    Raises:
        OSError: the file cannot be opened.
        SerbenchError: no regular file, or too large.
    """
    size = bounds.regular(path, bounds.TENSORS)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length <= size:  # else it is no whole file, which safetensors says
        bounds.bound(f"the header of '{path}'", length, bounds.HEADER)


def require_finite(name: str, tensors: Mapping[str, Tensor], unused: tuple[str, ...] = ()) -> None:
    """Refuse weights with numbers that are none, which nothing can be learnt from.

    Args:
        name: of the weights, for the message.
        tensors: of them.
        unused: how the names of tensors begin that are never read.

    Raises:
        SerbenchError: a tensor holds NaN or infinity.
    """
    for key, value in tensors.items():
        if not key.startswith(unused) and not value.isfinite().all():
            msg = (
                f"weights '{name}': {key} holds numbers that are not finite (NaN or infinite); "
                "fetch the file again, or save it in single precision"
            )
            raise SerbenchError(msg)


def _write(path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None) -> None:
    path.touch()
    readers = path.stat().st_mode  # safetensors would leave its owner alone able to read it
    try:
        save_file({name: value.contiguous() for name, value in tensors.items()}, path, about)
    except SafetensorError as error:  # which it makes of every error of the system
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error
    path.chmod(readers)


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
