from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.pretraining.pseudo_labels import (
    Labels,
    Quantizer,
    fit_quantizer,
    gather,
    label,
    layer,
    mfcc,
)
from serbench.errors import SerbenchError
from serbench.upstreams import Recording


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """(3000, 5): six heaps of points."""
    draw = np.random.default_rng(0)
    heaps = draw.normal(0, 10, (6, 5))
    return (heaps[draw.integers(6, size=3000)] + draw.normal(0, 1, (3000, 5))).astype(np.float32)


def test_clusters_are_scikit_learns_with_huberts_settings(frames):
    from sklearn.cluster import MiniBatchKMeans

    theirs = MiniBatchKMeans(
        n_clusters=6,
        init="k-means++",
        max_iter=100,
        batch_size=10000,
        tol=0.0,
        max_no_improvement=100,
        n_init=20,
        reassignment_ratio=0.0,
        random_state=4,
    ).fit(frames)
    ours = fit_quantizer(frames, 6, seed=4)
    np.testing.assert_array_equal(ours.centres, theirs.cluster_centers_)
    np.testing.assert_array_equal(ours(frames), theirs.predict(frames))
    assert ours.inertia == pytest.approx(theirs.inertia_ / len(frames), rel=1e-4)


def test_the_seed_decides(frames):
    first, again, other = (fit_quantizer(frames, 20, seed=s, starts=1) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.centres, again.centres)
    assert not np.array_equal(first.centres, other.centres)


def test_more_clusters_than_frames_are_refused(frames):
    with pytest.raises(SerbenchError, match="9 clusters cannot be fitted on 8 frames"):
        fit_quantizer(frames[:8], 9)


def test_mfcc_is_every_second_kaldi_frame_with_deltas(audio):
    wave = audio.wave(5)
    still = torchaudio.compliance.kaldi.mfcc(wave[None], sample_frequency=16000, use_energy=False)
    first = torchaudio.functional.compute_deltas(still.T)
    second = torchaudio.functional.compute_deltas(first)
    expected = torch.cat([still.T, first, second]).T[::2]
    np.testing.assert_allclose(mfcc()(wave), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("samples", [400, 559, 560, 719, 720, 721, 16000, 31999, 80080, 123457])
def test_mfcc_has_a_frame_for_each_of_hubert(samples, small_hubert):
    wave = torch.randn(samples, generator=torch.Generator().manual_seed(0))
    model = MaskedPrediction(small_hubert(), 4)
    assert mfcc()(wave).shape == (model.frames(samples), 39)


@pytest.mark.parametrize("more", [0, 79, 80, 399, 400])
def test_a_long_recording_is_cut_where_no_frame_is_lost(small_hubert, more):
    encoder = small_hubert("layer")
    wave = torch.randn(60 * 16_000 + more, generator=torch.Generator().manual_seed(0))
    frames = layer(encoder, 0, normalize=True)(wave)
    assert len(frames) == MaskedPrediction(encoder, 4).frames(len(wave))
    whole = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
    with torch.inference_mode():
        theirs = encoder(whole[None], output_hidden_states=True).hidden_states[0][0]
    seam = 16  # frames at either side of a seam, where the convolved positions look over it
    inner = [*range(1500 - seam), *range(1500 + seam, 3000 - seam)]
    np.testing.assert_allclose(frames[inner], theirs[inner], rtol=1e-3, atol=1e-4)


def test_a_recording_without_a_frame_has_no_label(tmp_path, voices):
    soundfile.write(tmp_path / "click.wav", np.zeros(399), 16_000)
    recordings = [
        Recording(tmp_path / "click.wav", "a"),
        Recording(voices / "speaker0/00.wav", "b"),
    ]
    audio = Audio(recordings)
    frames = gather(audio, [0, 1], mfcc())
    labels = label(audio, mfcc(), fit_quantizer(frames, 2, starts=1))
    assert len(labels.crop(0, 0)) == 0
    assert len(labels.crop(1, 0)) == len(frames)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_layers_are_counted_as_transformers_does(small_hubert, audio, number):
    encoder = small_hubert()
    wave = audio.wave(1)
    expected = []
    part = encoder.encoder.dropout if number == 0 else encoder.encoder.layers[number - 1]
    part.register_forward_hook(lambda _, __, output: expected.append(output))
    found = layer(encoder, number, normalize=False)(wave)
    np.testing.assert_array_equal(found, expected[0][0].detach())
    with pytest.raises(SerbenchError, match="no layer 3; this encoder has layers 0 to 2"):
        layer(encoder, 3, normalize=False)


def test_labels_are_the_nearest_centres_of_each_recording(audio):
    found = gather(audio, [0, 4, 7], mfcc())
    quantizer = fit_quantizer(found, 8, starts=2)
    labels = label(audio, mfcc(), quantizer)
    assert labels.clusters == 8
    for row in range(len(audio)):
        own = mfcc()(audio.wave(row))
        distances = ((own[:, None] - quantizer.centres) ** 2).sum(-1)
        codes = labels.crop(row, 0)
        chosen = np.take_along_axis(distances, codes[:, None].astype(int), 1)[:, 0]
        np.testing.assert_allclose(chosen, distances.min(1), rtol=1e-3)
    np.testing.assert_array_equal(labels.crop(4, 3, 5), labels.crop(4, 0)[3:8])


def test_entropy_is_in_nats():
    quarter = Labels.of([np.array([0, 1], np.uint16), np.array([2, 3, 3, 2, 1, 0], np.uint16)], 9)
    assert quarter.entropy() == pytest.approx(math.log(4))
    skewed = Labels.of([np.array([0, 0, 0, 1], np.uint16)], 2)
    assert skewed.entropy() == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


def test_labels_and_quantizers_survive_their_files(tmp_path, frames):
    labels = Labels.of([np.arange(5, dtype=np.uint16), np.arange(300, 304, dtype=np.uint16)], 500)
    labels.save(tmp_path / "labels.safetensors")
    read = Labels.load(tmp_path / "labels.safetensors")
    assert read.clusters == 500
    assert read.crop(1, 1).tolist() == [301, 302, 303]
    assert (tmp_path / "labels.safetensors").stat().st_size < 400
    quantizer = fit_quantizer(frames, 6, starts=1)
    quantizer.save(tmp_path / "quantizer.safetensors")
    again = Quantizer.load(tmp_path / "quantizer.safetensors")
    np.testing.assert_array_equal(again(frames), quantizer(frames))
