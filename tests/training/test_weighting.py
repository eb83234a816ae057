"""Weights of training utterances: divergences, planted neighbours, moments of the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from serbench.benchmarks import Classification, Regression
from serbench.errors import SerbenchError
from serbench.training.losses import ccc_loss
from serbench.training.objectives import objective_of
from serbench.training.settings import Training, Weighting
from serbench.training.weighting import Voice, divergences, gaussian_divergence, weights


def batch(seed: int = 0, size: int = 24) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    outputs = torch.rand((size, 2), generator=random)
    targets = torch.rand((size, 2), generator=random)
    return outputs, targets, torch.rand(size, generator=random) + 0.1


def test_a_weighted_ccc_is_that_of_utterances_repeated_as_often() -> None:
    """A direct computation: whole weights mean the same as copies of the utterance."""
    outputs, targets, _ = batch()
    counts = torch.arange(24) % 4 + 1
    copies = [each.repeat_interleave(counts, 0) for each in (outputs, targets)]
    weighted = ccc_loss(outputs, targets, weights=(1.0, 2.0), utterances=counts.float())
    assert weighted.item() == pytest.approx(ccc_loss(*copies, weights=(1.0, 2.0)).item(), abs=1e-6)
    assert weighted.item() != pytest.approx(ccc_loss(outputs, targets, weights=(1.0, 2.0)).item())


def test_a_weighted_ccc_is_the_formula_with_weighted_moments() -> None:
    outputs, targets, shares = batch(1)
    o, t, w = (each.double().numpy() for each in (outputs, targets, shares))
    found = []
    for column in range(2):
        x, y = o[:, column], t[:, column]
        mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
        covariance = np.cov(x, y, aweights=w, ddof=0)
        found.append(2 * covariance[0, 1] / (np.trace(covariance) + (mean_x - mean_y) ** 2))
    loss = ccc_loss(outputs, targets, weights=(1.0, 1.0), utterances=shares)
    assert loss.item() == pytest.approx(1 - np.mean(found), abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_equal_weights_are_no_weights_bit_for_bit(scale: float) -> None:
    outputs, targets, _ = batch(2)
    gradients, losses = [], []
    for given in (None, torch.full((24,), scale)):
        leaf = outputs.clone().requires_grad_()
        loss = ccc_loss(leaf, targets, weights=(1.0, 1.0), utterances=given)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        gradients.append(leaf.grad)
    assert torch.equal(*losses)
    assert torch.equal(*gradients)


def test_a_weighted_cross_entropy_is_its_weighted_mean() -> None:
    task = objective_of(Classification(("a", "b")), Training())
    outputs, _, shares = batch(3)
    truth = torch.arange(24) % 2
    each = -outputs.log_softmax(1)[range(24), truth]
    expected = (each * shares).sum() / shares.sum()
    assert task.loss(outputs, truth, shares).item() == pytest.approx(expected.item(), abs=1e-6)


def test_of_dimensions_the_objective_hands_weights_on() -> None:
    task = objective_of(Regression(("x", "y"), 0, 1), Training())
    outputs, targets, shares = batch(4)
    expected = ccc_loss(outputs, targets, weights=(1, 1), utterances=shares)
    assert task.loss(outputs, targets, shares) == expected


def test_the_divergence_of_gaussians_is_the_integral() -> None:
    one = Voice(np.array([0.3]), np.array([0.5]))
    other = Voice(np.array([-0.4]), np.array([1.7]))
    x = np.linspace(-15, 15, 200_001)
    p, q = (multivariate_normal(v.mean, v.variance).pdf(x) for v in (one, other))
    p, q = np.maximum(p, 1e-300), np.maximum(q, 1e-300)
    by_hand = np.trapezoid((p - q) * np.log(p / q), x)
    assert gaussian_divergence(one, other) == pytest.approx(by_hand, rel=1e-6)
    assert gaussian_divergence(one, one) == 0


def test_draws_from_single_mixtures_come_near_the_closed_form() -> None:
    random = np.random.default_rng(0)
    people = [random.normal(shift, 1, (8, 3)) for shift in (0, 0.5, 1)]
    closed = divergences(people[:1], people[1:])
    drawn = divergences(people[:1], people[1:], mixtures=2)  # too few clips for two components
    np.testing.assert_allclose(drawn, closed, rtol=0.1)


def test_a_mixture_sees_what_a_gaussian_does_not() -> None:
    """Two humps, and one broad hill of the same mean and variance."""
    random = np.random.default_rng(1)
    humps = np.concatenate([random.normal(-2, 0.3, (60, 1)), random.normal(2, 0.3, (60, 1))])
    hill = random.normal(0, humps.std(), (120, 1))
    again = np.concatenate([random.normal(-2, 0.3, (60, 1)), random.normal(2, 0.3, (60, 1))])
    for mixtures, tells in ((1, False), (2, True)):
        same, other = divergences([humps], [again, hill], mixtures)[0]
        assert (other > 5 * same + 0.5) == tells


def planted(near: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Eight speakers to train on; those who are heard sound like one of them."""
    random = np.random.default_rng(seed)
    centres = 3 * random.normal(size=(8, 20))
    number = np.repeat(np.arange(10), 12)
    where = np.concatenate([centres, centres[[near, near]]])[number]
    functionals = (where + random.normal(size=(120, 20))).astype(np.float32)
    return functionals, number, np.flatnonzero(number < 8), np.flatnonzero(number >= 8)


@pytest.mark.parametrize("mixtures", [1, 2])
def test_who_sounds_alike_weighs_more(mixtures: int) -> None:
    how = Weighting(nearest=1, strength=4.0, mixtures=mixtures)
    for near in (0, 5):
        functionals, number, train, heard = planted(near)
        found = weights(functionals, number, train, heard, how)
        assert found[train].mean() == pytest.approx(1)
        assert np.array_equal(found[heard], np.ones(len(heard)))
        # 1 + 4 for one of eight, 1 for the others
        np.testing.assert_allclose(found[number == near], 5 / 1.5, rtol=1e-6)
        others = (number < 8) & (number != near)
        np.testing.assert_allclose(found[others], 1 / 1.5, rtol=1e-6)


def test_without_strength_or_with_everybody_chosen_all_weigh_one() -> None:
    functionals, number, train, heard = planted(2)
    for how in (Weighting(strength=0.0), Weighting(nearest=100)):
        assert np.array_equal(weights(functionals, number, train, heard, how), np.ones(120))


@pytest.mark.parametrize("nearest", [7, 8, 100])
def test_a_speaker_in_both_parts_is_not_his_own_neighbour(nearest: int) -> None:
    functionals, number, train, _ = planted(2)
    how = Weighting(nearest=nearest)
    found = weights(functionals, number, train, np.flatnonzero(number == 3), how)
    # seven of eight are chosen, and weigh twice as much
    np.testing.assert_allclose(found[number == 3], 8 / 15, rtol=1e-6)
    np.testing.assert_allclose(found[(number < 8) & (number != 3)], 16 / 15, rtol=1e-6)


def test_one_clip_and_a_constant_functional_are_no_trouble() -> None:
    functionals, number, train, heard = planted(4)
    functionals[:, 3] = 7
    found = weights(functionals, number, train, heard[:1], Weighting(nearest=1))
    assert found[number == 4][0] == found.max() > 1


def test_who_is_not_heard_cannot_lead() -> None:
    functionals, number, train, heard = planted(4)
    with pytest.raises(SerbenchError, match="of whom nothing is heard; enrol some clips"):
        weights(functionals, number, train, heard[:0], Weighting())
