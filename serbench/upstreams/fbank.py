"""Log mel filter bank with deltas, 240 wide: SUPERB's baseline, but not normalised."""

from __future__ import annotations

from functools import partial

from torchaudio.compliance import kaldi

from serbench.encoders.kaldi import KaldiFeatures
from serbench.errors import SerbenchError
from serbench.upstreams import Upstream

_FEWEST, _MOST = 4, 126  # with more, the lowest filters hold no frequency of the spectrum


def make(*, mels: int = 80, deltas: int = 2, normalize: bool = False) -> Upstream:
    """Return Kaldi's filter bank as s3prl's `fbank.yaml` sets it.

    Windows of 25 ms every 10 ms, natural log of the mel energies, no dither. With `normalize` it is
    SUPERB's (Yang et al., Interspeech 2021). Without, as training standardises features anyway,
    validation on EmoDB and EMOtale is better with heads that look at frames, and heads that take
    the mean over time have something to learn from.

    Args:
        mels: filters, from 4 to 126.
        deltas: highest order of the differences that are appended (over 5 frames), 0 for none.
        normalize: whether each channel gets mean 0 and standard deviation 1 over the utterance,
            which leaves nothing to a head that takes the mean.

    Raises:
        SerbenchError: an option out of range.
    """
    if not _FEWEST <= mels <= _MOST:
        msg = f"mels = {mels}: a filter bank has {_FEWEST} to {_MOST} filters"
        raise SerbenchError(msg)
    static = partial(kaldi.fbank, num_mel_bins=mels)
    return KaldiFeatures(static, mels, deltas=deltas, normalize=normalize)
