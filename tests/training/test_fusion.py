"""Streams side by side: planted times, and what fusion with itself must be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from serbench.downstreams import mean_pool
from serbench.training.fusion import side_by_side
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.upstreams import Features

SPEAKERS = torch.zeros(2, dtype=torch.int64)


def clocks(hop: float, *lengths: int) -> tuple[Tensor, Tensor]:
    """Return frames that say their own time, (B, T, 1), zero beyond each length."""
    longest = max(lengths)
    times = hop * (torch.arange(longest) + 0.5).repeat(len(lengths), 1)
    inside = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return (times * inside)[..., None], torch.tensor(lengths)


def test_streams_of_one_hop_are_cut_to_the_shorter() -> None:
    joined, lengths = side_by_side([clocks(0.02, 9, 5), clocks(0.02, 8, 6)], [7.0, 7.0])
    assert lengths.tolist() == [8, 5]
    assert joined.shape == (2, 8, 2)
    torch.testing.assert_close(joined[0, :, 0], joined[0, :, 1])
    assert not joined[1, 5:].any(), "padding stays zero"


@pytest.mark.parametrize("ratio", [2, 3, 2.5])
def test_where_hops_differ_frames_of_one_time_meet(ratio: float) -> None:
    """A frame of the slower stream stands beside the mean of those that lie in its time."""
    fast = clocks(0.02 / ratio, int(20 * ratio), int(10 * ratio))
    slow = clocks(0.02, 20, 10)
    for streams, column in (([fast, slow], 0), ([slow, fast], 1)):
        paces = [float(lengths.float().mean()) for _, lengths in streams]
        joined, lengths = side_by_side(streams, paces)
        assert lengths.tolist() == [20, 10]
        for row, length in enumerate((20, 10)):
            times = joined[row, :length]
            torch.testing.assert_close(times[:, 0], times[:, 1], atol=0.02 / ratio, rtol=0)
            assert not joined[row, length:].any()
        assert joined[0, :, column].diff().min() > 0


def test_a_stream_twice_as_fast_gives_means_of_pairs() -> None:
    frames = torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(0))
    slow = torch.zeros(1, 4, 1)
    joined, _ = side_by_side([(frames, torch.tensor([8])), (slow, torch.tensor([4]))], [8.0, 4.0])
    torch.testing.assert_close(joined[..., :3], frames.reshape(1, 4, 2, 3).mean(2))


def features(seed: int = 0) -> Features:
    layers = torch.randn(3, 2, 6, 4, generator=torch.Generator().manual_seed(seed))
    return Features(layers, torch.tensor([6, 6]))


def test_early_fusion_of_an_upstream_with_itself_is_concatenation() -> None:
    system = System([Stream(3, 4), Stream(3, 4)], [mean_pool.make(8, width=5)], 2)
    mixed = features().layers.mean(0)
    doubled = torch.cat([mixed, mixed], dim=2)
    expected = system.output(system.heads[0](doubled, torch.tensor([6, 6]), SPEAKERS))
    torch.testing.assert_close(system([features(), features()], SPEAKERS), expected)


def test_late_fusion_concatenates_the_embeddings_of_a_head_each() -> None:
    heads = [mean_pool.make(4, width=5), mean_pool.make(4, width=5)]
    system = System([Stream(3, 4), Stream(3, 4)], heads, 2)
    lengths = torch.tensor([6, 6])
    own = [
        head(features(seed).layers.mean(0), lengths, SPEAKERS) for seed, head in enumerate(heads)
    ]
    expected = system.output(torch.cat(own, dim=1))
    torch.testing.assert_close(system([features(0), features(1)], SPEAKERS), expected)


def test_neither_one_head_nor_one_a_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="2 heads for 3 streams"):
        System([Stream(1, 4)] * 3, [mean_pool.make(4), mean_pool.make(4)], 2)
