"""Targets of masked prediction: clusters of frames by mini-batch k-means, HuBERT's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from serbench.encoders import kaldi
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.tensors import keep_tensors, read_tensors
from serbench.encoders.waveform import normalized
from serbench.errors import SerbenchError
from serbench.progress import Progress, Silent
from serbench.upstreams import Clips

if TYPE_CHECKING:
    from transformers import HubertModel

_HOP, SPAN = 320, 400
"""Samples from frame to frame, and in a frame, of every HuBERT."""

_PIECE = 1500
"""Frames that go through the Transformer at once: 30 s."""

Extractor = Callable[[Tensor], NDArray[np.float32]]
"""From a waveform (samples,), a frame long at least, to its frames (T, F), one a label."""


def mfcc() -> Extractor:
    """Return the extractor of iteration 1: every second frame of 39-dimensional Kaldi MFCC.

    At 16 kHz these frames lie at 0, 20, 40 ms ... and span 25 ms: the very samples that HuBERT's
    frames see, so their number is the same too (fairseq `dump_mfcc_feature.py`, ratio 2).
    """
    upstream = kaldi.mfcc(normalize=False)

    def extract(wave: Tensor) -> NDArray[np.float32]:
        frames: NDArray[np.float32] = upstream(Clips([wave], [""], [None])).layers[0, 0].numpy()
        return frames[::2]

    return extract


def layer(encoder: HubertModel, number: int, *, normalize: bool) -> Extractor:
    """Return the extractor of a layer's frames, for iteration 2 and later.

    In single precision, which on a CPU is also the faster one for clips of ever another length.

    Args:
        encoder: on the CPU or a GPU; put into evaluation mode.
        number: 1 is the first Transformer layer's output, as in fairseq and transformers alike;
            0 is the Transformer's input.
        normalize: bring the waveform to mean 0 and variance 1 first.
    """
    depth = encoder.config.num_hidden_layers
    if not 0 <= number <= depth:
        raise SerbenchError(f"no layer {number}; this encoder has layers 0 to {depth}")
    encoder.eval()  # type: ignore[no-untyped-call]
    device = encoder.device

    def extract(wave: Tensor) -> NDArray[np.float32]:
        if normalize:
            wave = normalized(wave)
        found = []
        for piece in _pieces(wave.to(device)):
            with torch.inference_mode():
                output = encoder(piece[None], output_hidden_states=True)
            found.append(output.hidden_states[number][0].cpu().numpy())
        return np.concatenate(found)

    return extract


def _pieces(wave: Tensor) -> Iterator[Tensor]:
    """Cut what is too long for attention where the frames of the pieces, joined, are all frames."""
    for start in range(0, len(wave) - SPAN + 1, _PIECE * _HOP):
        yield wave[start : start + (_PIECE - 1) * _HOP + SPAN]


class Quantizer:
    """Nearest of C centres.

    Attributes:
        centres: (C, F) float32.
        inertia: mean squared distance of the frames it was fitted on.
    """

    def __init__(self, centres: NDArray[np.float32], inertia: float = float("nan")) -> None:
        self.centres = np.ascontiguousarray(centres, dtype=np.float32)
        self.inertia = inertia
        self._twice = 2 * torch.from_numpy(self.centres).T
        self._norms = torch.from_numpy(self.centres).square().sum(1)

    def __call__(self, frames: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Return (T,) the nearest centre of each of (T, F)."""
        # torch's product: the threads of numpy's go on spinning and slow the encoder to a third
        distances = self._norms - torch.from_numpy(frames) @ self._twice  # up to a constant a frame
        nearest: NDArray[np.uint16] = distances.argmin(dim=1).numpy().astype(np.uint16)
        return nearest

    def save(self, path: Path) -> None:
        """Write safetensors, at once."""
        keep_tensors(path, {"centres": torch.from_numpy(self.centres)})

    @classmethod
    def load(cls, path: Path) -> Quantizer:
        """Read what `save` wrote.

        Raises:
            SerbenchError: it is no whole safetensors file, or has no centres.
        """
        centres = read_tensors(path).get("centres")
        if centres is None:
            raise SerbenchError(f"{path} is no quantizer: it has no tensor 'centres'")
        return cls(centres.float().numpy())


