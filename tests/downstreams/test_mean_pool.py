"""SUPERB's head against s3prl's own, and on means in place of frames."""

from __future__ import annotations

import torch

from serbench.downstreams.mean_pool import MeanPool, make

DIM = 6
LENGTHS = torch.tensor([7, 3, 1])
SPEAKERS = torch.zeros(3, dtype=torch.int64)


def head(**options: int) -> MeanPool:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(DIM, **options)


def padded() -> torch.Tensor:
    frames = torch.randn(3, 7, DIM, generator=torch.Generator().manual_seed(1))
    return frames * (torch.arange(7) < LENGTHS[:, None])[..., None]


def test_equals_s3prls_projector_and_pooling() -> None:
    from s3prl.downstream.model import UtteranceLevel

    ours, frames = head(), padded()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        theirs = UtteranceLevel(input_dim=256, output_dim=4)
    expected, _ = theirs(ours.project(frames), LENGTHS)
    # the last layer of theirs is the system's output, not the head's
    got = theirs.post_net.linear(ours(frames, LENGTHS, SPEAKERS))
    torch.testing.assert_close(got, expected)


def test_width() -> None:
    assert head().embedding_dim == 256
    assert head(width=5)(padded(), LENGTHS, SPEAKERS).shape == (3, 5)


def test_means_are_all_it_needs() -> None:
    frames = padded()
    means = torch.stack([f[:n].mean(0, keepdim=True) for f, n in zip(frames, LENGTHS, strict=True)])
    assert MeanPool.needs == "mean"
    ours = head()
    torch.testing.assert_close(
        ours(means, torch.ones_like(LENGTHS), SPEAKERS), ours(frames, LENGTHS, SPEAKERS)
    )
