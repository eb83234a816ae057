"""Functionals: one vector an utterance, statistics of what a window hears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from serbench.encoders import kaldi
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream, stack

if TYPE_CHECKING:
    import opensmile

Set = Literal["own", "compare"]

_SHORTEST = 400  # samples, one window of 25 ms
_COMPARE = 6373
_SHORTEST_COMPARE = 960  # one window of 60 ms; of less openSMILE finds nothing
_SHARES = (0.1, 0.5, 0.9)
_FLOOR = 1e-10


class OwnFunctionals(Upstream):
    """Mean, deviation, skewness and three quantiles of 13 MFCC with two orders of deltas: 234."""

    sample_rate = 16_000
    depth = 1

    def __init__(self) -> None:
        super().__init__()
        self._windows = kaldi.mfcc()
        self.dim = self._windows.dim * (3 + len(_SHARES))

    def frames(self, samples: int) -> int:
        """Return 1, or 0 for less than a window."""
        return int(samples >= _SHORTEST)

    def forward(self, clips: Clips) -> Features:
        """Encode each clip; one without a whole window raises `SerbenchError`."""
        windows, _ = self._windows(clips)
        ends = [self._windows.frames(len(wave)) for wave in clips.waves]
        vectors = [_functionals(windows[0, i, :end]) for i, end in enumerate(ends)]
        return stack([vector[None, None] for vector in vectors])


def _functionals(frames: Tensor) -> Tensor:
    """Return (6 D,) statistics over time of (T, D) frames; a constant channel has no skewness."""
    exact = frames.double()
    mean, deviation = exact.mean(0), exact.std(0, correction=0)
    skewness = (((exact - mean) / (deviation + _FLOOR)) ** 3).mean(0)
    quantiles = exact.quantile(exact.new_tensor(_SHARES), dim=0)
    return torch.cat([mean, deviation, skewness, *quantiles]).float()


class CompareFunctionals(Upstream):
    """The 6373 functionals of ComParE 2016, by openSMILE."""

    sample_rate = 16_000
    depth = 1
    dim = _COMPARE

    def __init__(self) -> None:
        super().__init__()
        self._smile = _open_smile()

    def frames(self, samples: int) -> int:
        """Return 1, or 0 for less than a window."""
        return int(samples >= _SHORTEST_COMPARE)

    def forward(self, clips: Clips) -> Features:
        """Encode each clip; one without a whole window raises `SerbenchError`."""
        return stack([self._vector(wave)[None, None] for wave in clips.waves])

    def _vector(self, wave: Tensor) -> Tensor:
        if not self.frames(len(wave)):
            msg = f"a clip of {len(wave)} samples is too short; ComParE's windows have 960 (60 ms)"
            raise SerbenchError(msg)
        found = self._smile.process_signal(wave.double().cpu().numpy(), self.sample_rate)
        vector = torch.from_numpy(found.to_numpy(dtype="float32", copy=True)[0])
        # what is not defined of a clip, such as the slope of one voiced frame
        return vector.nan_to_num(0.0).to(wave.device)


def _open_smile() -> opensmile.Smile:
    try:
        import opensmile
    except ImportError as error:
        msg = (
            "the functionals 'compare' need openSMILE (free for research alone): "
            "pip install 'serbench[opensmile]', or give 'own'"
        )
        raise SerbenchError(msg) from error
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016,
        feature_level=opensmile.FeatureLevel.Functionals,
    )


def functionals(of: Set) -> Upstream:
    """Return the functionals of a set; see upstream `functionals`."""
    return OwnFunctionals() if of == "own" else CompareFunctionals()
