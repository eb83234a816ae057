"""The feature store: a frozen upstream encodes each utterance once; what is sufficient is kept.

A store is a folder `features/<digest>` named by the upstream (code, options, weights) and by the
recordings. Its shards hold the (L, T, D) blocks of their utterances one after the other: frames in
the precision that is asked for, or per-layer means over time (T = 1) in single precision. A shard
is there whole or not at all, so an interrupted encoding goes on where it was; it is checked when
the store is opened, and encoded anew if it is damaged. A lock lets many processes share a store.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serbench.devices import rounds_as
from serbench.digests import digest_json
from serbench.durable import drop, tidy, usable
from serbench.durable import kept as written
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.locks import locked
from serbench.remotes import fetch, share
from serbench.training import shards
from serbench.training.settings import Precision
from serbench.training.shards import Shards
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
INDEX = "index.json"
_WHAT = "features in"

# Seconds of audio, padding included, in one forward pass: on a CPU larger batches are slower.
_BATCH_SECONDS = {"cpu": 12.0, "cuda": 240.0}
# Seconds that a token of a text counts for in such a batch: a frame of HuBERT's, as its Transformer
# is as large.
TOKEN_SECONDS = 0.02
# Seconds of audio in one shard: what an interruption can cost.
_SHARD_SECONDS = 300.0


@dataclass(frozen=True)
class StoredFeatures:
    """Encoded features of a corpus, in the order of its table.

    Attributes:
        blocks: where the frames lie on disk; of means, one frame each.
        means: (L, N, 1, D) float32, if only means are kept.
        provenance: of the upstream's weights.
        parameters: of the upstream; None where an older serbench did not count them.
        speed: seconds of audio that were encoded in a second, when they last were; None: unknown.
    """

    blocks: Shards
    means: Tensor | None
    provenance: dict[str, str]
    parameters: int | None = None
    speed: float | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process gets them: from the disk, however many means there are."""
        about = self.provenance, self.parameters, self.speed
        return _reopened, (self.blocks, self.means is not None, *about)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) frames of each utterance; all 1 if only means are kept."""
        return self.blocks.lengths

    @property
    def frames(self) -> NDArray[np.int64]:
        """(N,) frames of each utterance."""
        return self.lengths

    @property
    def depth(self) -> int:
        """L, layers."""
        return self.blocks.depth

    @property
    def dim(self) -> int:
        """D, width of a frame."""
        return self.blocks.dim

    def batch(self, rows: NDArray[np.int64]) -> Features:
        """Return the features of some utterances, (L, B, T, D) float32, padded with zeros."""
        lengths = torch.from_numpy(self.lengths[rows])
        if self.means is not None:
            return Features(self.means[:, rows], lengths)
        return Features(self.blocks.read(rows), lengths)


def _reopened(blocks: Shards, only_means: bool, *about: Any) -> StoredFeatures:
    means = blocks.read(np.arange(len(blocks.lengths))) if only_means else None
    return StoredFeatures(blocks, means, *about)


def encode(
    table: DataFrame,
    identity: dict[str, Any],
    upstream: Callable[[], Upstream],
    kept: Kept,
    progress: Progress,
    device: str = "cpu",
    precision: Precision = "float16",
    *,
    anew: bool = False,
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
        precision: frames are stored in; means are in single precision whatever it says.
        anew: encode everything, whatever is stored.

    Raises:
        SerbenchError: not enough disk space, a clip that is too short, features that are not
            finite or too large for the precision.
    """
    corpus = table[["recording", "speaker", "text"]].fillna("").to_numpy().tolist()
    named: dict[str, Any] = {"upstream": identity, "corpus": corpus, "kept": kept}
    if kept == "mean":
        precision = "float32"
    elif precision != "float16":
        named |= {"precision": precision}
    folder = home() / "features" / digest_json(named)[:32]
    plan = plan_shards(table["seconds"].to_numpy(float))
    encoding = _Encoding(folder, table, plan, kept, precision, progress, device)
    with locked(folder / "lock", progress.tell, f"encodes into {folder}"):
        missing = list(range(len(encoding.files))) if anew else encoding.to_do()
        indexed = encoding.is_indexed()
        if (missing or not indexed) and not anew and fetch(folder, INDEX, progress.tell):
            missing, indexed = encoding.to_do(), encoding.is_indexed()
        if missing or not indexed:
            encoding.encode(missing, upstream())
            share(folder, progress.tell)
        else:
            tidy(encoding.index)  # it is written once more at the end, when all is there
            progress.tell(f"features found in {folder}")
    return encoding.open()


