"""The filter bank against s3prl's own, against Kaldi's, and on clips that carry nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Upstream
from serbench.upstreams.fbank import make

GOLDEN = Path(__file__).parents[1] / "golden" / "fbank.npz"


def clips(*waves: Tensor) -> Clips:
    return Clips(list(waves), ["a"] * len(waves), [None] * len(waves))


def alone(upstream: Upstream, wave: Tensor) -> Tensor:
    return upstream(clips(wave)).layers[0, 0]


@pytest.fixture(scope="module")
def wave() -> Tensor:
    return torch.from_numpy(np.load(GOLDEN)["wave"].astype(np.float32) / 32_768)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_equals_the_installed_s3prl(wave: Tensor) -> None:
    from s3prl import hub

    waves = [wave, wave[1_000:3_777], wave.flip(0)]
    theirs = hub.fbank()(waves)["hidden_states"][0]
    ours = make(normalize=True)(clips(*waves)).layers[0]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-5)


def test_equals_golden_s3prl(wave: Tensor) -> None:
    """Up to rounding, which depends on the processor; normalisation enlarges it in still bands."""
    golden = np.load(GOLDEN)["s3prl_fbank"]
    ours = alone(make(normalize=True), wave).numpy()
    np.testing.assert_allclose(ours, golden, rtol=0, atol=5e-3)
    assert np.abs(ours - golden).mean() < 1e-4


def test_static_part_equals_golden_kaldi(wave: Tensor) -> None:
    static = alone(make(deltas=0, normalize=False), wave)
    np.testing.assert_allclose(static, np.load(GOLDEN)["kaldi_fbank"], rtol=0, atol=1e-3)


def test_width_follows_the_options(wave: Tensor) -> None:
    for mels, deltas in ((80, 2), (40, 1), (4, 0)):
        upstream = make(mels=mels, deltas=deltas)
        assert upstream.dim == mels * (1 + deltas) == alone(upstream, wave).shape[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(400, 3_000))
def test_frames_are_exact(samples: int) -> None:
    upstream = make(mels=8)
    assert upstream(clips(torch.ones(samples))).lengths.tolist() == [upstream.frames(samples)]


def test_normalised_over_the_utterance(wave: Tensor) -> None:
    frames = alone(make(normalize=True), wave)
    torch.testing.assert_close(frames.mean(0), torch.zeros(240), rtol=0, atol=1e-5)
    torch.testing.assert_close(frames.std(0), torch.ones(240), rtol=0, atol=1e-5)


@pytest.mark.parametrize("samples", [400, 559, 560, 8_000])
@pytest.mark.parametrize("level", [0.0, 0.3])
def test_clip_without_any_change_is_zero(samples: int, level: float) -> None:
    frames = alone(make(normalize=True), torch.full((samples,), level))
    torch.testing.assert_close(frames, torch.zeros_like(frames), rtol=0, atol=1e-3)


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_too_short_a_clip_is_refused(samples: int) -> None:
    assert make().frames(samples) == 0
    with pytest.raises(SerbenchError, match=f"a clip of {samples} samples is too short"):
        make()(clips(torch.zeros(1_000), torch.zeros(samples)))


@pytest.mark.parametrize("options", [{"mels": 3}, {"mels": 127}, {"deltas": -1}])
def test_option_out_of_range_is_refused(options: dict[str, int]) -> None:
    (name, value) = next(iter(options.items()))
    with pytest.raises(SerbenchError, match=f"{name} = {value}"):
        make(**options)
