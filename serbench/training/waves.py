"""Clips of a corpus for an upstream that is trained on them, or hears speakers in them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from serbench.errors import SerbenchError
from serbench.training.settings import FineTuning
from serbench.training.waveforms import KEPT_BYTES, Waveforms
from serbench.upstreams import Clips, Upstream

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Progress


# Seconds of an unknown speaker's audio that an upstream hears, about.
_HEARD_SECONDS = 60.0


@dataclass(frozen=True)
class DecodedClips:
    """Decoded utterances of a corpus, in the order of its table.

    Attributes:
        upstream: what they are for; training works on copies of it.
        waves: (samples,) float32 each, at the upstream's rate, as a frozen upstream gets them.
        lengths: (N,) samples of each utterance.
        speakers: one id an utterance.
        texts: the transcript of each utterance, or None.
    """

    upstream: Upstream
    waves: Waveforms | list[NDArray[np.float32]]
    lengths: NDArray[np.int64]
    speakers: list[str]
    texts: list[str | None]

    @property
    def frames(self) -> NDArray[np.int64]:
        """(N,) frames that the upstream makes of each utterance."""
        return np.array([self.upstream.frames(int(samples)) for samples in self.lengths], np.int64)

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


def decode(table: DataFrame, upstream: Upstream) -> DecodedClips:
    """Decode a few utterances into memory.

    Args:
        table: utterances with `path`, `start`, `end`, `speaker`, `text`.
        upstream: says at which rate, and refuses what is too short.

    Raises:
        SerbenchError: a file that cannot be read, or an utterance of less than a frame.
    """
    waves = Waveforms(table, upstream.sample_rate, FineTuning())
    every = [waves[row] for row in range(len(table))]
    return _clips(table, upstream, every, np.array([len(wave) for wave in every], np.int64))


def _clips(
    table: DataFrame,
    upstream: Upstream,
    waves: Waveforms | list[NDArray[np.float32]],
    lengths: NDArray[np.int64],
) -> DecodedClips:
    """Return waveforms with what belongs to them, once each was found long enough."""
    _check_lengths(upstream, table, lengths)
    texts = [text if isinstance(text, str) else None for text in table["text"]]
    return DecodedClips(upstream, waves, lengths, table["speaker"].tolist(), texts)


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
    """Return a corpus for an upstream that is trained, to be decoded as it is needed.

    Every file is read once before, so that the lengths are known and nothing is found broken later.

    Args:
        table: utterances with `path`, `start`, `end`, `speaker`, `text`, `recording`, `seconds`.
        upstream: says at which rate, and hears speakers whom it does not know.
        progress: where the work is shown.
        tuning: says what is kept of long utterances; None: all.

    Raises:
        SerbenchError: as `decode`, or the upstream has nothing to train.
    """
    check_trainable(upstream)
    waves = Waveforms(table, upstream.sample_rate, tuning or FineTuning())
    progress.tell(
        f"{len(table)} utterances, {table['seconds'].sum() / 3600:.2f} h, are decoded as they are "
        f"needed (up to {KEPT_BYTES // 2**20} MiB are kept): the upstream is trained, too, and "
        "encodes each anew"
    )
    enrol_speakers(table, upstream, progress)
    with progress.step("decode", len(table)) as step, ThreadPoolExecutor(os.cpu_count()) as pool:

        def measure(row: int) -> int:
            samples = len(waves[row])
            step.advance(1)
            return samples

        lengths = np.array(list(pool.map(measure, range(len(table)))), np.int64)
    return _clips(table, upstream, waves, lengths)


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
            waves = heard.batch(np.arange(len(heard.lengths))).to(device).waves
            with torch.inference_mode():
                upstream.enrol(name, waves)
            step.advance()


def _check_lengths(upstream: Upstream, table: DataFrame, lengths: NDArray[np.int64]) -> None:
    for utterance, samples in zip(table["utterance"], lengths, strict=True):
        if upstream.frames(int(samples)) < 1:
            msg = (
                f"utterance '{utterance}' has {samples} samples at {upstream.sample_rate} Hz, "
                "too few for one frame of this upstream; remove it from the corpus"
            )
            raise SerbenchError(msg)
