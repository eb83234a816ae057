"""The mix of layers against s3prl's, and how the parts are put together."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from serbench.downstreams import mean_pool
from serbench.training.streams import LayerMix, Stream
from serbench.training.system import System
from serbench.upstreams import Clips, Features, Upstream

LAYERS = torch.randn(5, 2, 7, 6, generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([7, 7])
SPEAKERS = torch.tensor([0, 1])


def system(depth: int = 5) -> System:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return System([Stream(depth, 6)], [mean_pool.make(6, width=4)], 3)


def drawn_logits(depth: int) -> Tensor:
    return torch.randn(depth, generator=torch.Generator().manual_seed(1))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_mix_equals_s3prls() -> None:
    from s3prl.nn.upstream import Featurizer

    upstream = SimpleNamespace(hidden_sizes=[6] * 5, downsample_rates=[320] * 5, num_layers=5)
    theirs, ours = Featurizer(upstream), LayerMix(5)
    for logits in (torch.zeros(5), drawn_logits(5)):
        theirs.weights.data = ours.logits.data = logits
        expected, _ = theirs(list(LAYERS), [LENGTHS] * 5)
        torch.testing.assert_close(ours(LAYERS), expected)


def test_mix_starts_as_the_plain_average() -> None:
    mix = LayerMix(5)
    torch.testing.assert_close(mix.weights, torch.full((5,), 0.2))
    torch.testing.assert_close(mix(LAYERS), LAYERS.mean(0))


def test_one_layer_is_passed_on() -> None:
    torch.testing.assert_close(LayerMix(1)(LAYERS[:1]), LAYERS[0])


def test_parts_in_order_with_a_linear_output() -> None:
    whole = system()
    whole.streams[0].mix.logits.data = drawn_logits(5)
    embedding = whole.heads[0](whole.streams[0].mix(LAYERS), LENGTHS, SPEAKERS)
    expected = embedding @ whole.output.weight.T + whole.output.bias
    torch.testing.assert_close(whole([Features(LAYERS, LENGTHS)], SPEAKERS), expected)
    torch.testing.assert_close(whole.embed([Features(LAYERS, LENGTHS)], SPEAKERS), embedding)


def test_every_parameter_learns() -> None:
    whole = system()
    whole([Features(LAYERS, LENGTHS)], SPEAKERS).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in whole.parameters())


def test_means_over_time_give_what_frames_give() -> None:
    whole = system()
    whole.streams[0].mix.logits.data = drawn_logits(5)
    lengths = torch.tensor([7, 4])
    frames = LAYERS * (torch.arange(7) < lengths[:, None])[None, ..., None]
    means = (frames.sum(2) / lengths[:, None]).unsqueeze(2)
    expected = whole([Features(frames, lengths)], SPEAKERS)
    torch.testing.assert_close(
        whole([Features(means, torch.ones_like(lengths))], SPEAKERS), expected
    )


class Recurrent(Upstream):
    """Two recurrences, of which one has dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.GRU(4, 4)
        self.dropping = nn.LSTM(4, 4, num_layers=2, dropout=0.5)
        self.dropout = nn.Dropout()
        self.eval()

    def frames(self, samples: int) -> int:
        return samples

    def forward(self, clips: Clips) -> Features:
        raise NotImplementedError


def test_recurrences_of_an_upstream_are_trained_where_that_changes_nothing() -> None:
    """On a GPU they give no gradients otherwise."""
    upstream = Recurrent()
    whole = System([Stream(1, 4, upstream=upstream)], [mean_pool.make(4, width=4)], 3).train()
    modes = (upstream.plain, upstream.dropping, upstream.dropout, upstream)
    assert [module.training for module in modes] == [True, False, False, False]
    assert whole.heads.training
    assert not any(module.training for module in whole.eval().modules())
