"""Clips of a corpus for an upstream that is trained on them, or hears speakers in them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from serbench.benchmarks.reading.audio import resample
from serbench.devices import cores
from serbench.errors import SerbenchError
from serbench.training.settings import FineTuning
from serbench.training.waveforms import KEPT_BYTES, Waveforms
from serbench.upstreams import Clips, TextUpstream, Upstream

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.progress import Progress


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
        lengths: (N,) samples of each utterance, or tokens if its text is read.
        speakers: one id an utterance.
        texts: the transcript of each utterance, or None.
    """

    upstream: Upstream
    waves: Waveforms | list[NDArray[np.float32]]
    lengths: NDArray[np.int64]
    speakers: list[str]
    texts: list[str | None]

    @property
    def parameters(self) -> int:
        """Of the upstream."""
        return sum(parameter.numel() for parameter in self.upstream.parameters())

    @property
    def speed(self) -> None:
        """Unknown: clips are encoded while they are trained on."""
        return None

    @property
    def frames(self) -> NDArray[np.int64]:
        """(N,) frames that the upstream makes of each utterance."""
        if isinstance(self.upstream, TextUpstream):
            return self.lengths
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
    """Decode a few utterances into memory; of those whose text is read, no audio is.

    Args:
        table: utterances with `path`, `start`, `end`, `speaker`, `text`.
        upstream: says at which rate, and refuses what is too short.

    Raises:
        SerbenchError: a file that cannot be read, or an utterance of less than a frame.
    """
    if isinstance(upstream, TextUpstream):
        return _clips(table, upstream, _silent(table))
    waves = Waveforms(table, upstream.sample_rate, FineTuning())
    with ThreadPoolExecutor(cores()) as pool:
        return _clips(table, upstream, list(pool.map(waves.__getitem__, range(len(table)))))


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
    return _clips(table, upstream, [resample(w, rate, upstream.sample_rate) for w in samples])


def _silent(table: DataFrame) -> list[NDArray[np.float32]]:
    return [np.zeros(0, np.float32)] * len(table)


def _clips(
    table: DataFrame,
    upstream: Upstream,
    waves: Waveforms | list[NDArray[np.float32]],
    lengths: NDArray[np.int64] | None = None,
) -> DecodedClips:
    """Return waveforms with what belongs to them, once each was found long enough."""
    texts = [text if isinstance(text, str) else None for text in table["text"]]
    if isinstance(upstream, TextUpstream):
        lengths = np.array([upstream.tokens(text or "") for text in texts], np.int64)
    else:
        if lengths is None:
            lengths = np.array([len(waves[row]) for row in range(len(waves))], np.int64)
        _check_lengths(upstream, table, lengths)
    return DecodedClips(upstream, waves, lengths, table["speaker"].tolist(), texts)


def check_trainable(upstream: Upstream) -> None:
    """Refuse an upstream that has nothing to train.

    Raises:
        SerbenchError: it has not.
    """
    if not any(True for _ in upstream.trainable()):
        msg = (
            "this upstream has no parameters, so there is nothing to "
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
        SerbenchError: as `decode`, or the upstream has nothing to train, or nothing is kept.
    """
    check_trainable(upstream)
    check_texts(table, upstream)
    tuning = tuning or FineTuning()
    if isinstance(upstream, TextUpstream):
        if tuning.longest_seconds is not None or tuning.batch_seconds is not None:
            progress.tell(
                "longest_seconds and batch_seconds are of audio: no text is cut or counted"
            )
        return _clips(table, upstream, _silent(table))
    check_cut(upstream, tuning)
    waves = Waveforms(table, upstream.sample_rate, tuning)
    progress.tell(
        f"{len(table)} utterances, {table['seconds'].sum() / 3600:.2f} h, are decoded as they are "
        f"needed (up to {KEPT_BYTES // 2**20} MiB are kept): the upstream is trained, too, and "
        "encodes each anew"
    )
    enrol_speakers(table, upstream, progress)
    with progress.step("decode", len(table)) as step, ThreadPoolExecutor(cores()) as pool:

        def measure(row: int) -> int:
            samples = len(waves[row])
            step.advance(1)
            return samples

        lengths = np.array(list(pool.map(measure, range(len(table)))), np.int64)
    return _clips(table, upstream, waves, lengths)


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
            "upstream reads nothing else; put what is said into the "
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
            waves = heard.batch(np.arange(len(heard.lengths))).to(device).waves
            with torch.inference_mode():
                upstream.enrol(name, waves)
            step.advance()


def check_cut(upstream: Upstream, tuning: FineTuning) -> None:
    """Refuse a fine-tuning that cuts every utterance to less than a frame.

    Args:
        upstream: to be trained; one that reads text cuts nothing.
        tuning: says what is kept.

    Raises:
        SerbenchError: that is less than a frame.
    """
    if tuning.longest_seconds is None or isinstance(upstream, TextUpstream):
        return
    kept = round(tuning.longest_seconds * upstream.sample_rate)
    if upstream.frames(kept) < 1:
        msg = (
            f"longest_seconds = {tuning.longest_seconds:g} keeps {kept} samples of an utterance at "
            f"{upstream.sample_rate} Hz, too few for one frame of this upstream; raise it"
        )
        raise SerbenchError(msg)


def _check_lengths(upstream: Upstream, table: DataFrame, lengths: NDArray[np.int64]) -> None:
    pairs = zip(table["utterance"], lengths, strict=True)
    short = [(name, samples) for name, samples in pairs if upstream.frames(int(samples)) < 1]
    if short:
        named = ", ".join(f"'{name}' ({samples})" for name, samples in short[:_NAMED])
        named += f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        are = "utterances are" if len(short) > 1 else "utterance is"
        msg = (
            f"{len(short)} {are} too short for one frame of this upstream, in samples at "
            f"{upstream.sample_rate} Hz: {named}; take them out of the corpus"
        )
        raise SerbenchError(msg)
