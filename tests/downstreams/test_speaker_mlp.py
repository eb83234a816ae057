"""The personalised head against a loop over utterances, and what becomes of strangers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from serbench.checks import check_downstream
from serbench.downstreams.mlp import Mlp
from serbench.downstreams.speaker_mlp import SpeakerMlp, make

SIZES = {"small": (256, 64), "deep": (1024, 256, 64, 64)}
ONES = torch.ones(6, dtype=torch.int64)
ROWS = torch.tensor([3, 0, 1, 2, 3, 1])


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def head(speakers: int = 3, voices: Tensor | None = None, **options: Any) -> SpeakerMlp:
    """Return a head for some speakers whose batch statistics and vectors are of some size."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = make(10, **options)
        made.enrol(speakers, voices)
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.uniform_(-1, 1)
                module.running_var.uniform_(0.5, 2)
        if voices is None:
            made.speaker.table.weight[1:].data.normal_()
    return made.eval()


def dense(made: Mlp, x: Tensor) -> Tensor:
    """Return dense, ReLU and batch normalisation of one (D,) vector, layer by layer."""
    for i in range(0, len(made.layers), 4):
        linear, norm = made.layers[i], made.layers[i + 3]
        x = F.relu(linear.weight @ x + linear.bias) - norm.running_mean
        x = x / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    return x


@pytest.mark.parametrize("size", SIZES)
def test_equals_a_loop_over_utterances(size: str) -> None:
    made = head(size=size)
    assert tuple(layer.out_features for layer in made.layers[::4]) == SIZES[size]
    table, frames, expected = made.speaker.table.weight, noise(6, 1, 10), []
    for frame, row in zip(frames[:, 0], ROWS.tolist(), strict=True):
        own = table[row] if row else torch.zeros(64)
        expected.append(dense(made, frame + made.speaker.project.weight @ own))
    torch.testing.assert_close(made(frames, ONES, ROWS), torch.stack(expected))


def test_a_speaker_not_trained_on_gets_the_head_without_conditioning() -> None:
    made, frames = head(), noise(6, 1, 10)
    plain = Mlp(10, SIZES["small"], 0.1).eval()
    plain.layers.load_state_dict(made.layers.state_dict())
    found = made(frames, ONES, torch.zeros_like(ROWS))
    torch.testing.assert_close(found, plain(frames, ONES, ROWS), rtol=0, atol=0)
    assert not torch.allclose(made(frames, ONES, ROWS)[0], found[0])


def test_the_reserved_row_stays_zero_when_all_else_learns() -> None:
    made = head().train()
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.1)
    before = made.speaker.table.weight.clone()
    made(noise(6, 1, 10), ONES, ROWS).square().sum().backward()
    optimizer.step()
    assert not made.speaker.table.weight[0].any()
    assert (made.speaker.table.weight != before)[1:].all()


def test_a_head_for_nobody_is_the_one_without_conditioning() -> None:
    with torch.random.fork_rng():
        made = make(10).eval()
    found = made(noise(6, 1, 10), ONES, torch.zeros_like(ROWS))
    torch.testing.assert_close(found[0], dense(made, noise(6, 1, 10)[0, 0]))


# --- what a speaker sounds like ---


def voices(count: int) -> Tensor:
    """Return mean MFCC as far apart as real ones are, none for row 0."""
    table = noise(count, 13, seed=2) * torch.linspace(30, 1, 13) + torch.linspace(-300, 5, 13)
    return torch.cat([torch.zeros(1, 13), table])


def test_voices_are_taken_in_deviations_of_the_speakers_trained_on() -> None:
    table, frames, rows = voices(5), noise(6, 1, 10), torch.tensor([1, 2, 3, 4, 5, 0])
    made, expected = head(3, table, speaker="mfcc"), []
    known = torch.stack([table[1], table[2], table[3]])
    mean = sum(known) / 3
    spread = (sum((row - mean) ** 2 for row in known) / 3).sqrt()
    for frame, row in zip(frames[:, 0], rows.tolist(), strict=True):
        own = (table[row] - mean) / spread if row else torch.zeros(13)
        expected.append(dense(made, frame + made.speaker.project.weight @ own))
    torch.testing.assert_close(made(frames, ONES, rows), torch.stack(expected))


def test_a_coefficient_that_all_share_is_left_out() -> None:
    table = voices(3)
    table[1:, 4] = 7.0
    made = head(3, table, speaker="mfcc")
    assert made.speaker.table.isfinite().all()
    assert not made.speaker.table[:, 4].any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("speakers", [0, 1])
def test_too_few_speakers_to_tell_apart_give_the_head_without_conditioning(speakers: int) -> None:
    made, frames = head(speakers, voices(5), speaker="mfcc"), noise(6, 1, 10)
    rows = torch.tensor([1, 2, 3, 4, 5, 0])
    assert torch.equal(made(frames, ONES, rows), made(frames, ONES, torch.zeros_like(rows)))


def test_a_coefficient_that_training_speakers_share_is_zero_for_others_too() -> None:
    table = voices(5)
    table[1:4, 0] = -300.1
    made = head(3, table, speaker="mfcc")
    assert not made.speaker.table[:, 0].any()
    assert made.speaker.table[4:, 1:].all()


def test_voices_are_not_learnt() -> None:
    made = head(3, voices(5), speaker="mfcc")
    assert [name for name, _ in made.speaker.named_parameters()] == ["project.weight"]
    assert "speaker.table" not in made.state_dict()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("speaker", ["id", "mfcc"])
def test_keeps_the_contract(speaker: Any, size: Any) -> None:
    assert check_downstream(lambda dim: make(dim, speaker=speaker, size=size)) == []
    assert make(10, speaker=speaker).conditions_on == speaker
