"""The dense head: its layers, and that dropout and batch statistics act in training alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from serbench.downstreams.mlp import Mlp, make

SPEAKERS = torch.zeros(8, dtype=torch.int64)
ONES = torch.ones(8, dtype=torch.int64)


def head(**options: object) -> Mlp:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(10, **options)


def means() -> Tensor:
    return torch.randn(8, 1, 10, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("size", "widths"), [("small", [256, 64]), ("deep", [1024, 256, 64, 64])])
def test_layers_as_reported(size: str, widths: list[int]) -> None:
    mlp = head(size=size)
    kinds = [type(layer) for layer in mlp.layers]
    assert kinds == [nn.Linear, nn.ReLU, nn.Dropout, nn.BatchNorm1d] * len(widths)
    assert [layer.out_features for layer in mlp.layers[::4]] == widths
    assert mlp.embedding_dim == widths[-1]


def test_equals_the_formula_in_evaluation() -> None:
    mlp = head().eval()
    x = means()[:, 0]
    for dense, norm in ((mlp.layers[0], mlp.layers[3]), (mlp.layers[4], mlp.layers[7])):
        norm.running_mean.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
        rest = (x @ dense.weight.T + dense.bias).relu() - norm.running_mean
        x = rest / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(mlp(means(), ONES, SPEAKERS), x)


def test_dropout_acts_in_training_alone_and_repeats() -> None:
    def output(mlp: Mlp, seed: int) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return mlp(means(), ONES, SPEAKERS)

    training, evaluating = head(dropout=0.5).train(), head(dropout=0.5).eval()
    assert torch.equal(output(training, 1), output(training, 1))
    assert not torch.equal(output(training, 1), output(training, 2))
    assert torch.equal(output(evaluating, 1), output(evaluating, 2))


def test_frames_give_what_their_mean_gives() -> None:
    lengths = torch.tensor([5, 2, 1, 4, 5, 3, 5, 5])
    frames = torch.randn(8, 5, 10, generator=torch.Generator().manual_seed(1))
    frames = frames * (torch.arange(5) < lengths[:, None])[..., None]
    averages = torch.stack([f[:n].mean(0, True) for f, n in zip(frames, lengths, strict=True)])
    mlp = head().eval()
    assert Mlp.needs == "mean"
    torch.testing.assert_close(mlp(frames, lengths, SPEAKERS), mlp(averages, ONES, SPEAKERS))
