"""The losses against audmetric and scikit-learn; scales there and back."""

from __future__ import annotations

import audmetric
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from serbench.benchmarks import Classification, Regression
from serbench.errors import SerbenchError
from serbench.training.losses import ccc_loss
from serbench.training.objectives import objective_of
from serbench.training.settings import Training

EMOTIONS = Classification(("anger", "neutral", "sad"))
MOODS = Regression(("arousal", "valence"), low=1.0, high=7.0)
CLASSES = objective_of(EMOTIONS, Training())
DIMENSIONS = objective_of(MOODS, Training())


def batch(size: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.rand(size, 2, generator=generator)
    return targets + torch.randn(size, 2, generator=generator) / 3, targets


def expected(outputs: torch.Tensor, targets: torch.Tensor, dimension: int) -> float:
    return audmetric.concordance_cc(
        targets[:, dimension].double().numpy(), outputs[:, dimension].double().numpy()
    )


# at 2 utterances the forms that divide by n and by n - 1 are far apart
@pytest.mark.parametrize("size", [2, 3, 32, 150])
def test_ccc_loss_equals_audmetric(size: int) -> None:
    outputs, targets = batch(size)
    for weights, shares in (((1.0, 1.0), (0.5, 0.5)), ((3.0, 1.0), (0.75, 0.25))):
        wanted = 1 - sum(share * expected(outputs, targets, d) for d, share in enumerate(shares))
        assert ccc_loss(outputs, targets, weights=weights).item() == pytest.approx(wanted, abs=1e-6)


def test_ccc_loss_is_0_at_the_truth_and_2_at_its_mirror_image() -> None:
    _, targets = batch(8)
    assert ccc_loss(targets, targets, weights=(1, 1)).item() == pytest.approx(0, abs=1e-6)
    mirrored = 2 * targets.mean(0) - targets
    assert ccc_loss(mirrored, targets, weights=(1, 1)).item() == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_batches_give_a_finite_gradient(value: float) -> None:
    for targets in (torch.full((4, 1), 0.3), batch(4)[1][:, :1]):
        outputs = torch.full((4, 1), value, requires_grad=True)
        ccc_loss(outputs, targets, weights=(1.0,)).backward()
        assert outputs.grad is not None
        assert outputs.grad.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(low=st.floats(-10, 10), width=st.floats(0.1, 100))
def test_one_affine_map_of_both_sides_changes_no_ccc(low: float, width: float) -> None:
    outputs, targets = (side.double() for side in batch(16))
    objective = objective_of(Regression(("arousal", "valence"), low, low + width), Training())
    scaled = (
        torch.from_numpy(objective.decode(outputs)),
        torch.from_numpy(objective.decode(targets)),
    )
    plain, mapped = (ccc_loss(o, t, weights=(1, 1)) for o, t in ((outputs, targets), scaled))
    assert mapped.item() == pytest.approx(plain.item(), abs=1e-4)


def test_cross_entropy_equals_scikit_learn() -> None:
    outputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    targets = np.arange(20) % 3
    loss = CLASSES.loss(outputs, CLASSES.encode(targets))
    assert loss.item() == pytest.approx(log_loss(targets, CLASSES.decode(outputs)), abs=1e-6)


def test_weights_default_to_equal_and_reach_the_loss() -> None:
    outputs, targets = batch(16)
    equal = DIMENSIONS.loss(outputs, targets)
    assert equal == ccc_loss(outputs, targets, weights=(1, 1))
    weighted = objective_of(MOODS, Training(dimension_weights=(1.0, 4.0))).loss(outputs, targets)
    assert weighted == ccc_loss(outputs, targets, weights=(1, 4)) != equal


def test_wrong_number_of_weights_is_refused() -> None:
    with pytest.raises(SerbenchError, match=r"3 values.*arousal, valence"):
        objective_of(MOODS, Training(dimension_weights=(1.0, 1.0, 1.0)))


def test_dimensions_go_to_the_unit_interval_and_back() -> None:
    values = np.array([[1.0, 7.0], [4.0, 2.5]])
    unit = DIMENSIONS.encode(values)
    torch.testing.assert_close(unit, torch.tensor([[0.0, 1.0], [0.5, 0.25]]))
    np.testing.assert_allclose(DIMENSIONS.decode(unit), values)
    np.testing.assert_allclose(DIMENSIONS.decode(torch.tensor([[-0.5, 1.5]])), [[-2.0, 10.0]])


def test_probabilities_sum_to_1() -> None:
    scores = CLASSES.decode(torch.tensor([[1000.0, 0.0, -1000.0], [0.0, 0.0, 0.0]]))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
