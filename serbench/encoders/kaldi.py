"""Kaldi features with deltas, normalised over the utterance: what `fbank` and `mfcc` share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchaudio.compliance import kaldi
from torchaudio.functional import compute_deltas

from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream, stack

_WINDOW = 400  # samples, 25 ms
_SHIFT = 160  # samples, 10 ms
MELS = 23  # Kaldi's default; there are no more cepstra than filters
_DELTA_WINDOW = 5  # frames
_FLOOR = 1e-10  # below any standard deviation, so that a constant channel becomes zero


class KaldiFeatures(Upstream):
    """One layer of frames every 10 ms, from windows of 25 ms that lie wholly in the clip.

    Clips are encoded one by one, so that nothing of a batch can reach them.
    """

    sample_rate = 16_000
    depth = 1

    def __init__(
        self, static: Callable[[Tensor], Tensor], width: int, *, deltas: int, normalize: bool
    ) -> None:
        """Wrap a function of Kaldi's.

        Args:
            static: (1, samples) to (T, `width`), without dither.
            width: of the static features.
            deltas: highest order of the differences that are appended, 0 for none.
            normalize: whether each channel gets mean 0 and standard deviation 1 over the clip.
        """
        super().__init__()
        if deltas < 0:
            msg = f"deltas = {deltas}: the order of the differences is 0 or more"
            raise SerbenchError(msg)
        self.dim = width * (1 + deltas)
        self._static = static
        self._deltas = deltas
        self._normalize = normalize

    def frames(self, samples: int) -> int:
        """Return how many windows fit, 0 if none does."""
        return max(0, 1 + (samples - _WINDOW) // _SHIFT)

    def forward(self, clips: Clips) -> Features:
        """Encode each clip; one without a whole window raises `SerbenchError`."""
        return stack([self._encode(wave) for wave in clips.waves])

    def _encode(self, wave: Tensor) -> Tensor:
        if not self.frames(len(wave)):
            msg = f"a clip of {len(wave)} samples is too short; one window has {_WINDOW} (25 ms)"
            raise SerbenchError(msg)
        orders = [self._static(wave.unsqueeze(0)).T]
        for _ in range(self._deltas):
            orders.append(compute_deltas(orders[-1], win_length=_DELTA_WINDOW))
        frames = torch.cat(orders).T
        return (_normalized(frames) if self._normalize else frames).unsqueeze(0)  # (1, T, D)


def _normalized(frames: Tensor) -> Tensor:
    """Return (T, D) with mean 0 and sample standard deviation 1 over T; constant channels are 0.

    In double precision, as the rounding of a constant's mean would else be blown up.
    """
    exact = frames.double()
    spread = exact.std(dim=0, correction=min(1, len(frames) - 1))
    return ((exact - exact.mean(dim=0)) / (spread + _FLOOR)).float()


def mfcc(*, cepstra: int = 13, deltas: int = 2, normalize: bool = False) -> KaldiFeatures:
    """Return Kaldi's MFCC; see upstream `mfcc`.

    Raises:
        SerbenchError: an option out of range.
    """
    if not 1 <= cepstra <= MELS:
        msg = f"cepstra = {cepstra}: {MELS} filters have 1 to {MELS} cepstra"
        raise SerbenchError(msg)
    static = partial(kaldi.mfcc, num_ceps=cepstra, use_energy=False)
    return KaldiFeatures(static, cepstra, deltas=deltas, normalize=normalize)
