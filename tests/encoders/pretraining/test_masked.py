from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchaudio.models import hubert_pretrain_model
from torchaudio.models.wav2vec2.components import _compute_mask_indices

from serbench.encoders.pretraining.audio import Cutting
from serbench.encoders.pretraining.masked import (
    MaskedBatch,
    MaskedBatches,
    MaskedPrediction,
    Masking,
    Objective,
    mask_spans,
)
from serbench.encoders.pretraining.pseudo_labels import Labels
from serbench.encoders.waveform import normalized
from serbench.errors import SerbenchError

CLUSTERS = 11
NORMS = ["group", "layer"]


@pytest.fixture
def predictor(small_hubert) -> Callable[..., MaskedPrediction]:
    def make(norm: str = "group", **objective) -> MaskedPrediction:
        own = Objective(**objective)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return MaskedPrediction(small_hubert(norm), CLUSTERS, width=24, objective=own)

    return make


def torchaudio_twin(model: MaskedPrediction, norm: str, gradient: float | None = None):
    """Return torchaudio's HuBERT pre-training model with the weights of ours."""
    twin = hubert_pretrain_model(
        extractor_mode=f"{norm}_norm",
        extractor_conv_layer_config=[(16, k, s) for k, s in _kernels()],
        extractor_conv_bias=norm == "layer",
        encoder_embed_dim=32,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=2,
        encoder_num_heads=4,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=64,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=norm == "layer",
        encoder_layer_drop=0.0,
        mask_prob=0.8,
        mask_selection="static",
        mask_other=0.0,
        mask_length=10,
        no_mask_overlap=False,
        mask_min_space=1,
        mask_channel_prob=0.0,
        mask_channel_selection="static",
        mask_channel_other=0.0,
        mask_channel_length=10,
        no_mask_channel_overlap=False,
        mask_channel_min_space=1,
        skip_masked=False,
        skip_nomask=True,
        num_classes=CLUSTERS,
        final_dim=24,
        feature_grad_mult=gradient,
    )
    twin.load_state_dict({_theirs(name): value for name, value in model.state_dict().items()})
    return twin


