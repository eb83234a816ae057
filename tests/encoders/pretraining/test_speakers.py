from __future__ import annotations

import numpy as np
import pytest
import torch

from serbench.encoders.pretraining.audio import Cutting
from serbench.encoders.pretraining.masked import (
    MaskedBatch,
    MaskedBatches,
    MaskedPrediction,
    Masking,
    mask_spans,
)
from serbench.encoders.pretraining.pseudo_labels import Labels
from serbench.encoders.speakers import SpeakerModule
from serbench.encoders.tensors import write_tensors
from serbench.errors import SerbenchError

NAMES = ["ann", "bob", "cid"]
POSITIONS = ["last", "first", "prefix", "none"]


def module(position: str = "last") -> SpeakerModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return SpeakerModule(NAMES, 32, position=position, width=8)


def model(small_hubert, speakers: SpeakerModule | None) -> MaskedPrediction:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return MaskedPrediction(small_hubert(), 7, width=16, speakers=speakers)


@pytest.fixture
def batch() -> MaskedBatch:
    draw = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(2, 16000, generator=draw)
    labels = torch.randint(7, (2, 49), generator=draw)
    return MaskedBatch(waves, labels, mask_spans(2, 49, Masking(), draw), torch.tensor([2, 0]))


@pytest.mark.parametrize("position", POSITIONS)
def test_the_gradient_reaches_the_rows_of_the_batch_alone(small_hubert, batch, position):
    speakers = module(position)
    model(small_hubert, speakers)(batch).objective.backward()
    gradient = speakers.table.weight.grad
    if position == "none":
        assert gradient is None
        return
    assert (gradient.norm(dim=1) > 0).tolist() == [True, False, True]


def test_without_position_it_is_the_model_without_speakers(small_hubert, batch):
    with torch.inference_mode():
        plain = model(small_hubert, None)(batch)
        none = model(small_hubert, module("none"))(batch)
    assert torch.equal(plain.objective, none.objective)


def test_each_position_is_what_the_paper_says(small_hubert, batch):
    """Written out by hand with transformers' own parts."""
    for position in ("last", "first", "prefix"):
        speakers = module(position)
        whole = model(small_hubert, speakers).eval()
        encoder = whole.encoder
        with torch.inference_mode():
            features = whole.convolve(batch.waves)
            hidden = encoder.feature_projection(features)
            hidden[batch.mask] = encoder.masked_spec_embed
            vector = speakers.table.weight[batch.speakers] @ speakers.linear.weight.T
            vector = (vector + speakers.linear.bias)[:, None]
            if position == "first":
                hidden = hidden + vector
            if position == "prefix":
                hidden = torch.cat([vector, hidden], 1)
            output = encoder.encoder(hidden)[0]
            if position == "last":
                output = output + vector
            expected = output[:, -49:]
            found = whole.encode(features, batch.mask, batch.speakers)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_batch_has_the_rows_of_its_speakers(small_hubert, audio):
    names = sorted({recording.speaker for recording in audio.recordings})
    speakers = SpeakerModule(names[::-1], 32)
    labels = Labels.of([np.zeros((n - 400) // 320 + 1, np.uint16) for n in audio.lengths], 7)
    frames = model(small_hubert, None).frames
    rows = np.arange(len(audio))
    source = MaskedBatches(audio, labels, rows, Cutting(), frames=frames, seed=0, speakers=speakers)
    for cut in source.epoch(0):
        found = source.batch(cut, torch.Generator().manual_seed(0)).speakers
        expected = [audio.recordings[row].speaker for row in cut.rows]
        assert [speakers.names[row] for row in found] == expected
    other = SpeakerModule(names[1:], 32)
    with pytest.raises(SerbenchError, match="no adapted speaker 'speaker0'"):
        MaskedBatches(audio, labels, rows, Cutting(), frames=frames, seed=0, speakers=other)


def test_unseen_speakers_get_the_nearest_the_mean_or_nothing():
    speakers = module()
    with pytest.raises(SerbenchError, match="no profiles"):
        speakers.unseen("nearest", torch.zeros(1, 32))
    shared = 100 * torch.ones(32)  # what all voices have in common must not decide
    speakers.profiles.copy_(torch.eye(32)[:3] + shared)
    strangers = torch.stack([3 * torch.eye(32)[1], torch.eye(32)[2] + 0.3]) + shared
    with torch.inference_mode():
        vectors = speakers(torch.arange(3))
        assert torch.equal(speakers.unseen("nearest", strangers), vectors[[1, 2]])
        torch.testing.assert_close(
            speakers.unseen("mean", strangers), vectors.mean(0).expand(2, -1)
        )
        assert not speakers.unseen("none", strangers).any()
        with pytest.raises(SerbenchError, match="no rule for unseen speakers 'nearst'"):
            speakers.unseen("nearst", strangers)


@pytest.mark.parametrize("position", POSITIONS)
def test_what_is_saved_is_loaded(tmp_path, position):
    speakers = SpeakerModule(["ann", "Ömer, 3", 'b"c'], 32, position=position, width=8, profile=5)
    speakers.profiles.copy_(torch.arange(15.0).view(3, 5))
    speakers.save(tmp_path / "speakers.safetensors")
    state = torch.get_rng_state()
    loaded = SpeakerModule.load(tmp_path / "speakers.safetensors")
    assert torch.equal(state, torch.get_rng_state())
    assert (loaded.names, loaded.position) == (speakers.names, position)
    assert loaded.rows(['b"c']).tolist() == [2]
    for name, tensor in speakers.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    loaded.save(tmp_path / "again.safetensors")
    same = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("speakers", "again")]
    assert same[0] == same[1]
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "speakers.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(SerbenchError, match="cannot be read as safetensors"):
        SpeakerModule.load(path)
    write_tensors(path, {"weight": torch.zeros(2)})
    with pytest.raises(SerbenchError, match="is not of a speaker module"):
        SpeakerModule.load(path)


def test_bad_tables_are_refused():
    with pytest.raises(SerbenchError, match="2 speakers with 1 different"):
        SpeakerModule(["a", "a"], 8)
    with pytest.raises(SerbenchError, match="no speaker position 'lost'; did you mean 'last'"):
        SpeakerModule(["a"], 8, position="lost")
