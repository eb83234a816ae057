"""Shards: files that hold the (L, T, D) blocks of some utterances, one after the other.

A file is open only while it is read. So a store may have more of them than a process may have open
files (with a map of each, 85 h of 300 s shards were too many), and what reads them can be sent to
other processes. It takes 0.4 to 0.9 of the time of maps: torch widens half precision faster than
numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serbench.durable import kept
from serbench.errors import SerbenchError
from serbench.training.settings import Precision

# Values that torch copies on the thread that asks for it; more of them it shares out.
_UNSHARED = 32_767


@dataclass(frozen=True)
class Shards:
    """The blocks of a corpus, in the order of its table.

    Attributes:
        files: the shards.
        precision: of the values in them.
        depth: L, layers.
        dim: D, width of a frame.
        lengths: (N,) frames of each utterance.
        shard: (N,) which of the files has it.
        start: (N,) at which byte of that file.
    """

    files: Sequence[Path]
    precision: Precision
    depth: int
    dim: int
    lengths: NDArray[np.int64]
    shard: NDArray[np.int64]
    start: NDArray[np.int64]

    def read(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the blocks of some utterances, (L, B, T, D) float32, padded with zeros.

        Raises:
            SerbenchError: a file cannot be read, or is cut off.
        """
        longest = int(self.lengths[rows].max())
        layers = torch.empty(self.depth, len(rows), longest, self.dim)
        buffer = torch.empty(self.depth * longest * self.dim, dtype=getattr(torch, self.precision))
        shard = self.shard[rows].tolist()
        order = sorted(range(len(rows)), key=shard.__getitem__)
        for number, places in groupby(order, key=shard.__getitem__):
            with _opened(self.files[number]) as file:
                for i in places:
                    frames = int(self.lengths[rows[i]])
                    block = buffer[: self.depth * frames * self.dim]
                    _fill(block, file, int(self.start[rows[i]]))
                    _widen(block.view(self.depth, frames, self.dim), layers[:, i])
        return layers


def find(
    files: Sequence[Path],
    rows: Sequence[NDArray[np.int64]],
    precision: Precision,
    depth: int,
    dim: int,
) -> Shards:
    """Return where everything is in shards that were written before.

    Args:
        files: the shards.
        rows: for each of them, which rows of the table it has, in its order.
        precision: of the values in them.
        depth: L.
        dim: D.
    """
    lengths, shard, start = (np.zeros(sum(map(len, rows)), np.int64) for _ in range(3))
    for number, (file, own) in enumerate(zip(files, rows, strict=True)):
        with _opened(lengths_of(file)) as opened:
            frames = np.load(opened)
        values = (np.cumsum(frames) - frames) * depth * dim
        lengths[own], shard[own] = frames, number
        start[own] = _header(file) + values * getattr(torch, precision).itemsize
    return Shards(files, precision, depth, dim, lengths, shard, start)


def write(file: Path, blocks: Sequence[Tensor]) -> None:
    """Write a shard, and the lengths of its blocks beside it; the shard is there whole, or not.

    Args:
        file: of the shard.
        blocks: (L, T, D) each, in the precision that they are kept in.
    """
    lengths = np.array([block.shape[1] for block in blocks], np.int64)
    values = torch.cat([block.flatten() for block in blocks])
    # numpy has no bfloat16: its bits are kept as they are
    bits = values.view(torch.uint16) if values.dtype == torch.bfloat16 else values
    _save(lengths_of(file), lengths)
    _save(file, bits.numpy())


def check(file: Path, rows: int, width: int | None) -> None:
    """Refuse a shard that is not as long as the lengths beside it say.

    Args:
        file: of the shard.
        rows: how many blocks it holds.
        width: L times D, as far as it is known.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not what `write` wrote.
    """
    values, counts = _count(file), _count(lengths_of(file))
    frames = np.load(lengths_of(file)) if counts == rows else np.zeros(0)
    total = int(frames.sum())
    if not (len(frames) and frames.min() > 0 and values == total * (width or values // total)):
        raise ValueError(f"{file} and its lengths do not belong together")


def _count(file: Path) -> int:
    """Return how many values a file holds, by its header, whose word for it its size confirms."""
    with file.open("rb") as opened:
        np.lib.format.read_magic(opened)
        shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
        count = math.prod(shape)
        if file.stat().st_size != opened.tell() + count * dtype.itemsize:
            raise ValueError(f"{file} is not as long as it says")
    return count


def _save(path: Path, array: NDArray[Any]) -> None:
    # np.save says of a full disk only how much it did not write
    header = np.lib.format.header_data_from_array_1_0(array)
    with kept(path) as fresh, fresh.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(array).data)


def lengths_of(file: Path) -> Path:
    """Return where the lengths of a shard's blocks lie."""
    return file.with_suffix(".lengths.npy")


def _header(file: Path) -> int:
    """Return how many bytes come before the values."""
    with _opened(file) as opened:
        np.lib.format.read_magic(opened)
        np.lib.format.read_array_header_1_0(opened)
        return opened.tell()


@contextmanager
def _opened(file: Path) -> Iterator[BufferedReader]:
    try:
        with file.open("rb") as opened:
            yield opened
    except OSError as error:
        reason = error.strerror or error
        msg = f"stored features '{file}' cannot be read ({reason}); run again to encode them anew"
        raise SerbenchError(msg) from error


def _widen(block: Tensor, layers: Tensor) -> None:
    """Copy (L, T, D) values into the first frames of float32 ones, and zeros into the others.

    On this thread alone: two, on cores that others work on, too, took up to 13 times as long.
    """
    frames = block.shape[1]
    piece = max(1, _UNSHARED // block.shape[2])
    for values, layer in zip(block, layers, strict=True):
        for start in range(0, frames, piece):
            some = values[start : start + piece]
            layer[start : start + len(some)] = some
    layers.numpy()[:, frames:] = 0.0


def _fill(block: Tensor, file: BufferedReader, start: int) -> None:
    file.seek(start)
    content = block.view(torch.uint8).numpy().data
    if file.readinto(content) != len(content):
        reason = "it is cut off"
        raise OSError(reason)
