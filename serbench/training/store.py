"""The feature store: a frozen upstream encodes each utterance once; what is sufficient is kept.

A store is a folder `features/<digest>` named by the upstream (code, options, weights) and by the
recordings. Its shards hold the (L, T, D) blocks of their utterances one after the other: frames in
half precision, or per-layer means over time (T = 1) in single precision. A shard is written under
a temporary name and renamed, so an interrupted encoding goes on where it was; a lock lets many
processes share a store.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.training.waves import (
    DecodedClips,
    check_texts,
    count_frames,
    decode,
    enrol_speakers,
)
from serbench.upstreams import Features, Upstream

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Progress, Step

Kept = Literal["frames", "mean"]

_DTYPE: dict[Kept, Any] = {"frames": np.float16, "mean": np.float32}
# Seconds of audio, padding included, in one forward pass: on a CPU larger batches are slower.
_BATCH_SECONDS = {"cpu": 12.0, "cuda": 240.0}
# Seconds that a token of a text counts for in such a batch: a frame of HuBERT's, as its Transformer
# is as large.
_TOKEN_SECONDS = 0.02
# Seconds of audio in one shard: what an interruption can cost.
_SHARD_SECONDS = 300.0


@dataclass(frozen=True)
class StoredFeatures:
    """Encoded features of a corpus, in the order of its table.

    Attributes:
        lengths: (N,) frames of each utterance; all 1 if only means are kept.
        depth: L, layers.
        dim: D, width of a frame.
        blocks: (L, T, D) of each utterance, memory-mapped, half precision; empty for means.
        means: (L, N, 1, D) float32, if only means are kept.
        provenance: of the upstream's weights.
    """

    lengths: NDArray[np.int64]
    depth: int
    dim: int
    blocks: list[NDArray[Any]]
    means: torch.Tensor | None
    provenance: dict[str, str]

    @property
    def frames(self) -> NDArray[np.int64]:
        """(N,) frames of each utterance."""
        return self.lengths

    def batch(self, rows: NDArray[np.int64]) -> Features:
        """Return the features of some utterances, (L, B, T, D) float32, padded with zeros."""
        lengths = self.lengths[rows]
        if self.means is not None:
            return Features(self.means[:, rows], torch.from_numpy(lengths))
        layers = np.zeros((self.depth, len(rows), int(lengths.max()), self.dim), np.float32)
        for i, row in enumerate(rows):
            layers[:, i, : lengths[i]] = self.blocks[row]
        return Features(torch.from_numpy(layers), torch.from_numpy(lengths))


def encode(
    table: DataFrame,
    identity: dict[str, Any],
    upstream: Callable[[], Upstream],
    kept: Kept,
    progress: Progress,
    device: str = "cpu",
) -> StoredFeatures:
    """Return the features of all utterances, encoding only what is not yet stored.

    Args:
        table: utterances with `path`, `start`, `end`, `speaker`, `text`, and from the audit
            `recording` (digest of the samples) and `seconds`.
        identity: what the upstream is, weights included.
        upstream: makes it; called only if something is to be encoded.
        kept: "mean" if the head uses only the average over time.
        progress: where the work is shown.
        device: torch device the upstream runs on.

    Raises:
        SerbenchError: not enough disk space, a clip that is too short, features that are not
            finite or too large for half precision.
    """
    corpus = table[["recording", "speaker", "text"]].fillna("").to_numpy().tolist()
    digest = digest_json({"upstream": identity, "corpus": corpus, "kept": kept})[:32]
    folder = home() / "features" / digest
    folder.mkdir(parents=True, exist_ok=True)
    plan = plan_shards(table["seconds"].to_numpy(float))
    with FileLock(folder / "lock"):
        missing = [i for i in range(len(plan)) if not _shard(folder, i).exists()]
        if missing:
            _encode_shards(folder, table, plan, missing, upstream(), kept, progress, device)
        else:
            progress.tell(f"features found in {folder}")
    return _open(folder, plan, kept)


def plan_shards(seconds: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return the rows of each shard, longest first, so that a batch has little padding.

    Args:
        seconds: (N,) of each utterance.
    """
    order = np.argsort(-seconds, kind="stable")
    shard = np.floor(np.cumsum(seconds[order]) / _SHARD_SECONDS).astype(int)
    return [order[shard == i] for i in np.unique(shard)]


def _batches(
    rows: NDArray[np.int64], seconds: NDArray[np.float64], budget: float
) -> Iterator[NDArray[np.int64]]:
    """Split rows, longest first, so that a padded batch stays within a budget of seconds."""
    start = 0
    while start < len(rows):
        size = max(1, int(budget / max(seconds[rows[start]], 1e-3)))
        yield rows[start : start + size]
        start += size


def _encode_shards(
    folder: Path,
    table: DataFrame,
    plan: list[NDArray[np.int64]],
    missing: list[int],
    upstream: Upstream,
    kept: Kept,
    progress: Progress,
    device: str,
) -> None:
    upstream = upstream.to(device)
    check_texts(table, upstream)
    enrol_speakers(table, upstream, progress, device)
    seconds = table["seconds"].to_numpy(float)
    todo = [plan[i] for i in missing]
    _check_space(folder, upstream, table.iloc[np.concatenate(todo)], kept, progress)
    index = {"depth": upstream.depth, "dim": upstream.dim, "provenance": upstream.provenance}
    _write(folder / "index.json", lambda path: path.write_text(json.dumps(index)))
    with progress.step("encode", float(seconds[np.concatenate(todo)].sum())) as step:
        for i, rows in zip(missing, todo, strict=True):
            part = table.iloc[rows]
            blocks = encode_clips(decode(part, upstream), part, kept, device, step)
            lengths = np.array([b.shape[1] for b in blocks], np.int64)
            flat = np.concatenate([b.ravel() for b in blocks])
            _save(_shard(folder, i).with_suffix(".lengths.npy"), lengths)
            _save(_shard(folder, i), flat)