def fit_quantizer(
    frames: NDArray[np.float32], clusters: int, *, seed: int = 0, starts: int = 20
) -> Quantizer:
    """Fit mini-batch k-means as HuBERT did (fairseq `learn_kmeans.py`; all numbers are its own).

    Args:
        frames: (M, F), all that there is or a random part.
        clusters: C, at most 65536.
        seed: of the starts and batches.
        starts: k-means++ draws, of which the best is kept.

    Raises:
        SerbenchError: more clusters than frames.
    """
    from sklearn.cluster import MiniBatchKMeans

    if clusters > len(frames):
        raise SerbenchError(
            f"{clusters} clusters cannot be fitted on {len(frames)} frames; "
            "give more audio or ask for fewer clusters"
        )
    means = MiniBatchKMeans(
        n_clusters=clusters,
        init="k-means++",
        max_iter=100,
        batch_size=10_000,
        compute_labels=False,
        tol=0.0,
        max_no_improvement=100,
        n_init=starts,
        reassignment_ratio=0.0,
        random_state=seed,
    ).fit(frames)
    fitted = Quantizer(means.cluster_centers_)
    distances = np.square(frames - fitted.centres[fitted(frames)]).sum(1)
    return Quantizer(fitted.centres, float(distances.mean()))


def gather(
    audio: Audio, rows: Sequence[int], extract: Extractor, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Return (M, F), the frames of some recordings, to fit a quantizer on."""
    with (progress or Silent()).step("features for k-means", len(rows)) as step:
        found = []
        for row in rows:
            if audio.lengths[row] >= SPAN:
                found.append(extract(audio.wave(row)))
            step.advance()
    if not found:
        raise SerbenchError(
            f"no recording is as long as a frame of {SPAN} samples; give longer ones"
        )
    return np.concatenate(found)


def label(
    audio: Audio, extract: Extractor, quantizer: Quantizer, progress: Progress | None = None
) -> Labels:
    """Return the cluster of every frame of every recording; one without a frame has none."""
    with (progress or Silent()).step("pseudo-labels", len(audio)) as step:
        codes = []
        for row in range(len(audio)):
            whole = audio.lengths[row] >= SPAN
            codes.append(quantizer(extract(audio.wave(row))) if whole else _NOTHING)
            step.advance()
    return Labels.of(codes, len(quantizer.centres))


_NOTHING = np.zeros(0, np.uint16)


class Labels:
    """One cluster a frame for N recordings.

    Attributes:
        codes: (M,) uint16, all frames of all recordings in a row.
        starts: (N + 1,) int64, where each recording begins.
        clusters: C.
    """

    def __init__(self, codes: NDArray[np.uint16], starts: NDArray[np.int64], clusters: int) -> None:
        self.codes, self.starts, self.clusters = codes, starts, clusters

    @classmethod
    def of(cls, codes: Iterable[NDArray[np.uint16]], clusters: int) -> Labels:
        """Join the codes of each recording."""
        parts = list(codes)
        starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        return cls(np.concatenate(parts), starts, clusters)

    def crop(self, row: int, start: int, frames: int | None = None) -> NDArray[np.uint16]:
        """Return the codes of a recording from frame `start`: `frames` of them, or all."""
        whole = self.codes[self.starts[row] : self.starts[row + 1]]
        return whole[start : None if frames is None else start + frames]

    def entropy(self) -> float:
        """Return the clusters' entropy in nats: the loss of who knows only how common each is."""
        share = np.bincount(self.codes, minlength=self.clusters) / len(self.codes)
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())

    def save(self, path: Path) -> None:
        """Write safetensors, at once."""
        tensors = {"codes": torch.from_numpy(self.codes), "starts": torch.from_numpy(self.starts)}
        keep_tensors(path, tensors, {"clusters": str(self.clusters)})

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read what `save` wrote."""
        with safe_open(path, "np") as file:
            clusters = int(file.metadata()["clusters"])
            return cls(file.get_tensor("codes"), file.get_tensor("starts"), clusters)
