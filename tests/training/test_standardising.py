"""The standardiser against numpy, and what it must never see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from serbench.benchmarks import Classification, Fold
from serbench.downstreams import mean_pool
from serbench.training.fit import fit
from serbench.training.objectives import objective_of
from serbench.training.settings import Training
from serbench.training.standardising import Standardiser
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.training.trial import Trial
from serbench.upstreams import Features

LENGTHS = torch.tensor([7, 4, 1])


def drawn(seed: int = 0) -> Tensor:
    """Return (2, 3, 7, 5) layers of three utterances, zero beyond each length."""
    layers = 3 + 2 * torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(seed))
    return layers * (torch.arange(7) < LENGTHS[:, None])[None, ..., None]


def test_true_frames_get_mean_0_and_deviation_1_and_padding_stays_0() -> None:
    standardiser, features = Standardiser(2, 5), Features(drawn(), LENGTHS)
    assert torch.equal(standardiser(features).layers, features.layers), "until it is fitted"
    parts = [Features(drawn()[:, :2], LENGTHS[:2]), Features(drawn()[:, 2:, :1], LENGTHS[2:])]
    standardiser.fit(parts)
    layers = standardiser(features).layers
    true = np.concatenate([layers[:, i, :n].numpy() for i, n in enumerate(LENGTHS)], axis=1)
    np.testing.assert_allclose(true.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(true.std(1), 1, rtol=1e-5)
    assert not layers[:, 1, 4:].any() and not layers[:, 2, 1:].any()


def test_a_constant_channel_is_only_centred() -> None:
    layers = drawn()
    layers[0, :, :, 3] = 1000.0
    layers = layers * (torch.arange(7) < LENGTHS[:, None])[None, ..., None]
    standardiser = Standardiser(2, 5)
    standardiser.fit([Features(layers, LENGTHS)])
    standard = standardiser(Features(layers, LENGTHS)).layers
    assert standard.isfinite().all()
    assert standard[0, :, :, 3].abs().max() < 1e-3


@pytest.mark.parametrize("value", [0.1, 1000.1, 5000.3, 20000.7, 1e6 + 0.3])
def test_a_constant_of_any_size_is_not_scaled(value: float) -> None:
    lengths = torch.tensor([50, 40, 30, 7])
    layers = torch.full((1, 4, 50, 1), value)
    layers = layers * (torch.arange(50) < lengths[:, None])[None, ..., None]
    standardiser = Standardiser(1, 1)
    standardiser.fit([Features(layers, lengths)] * 20)
    assert standardiser.scale.item() == 1


@pytest.mark.parametrize(("offset", "size"), [(0.0, 1e-6), (0.0, 1e-5), (1e4, 0.1)])
def test_a_channel_that_varies_little_is_scaled_all_the_same(offset: float, size: float) -> None:
    noise = torch.randn(1, 8, 50, 1, generator=torch.Generator().manual_seed(2))
    features = Features(offset + size * noise, torch.full((8,), 50))
    standardiser = Standardiser(1, 1)
    standardiser.fit([features])
    assert standardiser(features).layers.std(correction=0).item() == pytest.approx(1, rel=2e-2)


class Table:
    """Means over time of 40 utterances."""

    def __init__(self, means: Tensor) -> None:
        self.means, self.lengths = means, np.ones(len(means), np.int64)

    def batch(self, rows: np.ndarray) -> Features:
        return Features(self.means[rows][None, :, None], torch.ones(len(rows), dtype=torch.int64))


FOLD = Fold("only", np.arange(20), np.arange(20, 30), np.arange(30, 40))
LABELS = np.arange(40) % 2


@pytest.mark.parametrize(("refit", "seen"), [(False, 20), (True, 30)])
def test_only_the_part_that_is_trained_on_counts(refit: bool, seen: int) -> None:
    means = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    means[seen:] += 1e3
    training = Training(epochs=2, refit=refit)
    objective = objective_of(Classification(("a", "b")), training)
    nobody = np.zeros(40, np.int64)
    trial = Trial(
        (Table(means),), LABELS, nobody, FOLD, objective, training, 0, torch.device("cpu")
    )

    def system() -> System:
        return System([Stream(1, 4)], [mean_pool.make(4)], 2)

    class Quiet:
        def advance(self, amount: float = 1.0) -> None: ...
        def note(self, text: str) -> None: ...

    state = fit(trial, system, Quiet()).state
    np.testing.assert_allclose(
        state["streams.0.standardise.mean"][0], means[:seen].mean(0), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        state["streams.0.standardise.scale"][0], 1 / means[:seen].numpy().std(0), rtol=1e-4
    )