def batch_seconds(device: str) -> float:
    """Return how much audio goes through at once on a device, in seconds, padding included."""
    return _BATCH_SECONDS["cuda" if device.startswith("cuda") else "cpu"]


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


@dataclass(frozen=True)
class _Encoding:
    """What `encode` was asked for; `plan` has the rows of each shard."""

    folder: Path
    table: DataFrame
    plan: list[NDArray[np.int64]]
    kept: Kept
    precision: Precision
    progress: Progress
    device: str

    @property
    def files(self) -> list[Path]:
        """The shards, whether they exist or not."""
        return [self.folder / f"{number:05d}.npy" for number in range(len(self.plan))]

    @property
    def index(self) -> Path:
        """The file that says what the features are."""
        return self.folder / INDEX

    def missing(self) -> list[int]:
        """Return the numbers of the shards that are not there, or damaged."""
        width = self._width()
        whole = [self._is_there(number, width) for number in range(len(self.files))]
        return [number for number, there in enumerate(whole) if not there]

    def _width(self) -> int | None:
        """Return L times D, if it is known."""
        if not self.is_indexed():
            return None
        told = self._told()
        return int(told["depth"] * told["dim"])

    def _is_there(self, number: int, width: int | None) -> bool:
        file, rows = self.files[number], len(self.plan[number])
        lengths = shards.lengths_of(file)
        if not (file.is_file() and lengths.is_file()):
            return False
        agree = partial(shards.check, file, rows, width)
        return all(
            usable(each, _WHAT, self.progress.tell, lambda _: agree()) for each in (file, lengths)
        )

    def to_do(self) -> list[int]:
        """Return the numbers of the shards to encode: all, if some are there of other rounding."""
        missing = self.missing()
        begun = 0 < len(missing) < len(self.files)
        if begun and not (self.is_indexed() and self._told().get("rounds_as") == self.here):
            self.progress.tell(
                f"features in {self.folder} were begun on another device or other threads, which "
                "round otherwise: all are encoded anew"
            )
            for file in self.files:
                drop(file)
            return list(range(len(self.files)))
        return missing

    @property
    def here(self) -> str:
        """What decides how features are rounded."""
        return rounds_as(self.device)

    def _told(self) -> dict[str, Any]:
        return _read_index(self.index)

    def is_indexed(self) -> bool:
        """Whether the index is there and as it was written."""
        return usable(self.index, _WHAT, self.progress.tell, _read_index)

    def open(self) -> StoredFeatures:
        """Return what is stored, once it is complete."""
        index = self._told()
        size = index["depth"], index["dim"]
        blocks = shards.find(self.files, self.plan, self.precision, *size)
        about = index["provenance"], index.get("parameters"), index.get("speed")
        return _reopened(blocks, self.kept == "mean", *about)

    def encode(self, missing: list[int], upstream: Upstream) -> None:
        """Write what the features are, and encode the shards that are missing."""
        upstream = upstream.to(self.device)
        index = {
            "depth": upstream.depth,
            "dim": upstream.dim,
            "provenance": upstream.provenance,
            "parameters": sum(parameter.numel() for parameter in upstream.parameters()),
            "rounds_as": self.here,
        }
        self._tell(index)
        if not missing:
            return
        check_texts(self.table, upstream)
        enrol_speakers(self.table, upstream, self.progress, self.device)
        todo = self.table.iloc[np.concatenate([self.plan[i] for i in missing])]
        self._check_space(upstream, todo)
        seconds, start = float(todo["seconds"].sum()), time.perf_counter()
        with self.progress.step("encode", seconds) as step:
            for i in missing:
                part = self.table.iloc[self.plan[i]]
                clips = decode(part, upstream)
                blocks = encode_clips(clips, part, self.kept, self.device, step, self.precision)
                shards.write(self.files[i], blocks)
        self._tell(index | {"speed": seconds / (time.perf_counter() - start)})

    def _tell(self, index: dict[str, Any]) -> None:
        with written(self.index) as fresh:
            fresh.write_text(json.dumps(index))

    def _check_space(self, upstream: Upstream, table: DataFrame) -> None:
        """Tell how much will be written, and refuse what the disk cannot hold."""
        frames = len(table) if self.kept == "mean" else int(count_frames(table, upstream).sum())
        size = frames * upstream.depth * upstream.dim * getattr(torch, self.precision).itemsize
        free = shutil.disk_usage(self.folder).free
        what = "means over time" if self.kept == "mean" else "frames"
        self.progress.tell(
            f"{len(table)} utterances, {table['seconds'].sum() / 3600:.2f} h, to encode: {what} of "
            f"{upstream.depth} layers x {upstream.dim}, {room(size)} in {self.folder}"
        )
        if size > 0.9 * free:
            msg = (
                f"the features need {room(size)} but {self.folder} has {room(free)} free; set "
                "SERBENCH_HOME to a larger disk, delete old folders in it, or take a head that "
                "needs only means over time, such as mean_pool"
            )
            raise SerbenchError(msg)