def encode_clips(
    clips: DecodedClips, table: DataFrame, kept: Kept, device: str = "cpu", step: Step | None = None
) -> list[NDArray[Any]]:
    """Return the (L, T, D) block of each clip, as it is stored.

    Args:
        clips: their upstream is on `device` and knows the speakers it has to.
        table: the same utterances, with `utterance` and `seconds`.
        kept: "mean" for averages over time, T = 1.
        device: torch device.
        step: progress; advances by the seconds of audio.

    Raises:
        SerbenchError: features that are not finite, or too large for the precision.
    """
    seconds, names = table["seconds"].to_numpy(float), table["utterance"].tolist()
    budget = _BATCH_SECONDS["cuda" if device.startswith("cuda") else "cpu"]
    blocks: list[NDArray[Any]] = [np.empty(0)] * len(names)
    costs = _costs(table, clips.upstream)
    for batch in _batches(np.argsort(-costs, kind="stable"), costs, budget):
        with torch.inference_mode():
            layers, lengths = clips.upstream(clips.batch(batch).to(device))
        for i, (place, length) in enumerate(zip(batch, lengths.tolist(), strict=True)):
            blocks[place] = _sufficient(layers[:, i, :length], kept)
            _check_block(blocks[place], names[place])
        if step is not None:
            step.advance(float(seconds[batch].sum()))
    return blocks


def _costs(table: DataFrame, upstream: Upstream) -> NDArray[np.float64]:
    """Return (N,) the seconds of utterances, or what their tokens count for."""
    if upstream.reads == "waves":
        return table["seconds"].to_numpy(float)
    return count_frames(table, upstream).astype(float) * _TOKEN_SECONDS


def _sufficient(layers: torch.Tensor, kept: Kept) -> NDArray[Any]:
    """Return (L, T, D) frames or (L, 1, D) means, in the precision they are stored in."""
    if kept == "mean":
        layers = layers.mean(dim=1, keepdim=True)
    elif layers.abs().max() > np.finfo(np.float16).max:
        layers = torch.full_like(layers, torch.inf)
    return layers.cpu().numpy().astype(_DTYPE[kept])


def _check_block(block: NDArray[Any], utterance: str) -> None:
    if not np.isfinite(block).all():
        msg = (
            f"features of utterance '{utterance}' are not finite numbers within half precision; "
            "`serbench check upstream` tests the encoder, `serbench data check` the recording"
        )
        raise SerbenchError(msg)


def _check_space(
    folder: Path, upstream: Upstream, table: DataFrame, kept: Kept, progress: Progress
) -> None:
    """Tell how much will be written, and refuse what the disk cannot hold."""
    frames = len(table) if kept == "mean" else int(count_frames(table, upstream).sum())
    size = frames * upstream.depth * upstream.dim * np.dtype(_DTYPE[kept]).itemsize
    free = shutil.disk_usage(folder).free
    what = "means over time" if kept == "mean" else "frames"
    progress.tell(
        f"{len(table)} utterances, {table['seconds'].sum() / 3600:.2f} h, to encode: {what} of "
        f"{upstream.depth} layers x {upstream.dim}, {size / 2**20:.0f} MiB in {folder}"
    )
    if size > 0.9 * free:
        msg = (
            f"the features need {size / 2**30:.1f} GiB but {folder} has {free / 2**30:.1f} GiB "
            "free; set SERBENCH_HOME to a larger disk, delete old folders in it, or take a head "
            "that needs only means over time, such as mean_pool"
        )
        raise SerbenchError(msg)


def _open(folder: Path, plan: list[NDArray[np.int64]], kept: Kept) -> StoredFeatures:
    index = json.loads((folder / "index.json").read_text())
    depth, dim = index["depth"], index["dim"]
    count = sum(len(rows) for rows in plan)
    lengths = np.zeros(count, np.int64)
    blocks: list[NDArray[Any]] = [np.empty(0)] * count
    for i, rows in enumerate(plan):
        flat = np.load(_shard(folder, i), mmap_mode="r")
        lengths[rows] = np.load(_shard(folder, i).with_suffix(".lengths.npy"))
        ends = np.cumsum(lengths[rows] * depth * dim)
        for row, end in zip(rows, ends, strict=True):
            size = lengths[row] * depth * dim
            blocks[row] = flat[end - size : end].reshape(depth, lengths[row], dim)
    if kept == "frames":
        return StoredFeatures(lengths, depth, dim, blocks, None, index["provenance"])
    means = torch.from_numpy(np.stack(blocks, axis=1))
    return StoredFeatures(lengths, depth, dim, [], means, index["provenance"])


def _shard(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npy"


def _save(path: Path, array: NDArray[Any]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, array)

    _write(path, write)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write(temporary)
    temporary.replace(path)
