"""Waveforms or texts of a corpus in memory, decoded once for the upstream that will encode them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from serbench.benchmarks.reading.audio import read_audio, resample
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, TextUpstream, Upstream

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Progress, Step


# How many utterances an error names before it only counts.
_NAMED = 3
# Seconds of an unknown speaker's audio that an upstream hears, about.
_HEARD_SECONDS = 60.0


@dataclass(frozen=True)
class DecodedClips:
    """Decoded utterances of a corpus, in the order of its table.

    Attributes:
        upstream: what they are for; training works on copies of it.
        waves: (samples,) float32 each, at the upstream's rate, as a frozen upstream gets them;
            without samples if it reads text.
        speakers: one id an utterance.
        texts: the transcript of each utterance, or None.
    """

    upstream: Upstream
    waves: list[NDArray[np.float32]]
    speakers: list[str]
    texts: list[str | None]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) samples of each utterance, or tokens if its text is read."""
        if isinstance(self.upstream, TextUpstream):
            return np.array([self.upstream.tokens(text or "") for text in self.texts], np.int64)
        return np.array([len(wave) for wave in self.waves], np.int64)

    @property
    def frames(self) -> NDArray[np.int64]:
        """(N,) frames that the upstream makes of each utterance."""
        if isinstance(self.upstream, TextUpstream):
            return self.lengths
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


def decode(table: DataFrame, upstream: Upstream, step: Step | None = None) -> DecodedClips:
    """Decode utterances; of one whose text is read, no audio is.

    Args:
        table: utterances with `path`, `start`, `end`, `speaker`, `text`.
        upstream: says at which rate, and refuses what is too short.
        step: progress; advances by 1 an utterance.

    Raises:
        SerbenchError: a file that cannot be read, or an utterance of less than a frame.
    """
    if upstream.reads == "waves":
        waves = _read(table, upstream, step)
        _check_lengths(upstream, table, waves)
        return _clips(table, upstream, waves)
    if step is not None:
        step.advance(len(table))
    return _clips(table, upstream, [np.zeros(0, np.float32)] * len(table))


def _read(table: DataFrame, upstream: Upstream, step: Step | None) -> list[NDArray[np.float32]]:
    places = zip(table["path"], table["start"], table["end"], strict=True)

    def read(place: tuple[str, float, float]) -> NDArray[np.float32]:
        path, start, end = place
        wave = read_audio(Path(path), start, end, upstream.sample_rate)
        if step is not None:
            step.advance(1)
        return wave

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(read, places))


def decoded(
    table: DataFrame, upstream: Upstream, samples: Sequence[NDArray[np.float32]], rate: int
) -> DecodedClips:
    """Return utterances that are decoded already, as `decode` would give them.

    Args:
        table: utterances with `utterance`, `speaker`, `text`.
        upstream: says at which rate, and refuses what is too short.
        samples: (samples,) float32 each, full scale is [-1, 1].
        rate: of the samples, in Hz.

    Raises:
        SerbenchError: an utterance of less than a frame.
    """
    waves = [resample(wave, rate, upstream.sample_rate) for wave in samples]
    _check_lengths(upstream, table, waves)
    return _clips(table, upstream, waves)


def _clips(table: DataFrame, upstream: Upstream, waves: list[NDArray[np.float32]]) -> DecodedClips:
    texts = [text if isinstance(text, str) else None for text in table["text"]]
    return DecodedClips(upstream, waves, table["speaker"].tolist(), texts)


def decode_to_train(table: DataFrame, upstream: Upstream, progress: Progress) -> DecodedClips:
    """Decode a corpus for an upstream that is trained with the head.

    Raises:
        SerbenchError: as `decode`, or the upstream has nothing to train.
    """
    if not any(True for _ in upstream.trainable()):
        msg = (
            f"this upstream ({type(upstream).__name__}) has no parameters, so there is nothing to "
            "fine-tune; leave training.finetune out, or take one with weights"
        )
        raise SerbenchError(msg)
    check_texts(table, upstream)
    kept = "texts"
    if upstream.reads == "waves":
        size = table["seconds"].sum() * upstream.sample_rate * np.dtype(np.float32).itemsize
        kept = f"waveforms ({size / 2**20:.0f} MiB of memory)"
    progress.tell(
        f"{len(table)} utterances, {table['seconds'].sum() / 3600:.2f} h, are kept as {kept}: the "
        "upstream is trained, too, and encodes each anew"
    )
    enrol_speakers(table, upstream, progress)
    with progress.step("decode", len(table)) as step:
        return decode(table, upstream, step)


def check_texts(table: DataFrame, upstream: Upstream) -> None:
    """Refuse a corpus without all the transcripts that an upstream reads.

    Args:
        table: utterances with `utterance` and `text`.
        upstream: what will encode them; one that hears takes any corpus.

    Raises:
        SerbenchError: it reads text and an utterance has none; the first few are named.
    """
    if not isinstance(upstream, TextUpstream):
        return
    texts = zip(table["utterance"], table["text"], strict=True)
    bare = [name for name, text in texts if not isinstance(text, str) or upstream.tokens(text) < 1]
    if bare:
        named = ", ".join(bare[:_NAMED])
        more = f" and {len(bare) - _NAMED} more" if len(bare) > _NAMED else ""
        msg = (
            f"{len(bare)} of {len(table)} utterances have no text ({named}{more}), but this "
            f"upstream ({type(upstream).__name__}) reads nothing else; put what is said into the "
            "table of the corpus, or take an upstream that hears"
        )
        raise SerbenchError(msg)


def count_frames(table: DataFrame, upstream: Upstream) -> NDArray[np.int64]:
    """Return (N,) the frames of utterances, of their texts or by their `seconds`."""
    if isinstance(upstream, TextUpstream):
        return np.array([upstream.tokens(text) for text in table["text"]], np.int64)
    samples = (int(seconds * upstream.sample_rate) for seconds in table["seconds"])
    return np.array([upstream.frames(count) for count in samples], np.int64)


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