def _read_index(path: Path) -> dict[str, Any]:
    """Return what the features of a store are; ValueError or the like: it is no such index."""
    told: dict[str, Any] = json.loads(path.read_text())
    if not (
        type(told["depth"]) is type(told["dim"]) is int and isinstance(told["provenance"], dict)
    ):
        raise ValueError(f"{path} does not say what is stored")
    return told


def room(size: float) -> str:
    """Return a number of bytes in the unit in which it has one to four digits, GiB at most."""
    power = min(3, max(1, int(math.log2(max(size, 1)) // 10)))
    return f"{size / 1024**power:.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"


def encode_clips(
    clips: DecodedClips,
    table: DataFrame,
    kept: Kept,
    device: str = "cpu",
    step: Step | None = None,
    precision: Precision = "float16",
) -> list[Tensor]:
    """Return the (L, T, D) block of each clip, on the CPU, as it is stored.

    Args:
        clips: their upstream is on `device` and knows the speakers it has to.
        table: the same utterances, with `utterance` and `seconds`.
        kept: "mean" for averages over time, T = 1, in single precision.
        device: torch device.
        step: progress; advances by the seconds of audio.
        precision: of frames.

    Raises:
        SerbenchError: features that are not finite, or too large for the precision.
    """
    seconds, names = table["seconds"].to_numpy(float), table["utterance"].tolist()
    budget = batch_seconds(device)
    blocks: list[Tensor] = [torch.empty(0)] * len(names)
    costs = _costs(table, clips.upstream)
    if kept == "mean":
        precision = "float32"
    for batch in _batches(np.argsort(-costs, kind="stable"), costs, budget):
        with torch.inference_mode():
            given = clips.batch(batch)
            layers, lengths = clips.upstream(given.to(device))
        for i, (place, length) in enumerate(zip(batch, lengths.tolist(), strict=True)):
            block = layers[:, i, :length]
            if kept == "mean":
                block = block.mean(dim=1, keepdim=True)
            blocks[place] = _narrowed(block, precision, names[place], given.waves[i])
        if step is not None:
            step.advance(float(seconds[batch].sum()))
    return blocks


def _costs(table: DataFrame, upstream: Upstream) -> NDArray[np.float64]:
    """Return (N,) the seconds of utterances, or what their tokens count for."""
    if upstream.reads == "waves":
        return table["seconds"].to_numpy(float)
    return count_frames(table, upstream).astype(float) * TOKEN_SECONDS


def _narrowed(layers: Tensor, precision: Precision, utterance: str, wave: Tensor) -> Tensor:
    """Return features in the precision they are stored in, if they are finite in it."""
    block = layers.to(getattr(torch, precision)).cpu()
    if block.isfinite().all():
        return block
    msg = (
        f"features of utterance '{utterance}' are not finite numbers, though its samples are, so "
        "the encoder makes them; `serbench check upstream` tests it"
    )
    if not wave.isfinite().all():
        msg = f"samples of utterance '{utterance}' are not finite numbers; take it out"
    elif layers.isfinite().all():
        msg = (
            f"features of utterance '{utterance}' go up to {layers.abs().max():.3g}, beyond what "
            f"{precision} holds; set precision=bfloat16 (8 significant bits instead of 11) or "
            "precision=float32 (twice the disk space)"
        )
    raise SerbenchError(msg)
