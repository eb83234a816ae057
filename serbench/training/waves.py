"""Waveforms of a corpus in memory, decoded once for the upstream that will encode them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from serbench.benchmarks.reading.audio import read_audio
from serbench.errors import SerbenchError
from serbench.training.settings import FineTuning
from serbench.upstreams import Clips, Upstream

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Progress, Step


# Seconds of an unknown speaker's audio that an upstream hears, about.
_HEARD_SECONDS = 60.0


@dataclass(frozen=True)
class DecodedClips:
    """Decoded utterances of a corpus, in the order of its table.

    Attributes:
        upstream: what they are for; training works on copies of it.
        waves: (samples,) float32 each, at the upstream's rate, as a frozen upstream gets them.
        speakers: one id an utterance.
        texts: the transcript of each utterance, or None.
    """

    upstream: Upstream
    waves: list[NDArray[np.float32]]
    speakers: list[str]
    texts: list[str | None]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) samples of each utterance."""
        return np.array([len(wave) for wave in self.waves], np.int64)

    @property
    def frames(self) -> NDArray[np.int64]:
        """(N,) frames that the upstream makes of each utterance."""
        return np.array([self.upstream.frames(len(wave)) for wave in self.waves], np.int64)

    @property
    def depth(self) -> int:
        """L, layers of the upstream."""
        return self.upstream.depth

    @property
    def dim(self) -> int:
        """D, width of its frames."""
        return self.upstream.dim

    @property
    def provenance(self) -> dict[str, str]:
        """What its weights are before they are trained on."""
        return self.upstream.provenance

    def batch(self, rows: NDArray[np.int64]) -> Clips:
        """Return some utterances."""
        return Clips(
            [torch.from_numpy(self.waves[row]) for row in rows],
            [self.speakers[row] for row in rows],
            [self.texts[row] for row in rows],
        )


def decode(
    table: DataFrame,
    upstream: Upstream,
    step: Step | None = None,
    tuning: FineTuning | None = None,
) -> DecodedClips:
    """Decode utterances.

    Args:
        table: utterances with `path`, `start`, `end`, `speaker`, `text`.
        upstream: says at which rate, and refuses what is too short.
        step: progress; advances by 1 an utterance.
        tuning: says what is kept of long ones; None: all.

    Raises:
        SerbenchError: a file that cannot be read, or an utterance of less than a frame.
    """
    places = zip(table["path"], table["start"], table["end"], strict=True)

    def read(place: tuple[str, float, float]) -> NDArray[np.float32]:
        path, start, end = place
        wave = read_audio(Path(path), start, end, upstream.sample_rate)
        if tuning is not None:
            wave = tuning.cut(wave, upstream.sample_rate)
        if step is not None:
            step.advance(1)
        return wave

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waves = list(pool.map(read, places))
    _check_lengths(upstream, table, waves)
    texts = [text if isinstance(text, str) else None for text in table["text"]]
    return DecodedClips(upstream, waves, table["speaker"].tolist(), texts)


def check_trainable(upstream: Upstream) -> None:
    """Refuse an upstream that has nothing to train.

    Raises:
        SerbenchError: it has not.
    """
    if not any(True for _ in upstream.trainable()):
        msg = (
            f"this upstream ({type(upstream).__name__}) has no parameters, so there is nothing to "
            "fine-tune; leave finetune out, or take one with weights"
        )
        raise SerbenchError(msg)


def decode_to_train(
    table: DataFrame, upstream: Upstream, progress: Progress, tuning: FineTuning | None = None
) -> DecodedClips:
    """Decode a corpus for an upstream that is trained.

    Raises:
        SerbenchError: as `decode`, or the upstream has nothing to train.
    """
    check_trainable(upstream)
    size = table["seconds"].sum() * upstream.sample_rate * np.dtype(np.float32).itemsize
    progress.tell(
        f"{len(table)} utterances, {table['seconds'].sum() / 3600:.2f} h, are kept as waveforms "
        f"({size / 2**20:.0f} MiB of memory): the upstream is trained, too, and encodes each anew"
    )
    enrol_speakers(table, upstream, progress)
    with progress.step("decode", len(table)) as step:
        return decode(table, upstream, step, tuning)


def enrol_speakers(
    table: DataFrame, upstream: Upstream, progress: Progress, device: str = "cpu"
) -> None:
    """Let an upstream hear the speakers whom it does not know, before it encodes any of them.

    It hears the first minute of each, in the order of `recording`: the same for any table order.

    Args:
        table: utterances with `path`, `start`, `end`, `speaker`, `text`, `recording`, `seconds`.
        upstream: on `device`.
        progress: where the work is shown.
        device: torch device.
    """
    unseen = upstream.unseen_speakers(sorted(set(table["speaker"])))
    if not unseen:
        return
    with progress.step("enrol speakers", len(unseen)) as step:
        for name in unseen:
            own = table[table["speaker"] == name].sort_values("recording")
            before = own["seconds"].cumsum() - own["seconds"]
            heard = decode(own[before < _HEARD_SECONDS], upstream)
            with torch.inference_mode():
                upstream.enrol(name, [torch.from_numpy(wave).to(device) for wave in heard.waves])
            step.advance()


def _check_lengths(upstream: Upstream, table: DataFrame, waves: list[NDArray[np.float32]]) -> None:
    for utterance, wave in zip(table["utterance"], waves, strict=True):
        if upstream.frames(len(wave)) < 1:
            msg = (
                f"utterance '{utterance}' has {len(wave)} samples at {upstream.sample_rate} Hz, "
                "too few for one frame of this upstream; remove it from the corpus"
            )
            raise SerbenchError(msg)
