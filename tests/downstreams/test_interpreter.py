"""PAPT's head: the order and the sizes of its layers, and the mean that it is given."""

from __future__ import annotations

import torch
from torch import nn

from serbench.downstreams.interpreter import make

SPEAKERS = torch.zeros(4, dtype=torch.int64)


def test_layers_are_in_the_papers_order() -> None:
    head = make(1024)
    kinds = [type(layer) for layer in head.layers]
    assert kinds == [nn.Linear, nn.ReLU, nn.Dropout, nn.BatchNorm1d] * 2
    assert [tuple(head.layers[i].weight.shape) for i in (0, 4)] == [(128, 1024), (32, 128)]
    assert [head.layers[i].num_features for i in (3, 7)] == [128, 32]
    assert head.layers[2].p == head.layers[6].p == 0.1
    assert head.embedding_dim == 32


def test_equals_the_papers_layers_written_out() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = make(6)
        plain = nn.Sequential(
            *(nn.Linear(6, 128), nn.ReLU(), nn.Dropout(0.1), nn.BatchNorm1d(128)),
            *(nn.Linear(128, 32), nn.ReLU(), nn.Dropout(0.1), nn.BatchNorm1d(32)),
        )
        plain.load_state_dict(head.layers.state_dict())
        lengths, frames = torch.tensor([5, 3, 2, 1]), torch.randn(4, 5, 6)
    frames = frames.masked_fill((torch.arange(5) >= lengths[:, None])[..., None], 0.0)
    means = torch.stack([row[:n].mean(0) for row, n in zip(frames, lengths, strict=True)])
    for training in (True, False):
        found = []
        for module, inputs in ((head, (frames, lengths, SPEAKERS)), (plain, (means,))):
            with torch.random.fork_rng():
                torch.manual_seed(1)
                found.append(module.train(training)(*inputs))
        torch.testing.assert_close(*found)
