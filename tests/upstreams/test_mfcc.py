"""MFCC against s3prl's own, Kaldi's, and HuBERT's recipe for its first labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchaudio.transforms import ComputeDeltas

from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Upstream
from serbench.upstreams.mfcc import make

GOLDEN = Path(__file__).parents[1] / "golden" / "fbank.npz"


def alone(upstream: Upstream, wave: Tensor) -> Tensor:
    return upstream(Clips([wave], ["a"], [None])).layers[0, 0]


@pytest.fixture(scope="module")
def wave() -> Tensor:
    return torch.from_numpy(np.load(GOLDEN)["wave"].astype(np.float32) / 32_768)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_equals_the_installed_s3prl(wave: Tensor) -> None:
    from s3prl import hub

    theirs = hub.mfcc()([wave])["hidden_states"][0][0]
    torch.testing.assert_close(alone(make(normalize=True), wave), theirs, rtol=0, atol=5e-5)


def test_equals_golden_s3prl(wave: Tensor) -> None:
    """Up to rounding, which depends on the processor; normalisation enlarges it in still bands."""
    golden = np.load(GOLDEN)["s3prl_mfcc"]
    ours = alone(make(normalize=True), wave).numpy()
    np.testing.assert_allclose(ours, golden, rtol=0, atol=1e-3)
    assert np.abs(ours - golden).mean() < 1e-4


def test_unnormalised_is_golden_kaldi_with_deltas_of_deltas(wave: Tensor) -> None:
    """As in fairseq's `dump_mfcc_feature.py`: cepstra, their deltas, the deltas of those."""
    cepstra = torch.from_numpy(np.load(GOLDEN)["kaldi_mfcc"]).T
    deltas = ComputeDeltas()(cepstra)
    expected = torch.cat([cepstra, deltas, ComputeDeltas()(deltas)]).T
    ours = alone(make(normalize=False), wave)
    assert ours.shape == (29, 39)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-3)


def test_silence_is_finite() -> None:
    for normalize in (True, False):
        assert alone(make(normalize=normalize), torch.zeros(8_000)).isfinite().all()


@pytest.mark.parametrize("cepstra", [0, 24])
def test_option_out_of_range_is_refused(cepstra: int) -> None:
    with pytest.raises(SerbenchError, match=f"cepstra = {cepstra}"):
        make(cepstra=cepstra)
