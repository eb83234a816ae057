"""The recogniser of Li et al.: its attention against torch's own, its statistics, its memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from serbench.downstreams.attention import Attention, SelfAttention, make
from serbench.errors import SerbenchError

LENGTHS = torch.tensor([9, 4, 1])
SPEAKERS = torch.zeros(3, dtype=torch.int64)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def frames(dim: int) -> Tensor:
    return noise(3, 9, dim) * (torch.arange(9) < LENGTHS[:, None])[..., None]


def head(dim: int = 6, **options: float) -> Attention:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(dim, **options)


def test_attention_equals_torchs_with_the_same_weights() -> None:
    ours = SelfAttention(16, heads=4, hidden=16)
    theirs = nn.MultiheadAttention(16, 4, bias=False, batch_first=True)
    theirs.in_proj_weight.data = ours.project.weight.data
    theirs.out_proj.weight.data = ours.merge.weight.data
    x, padding = frames(16), torch.arange(9) >= LENGTHS[:, None]
    expected, _ = theirs(x, x, x, key_padding_mask=padding)
    expected = expected.masked_fill(padding[..., None], 0.0)
    torch.testing.assert_close(ours(x, LENGTHS), expected)


def test_heads_of_another_width_follow_the_formula() -> None:
    attention, x = SelfAttention(6, heads=2, hidden=10), noise(1, 9, 6)
    queries, keys, values = (x[0] @ attention.project.weight.T).split(10, dim=1)
    mixed = []
    for part in (slice(0, 5), slice(5, 10)):
        weights = (queries[:, part] @ keys[:, part].T / 5**0.5).softmax(1)
        mixed.append(weights @ values[:, part])
    expected = torch.cat(mixed, dim=1) @ attention.merge.weight.T
    torch.testing.assert_close(attention(x, torch.tensor([9]))[0], expected)


def test_sizes_are_the_papers() -> None:
    made = head(256)
    assert [tuple(p.shape) for p in made.attention.parameters()] == [(1536, 256), (256, 512)]
    kinds = [type(layer) for layer in made.layers]
    assert kinds == [nn.Linear, nn.ReLU, nn.Dropout] * 2
    assert [tuple(made.layers[i].weight.shape) for i in (0, 3)] == [(128, 512), (128, 128)]
    assert made.layers[2].p == made.layers[5].p == 0.2
    assert made.embedding_dim == 128


def test_the_utterance_is_mean_and_deviation_of_its_own_frames() -> None:
    made = head().eval()
    made.layers, attended = nn.Identity(), made.attention(frames(6), LENGTHS)
    found = made(frames(6), LENGTHS, SPEAKERS)
    for row, length in enumerate(LENGTHS.tolist()):
        own = attended[row, :length]
        torch.testing.assert_close(found[row, :6], own.mean(0))
        spread = own.std(0, correction=0).clamp(min=1e-4)
        torch.testing.assert_close(found[row, 6:], spread, atol=1e-6, rtol=1e-4)


def test_what_lies_in_the_padding_is_not_seen() -> None:
    made, beyond = head().eval(), torch.arange(9) >= LENGTHS[:, None]
    filled = frames(6).masked_fill(beyond[..., None], 1e3)
    torch.testing.assert_close(
        made(filled, LENGTHS, SPEAKERS), made(frames(6), LENGTHS, SPEAKERS), atol=0, rtol=0
    )


def test_one_frame_has_a_gradient_that_is_finite() -> None:
    x = noise(1, 1, 6).requires_grad_()
    head()(x, torch.tensor([1]), SPEAKERS[:1]).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize(("heads", "hidden"), [(3, 512), (0, 512), (8, 0)])
def test_heads_that_do_not_divide_the_width_are_told(heads: int, hidden: int) -> None:
    with pytest.raises(SerbenchError, match=f"hidden = {hidden} .* heads = {heads}"):
        make(6, heads=heads, hidden=hidden)


LONG = """
import resource, torch
from serbench.downstreams.attention import SelfAttention
torch.set_num_threads(1)
attention, lengths = SelfAttention(8, 8, 16), torch.tensor([4000, 3000])
frames = torch.randn(2, 4000, 8)
attention(frames[:, :10], torch.tensor([10, 9])).sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
attention(frames, lengths).sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_long_clips_do_not_take_the_square_of_their_frames() -> None:
    found = subprocess.run([sys.executable, "-c", LONG], check=True, capture_output=True, text=True)
    unit = 1 if sys.platform == "darwin" else 1024
    all_weights = 2 * 8 * 4000**2 * 4
    assert int(found.stdout) * unit < all_weights / 4