def _kernels() -> list[tuple[int, int]]:
    return [(10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2]


def _theirs(name: str) -> str:
    for ours, theirs in (
        ("project.", "logit_generator.final_proj."),
        ("embeddings", "logit_generator.label_embeddings"),
        ("encoder.masked_spec_embed", "mask_generator.mask_embedding"),
        ("encoder.feature_extractor.", "wav2vec2.feature_extractor."),
        ("encoder.feature_projection.", "wav2vec2.encoder.feature_projection."),
        ("encoder.encoder.", "wav2vec2.encoder.transformer."),
    ):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def example(seconds: float = 1.0, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    waves = 0.1 * torch.randn(batch, int(16000 * seconds), generator=draw)
    frames = (waves.shape[1] - 400) // 320 + 1
    return waves, torch.randint(CLUSTERS, (batch, frames), generator=draw)


def batch_of(waves, labels, mask) -> MaskedBatch:
    return MaskedBatch(waves, labels, mask, torch.zeros(len(waves), dtype=torch.int64))


def torchaudio_run(twin, waves, labels):
    """Return torchaudio's masked logits and penalty, and the mask that it drew."""
    drawn = []
    hook = twin.mask_generator.register_forward_hook(lambda *call: drawn.append(call[-1][1]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        logits, _, penalty = twin(waves, labels)
    hook.remove()
    return logits, penalty, drawn[0]


@pytest.mark.parametrize("norm", NORMS)
def test_logits_loss_and_gradients_equal_torchaudio(predictor, norm):
    model = predictor(norm, gradient=0.1)
    twin = torchaudio_twin(model, norm, 0.1)
    waves, labels = example()
    theirs, penalty, mask = torchaudio_run(twin, waves, labels)
    # the truth is their column 0 and taken out of its own place; fairseq's per-frame objective
    loss = F.cross_entropy(theirs, torch.zeros(len(theirs), dtype=torch.int64))
    (loss + 10 * penalty).backward()

    outcome = model(batch_of(waves, labels, mask))
    outcome.objective.backward()
    ours = model.logits(model.encode(model.convolve(waves), mask)[mask])
    own = ours.gather(1, labels[mask][:, None])
    torch.testing.assert_close(own[:, 0], theirs[:, 0], rtol=0, atol=2e-5)
    others = torch.where(torch.isinf(theirs[:, 1:]), own, theirs[:, 1:])
    torch.testing.assert_close(ours, others, rtol=0, atol=2e-5)
    torch.testing.assert_close(outcome.report["masked_loss"], loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(outcome.report["feature_penalty"], penalty, rtol=1e-6, atol=0)
    gradients = {name: p.grad for name, p in twin.named_parameters()}
    for name, parameter in model.named_parameters():
        theirs = gradients[_theirs(name)]
        assert (parameter.grad - theirs).norm() <= 1e-4 * theirs.norm() + 1e-7, name


@pytest.mark.parametrize("norm", NORMS)
def test_without_masks_it_is_transformers_own_model(predictor, norm):
    model = predictor(norm).eval()
    waves, labels = example()
    with torch.inference_mode():
        ours = model.encode(model.convolve(waves), torch.zeros_like(labels, dtype=torch.bool))
        theirs = model.encoder(waves).last_hidden_state
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("samples", [400, 719, 720, 721, 16001, 31999, 80080, 123457])
def test_frames_are_those_of_the_encoder(predictor, samples):
    model = predictor()
    with torch.inference_mode():
        assert model.convolve(torch.zeros(1, samples)).shape[1] == model.frames(samples)


def test_the_transformer_sees_the_mask_vector_and_nothing_of_the_frame(predictor):
    model = predictor().eval()
    seen = []
    model.encoder.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    waves, labels = example()
    mask = mask_spans(*labels.shape, Masking(), torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = model.convolve(waves)
        first = model.encode(features, mask)
        changed = torch.where(mask[..., None], torch.randn_like(features), features)
        second = model.encode(changed, mask)
    vector = model.encoder.masked_spec_embed
    assert torch.equal(seen[0][mask], vector.expand(int(mask.sum()), -1))
    assert not (seen[0][~mask] == vector).all(-1).any()
    assert torch.equal(first, second)


@pytest.mark.parametrize("gradient", [0.0, 0.1, 1.0])
def test_gradient_of_the_convolutions_is_scaled(predictor, gradient):
    waves, labels = example()
    mask = mask_spans(*labels.shape, Masking(), torch.Generator().manual_seed(0))
    norms = []
    for factor in (gradient, 1.0):
        model = predictor(gradient=factor)
        model(batch_of(waves, labels, mask)).objective.backward()
        grads = [p.grad for p in model.encoder.feature_extractor.parameters()]
        norms.append(sum(0.0 if g is None else float(g.norm()) for g in grads))
    assert norms[0] == pytest.approx(gradient * norms[1], rel=1e-5)


def test_untrained_loss_is_near_the_logarithm_of_the_clusters(predictor):
    model = predictor(temperature=10.0)  # cosines then hardly differ
    waves, labels = example()
    mask = mask_spans(*labels.shape, Masking(), torch.Generator().manual_seed(0))
    with torch.inference_mode():
        loss = model(batch_of(waves, labels, mask)).report["masked_loss"]
    assert float(loss) == pytest.approx(math.log(CLUSTERS), abs=0.03)


@pytest.mark.parametrize("frames", [12, 49, 149, 499])
def test_masks_have_torchaudios_statistics(frames):
    batch, repeats = 8, 150
    draw = torch.Generator().manual_seed(0)
    ours = [mask_spans(batch, frames, Masking(), draw) for _ in range(repeats)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [
            _compute_mask_indices((batch, frames), None, 0.8, 10, "static", 0.0, min_masks=2)
            for _ in range(repeats)
        ]
    share, spread = _moments(ours)
    expected, their_spread = _moments(theirs)
    assert share == pytest.approx(expected, abs=5 * their_spread / math.sqrt(repeats))
    assert spread == pytest.approx(their_spread, rel=0.25)
    place = torch.stack(ours).float().mean((0, 1)) - torch.stack(theirs).float().mean((0, 1))
    assert float(place.abs().max()) < 5 * math.sqrt(0.5 / (batch * repeats))


def _moments(masks: list[torch.Tensor]) -> tuple[float, float]:
    shares = torch.stack([mask.float().mean() for mask in masks])
    return float(shares.mean()), float(shares.std())


def test_every_row_has_as_many_masked_frames():
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        assert len(set(mask_spans(7, 150, Masking(), draw).sum(1).tolist())) == 1


def test_a_clip_too_short_for_the_masks_is_refused():
    with pytest.raises(SerbenchError, match="2 frames is too short"):
        mask_spans(1, 2, Masking(), torch.Generator())


def test_batches_align_labels_and_crops(predictor, audio):
    """Label t of a recording is 100 * row + t; the crop's labels tell where it was cut."""
    model = predictor()
    codes = [100 * row + np.arange(model.frames(n)) for row, n in enumerate(audio.lengths)]
    labels = Labels.of([code.astype(np.uint16) for code in codes], 65536)
    cutting = Cutting(batch=64_000, longest=24_000, shortest=8_000)
    source = MaskedBatches(
        audio, labels, np.arange(len(audio)), cutting, frames=model.frames, seed=0
    )
    for cut in source.epoch(0):
        batch = source.batch(cut, torch.Generator().manual_seed(0))
        assert batch.labels.shape == batch.mask.shape
        assert batch.labels.shape[1] == model.frames(cut.length)
        for wave, row, start, line in zip(
            batch.waves, cut.rows, cut.starts, batch.labels, strict=True
        ):
            assert line[0] == 100 * row + start // 320
            assert torch.equal(wave, audio.wave(row)[start : start + cut.length])


def test_a_normalised_crop_is_a_part_of_the_normalised_recording(predictor, audio):
    """Whose labels are of the whole, too; fairseq's `HubertDataset` normalises, then crops."""
    model = predictor()
    labels = Labels.of([np.zeros(model.frames(n), np.uint16) for n in audio.lengths], CLUSTERS)
    cutting = Cutting(batch=64_000, longest=24_000, shortest=8_000)
    rows = np.arange(len(audio))
    source = MaskedBatches(
        audio, labels, rows, cutting, frames=model.frames, seed=0, normalize=True
    )
    cropped = 0
    for cut in source.epoch(0):
        waves = source.batch(cut, torch.Generator().manual_seed(0)).waves
        for wave, row, start in zip(waves, cut.rows, cut.starts, strict=True):
            whole = audio.wave(row)
            part = slice(start, start + cut.length)
            assert torch.equal(wave, normalized(whole)[part])
            fairseq = F.layer_norm(whole, whole.shape)[part]
            torch.testing.assert_close(wave, fairseq, rtol=1e-3, atol=1e-4)  # its floor is 1e-5
            cropped += cut.length < len(whole)
    assert cropped > 3


def test_labels_one_short_cut_the_frames(predictor, audio):
    model = predictor()
    codes = [np.zeros(model.frames(n) - 1, dtype=np.uint16) for n in audio.lengths]
    labels = Labels.of(codes, CLUSTERS)
    cutting = Cutting(batch=32_000, longest=100_000)
    source = MaskedBatches(
        audio, labels, np.arange(len(audio)), cutting, frames=model.frames, seed=0
    )
    for cut in source.epoch(0):
        batch = source.batch(cut, torch.Generator().manual_seed(0))
        ends = audio.lengths[cut.rows] - cut.starts - cut.length
        assert batch.labels.shape[1] >= model.frames(cut.length) - int(ends.min() < 320)
        assert torch.isfinite(model(batch).objective)


def test_normalisation_is_transformers_own():
    from transformers import Wav2Vec2FeatureExtractor

    waves, _ = example()
    extract = Wav2Vec2FeatureExtractor(do_normalize=True)
    theirs = extract([3 * w.numpy() + 1 for w in waves], sampling_rate=16000).input_values
    ours = normalized(3 * waves + 1)
    np.testing.assert_allclose(ours.numpy(), np.stack(theirs), atol=1e-5)


def test_unmasked_frames_count_with_their_weight(predictor):
    waves, labels = example()
    mask = mask_spans(*labels.shape, Masking(), torch.Generator().manual_seed(0))
    batch = batch_of(waves, labels, mask)
    with torch.no_grad():
        alone, both = predictor()(batch), predictor(unmasked=0.5)(batch)
        model = predictor()
        frames = model.encode(model.convolve(waves), mask)[~mask]
        seen = F.cross_entropy(model.logits(frames), labels[~mask])
    assert both.report["masked_loss"] == alone.report["masked_loss"]
    torch.testing.assert_close(both.report["unmasked_loss"], seen)
    torch.testing.assert_close(both.objective, alone.objective + 0.5 * seen)


def layers_run(model: MaskedPrediction, batch: MaskedBatch, times: int) -> int:
    """Return how many layers of the Transformer are run in so many forward passes."""
    ran = []
    for layer in model.encoder.encoder.layers:
        layer.register_forward_hook(lambda *call: ran.append(1))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for _ in range(times):
            model(batch)
    return len(ran)


@pytest.mark.parametrize("norm", NORMS)
def test_layer_drop_of_nothing_is_no_layer_drop(small_hubert, norm):
    """It draws nothing either, so dropout is as without it, bit for bit."""
    model = MaskedPrediction(small_hubert(norm), CLUSTERS, layer_drop=0.0)
    waves, labels = example()
    mask = mask_spans(*labels.shape, Masking(), torch.Generator().manual_seed(0))
    batch = batch_of(waves, labels, mask)
    before = torch.random.get_rng_state()
    training = model.train()(batch).report["masked_loss"]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(training, model.eval()(batch).report["masked_loss"])


@pytest.mark.parametrize("norm", NORMS)
def test_layers_are_dropped_in_training_alone_as_often_as_asked(small_hubert, norm):
    waves, labels = example(0.3)
    mask = mask_spans(*labels.shape, Masking(), torch.Generator().manual_seed(0))
    batch = batch_of(waves, labels, mask)
    model = MaskedPrediction(small_hubert(norm), CLUSTERS, layer_drop=0.3)
    assert layers_run(model.eval(), batch, 3) == 6
    dropping = MaskedPrediction(small_hubert(norm), CLUSTERS, layer_drop=0.3).train()
    ran = layers_run(dropping, batch, 300)
    assert ran / 600 == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 600))


def test_layer_drop_is_off_unless_asked_for(small_hubert):
    assert small_hubert().config.layerdrop == 0.1  # transformers' default
    assert MaskedPrediction(small_hubert(), 3).encoder.config.layerdrop == 0.0
    assert MaskedPrediction(small_hubert(), 3, layer_drop=0.05).encoder.config.layerdrop == 0.05
