"""MFCC with deltas, 39 wide: what HuBERT's first labels are made of (Hsu et al., TASLP 2021)."""

from __future__ import annotations

from serbench.encoders import kaldi
from serbench.upstreams import Upstream


def make(*, cepstra: int = 13, deltas: int = 2, normalize: bool = False) -> Upstream:
    """Return Kaldi's MFCC: 13 cepstra with C0 in the place of energy, and two orders of deltas.

    Windows of 25 ms every 10 ms, 23 filters, no dither. This is what the first iteration of HuBERT
    clusters; with `normalize` it is s3prl's `mfcc`. Without, validation is better: see `fbank`.

    Args:
        cepstra: from 1 to 23.
        deltas: highest order of the differences that are appended (over 5 frames), 0 for none.
        normalize: whether each channel gets mean 0 and standard deviation 1 over the utterance,
            which leaves nothing to a head that takes the mean.

    Raises:
        SerbenchError: an option out of range.
    """
    return kaldi.mfcc(cepstra=cepstra, deltas=deltas, normalize=normalize)
