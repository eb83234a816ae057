"""What training minimises, and what the outputs of a system mean.

Classes: outputs are logits, the loss is cross-entropy. Dimensions: outputs are on the scale on
which the benchmark's lowest value is 0 and its highest 1, the loss is 1 - CCC. The CCC does not
change under one affine map of both truth and prediction, so the scale changes no score; it puts
an untrained system, whose outputs are near 0, at the same distance from any benchmark's truth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from serbench.benchmarks import Classification
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from serbench.benchmarks import Task
    from serbench.recipe import Training

Loss = Callable[[Tensor, Tensor], Tensor]
Targets = NDArray[np.int64] | NDArray[np.float64]

# Keeps a batch of equal targets and equal outputs from 0 / 0; far below any real variance.
_EPS = 1e-8


def ccc_loss(outputs: Tensor, targets: Tensor, *, weights: tuple[float, ...]) -> Tensor:
    """Return 1 - CCC over a batch, averaged over dimensions, in [0, 2].

    CCC is the population form, `2 cov / (var_t + var_o + (mean_t - mean_o)^2)`. The CCC of a
    batch is not that of the corpus, so batches should be large; one utterance has none.

    Args:
        outputs: (B, C).
        targets: (B, C), on the same scale.
        weights: of the C dimensions in the average (Li et al. 2021); any positive sum.
    """
    output_mean, target_mean = outputs.mean(0), targets.mean(0)
    output_rest, target_rest = outputs - output_mean, targets - target_mean
    covariance = (output_rest * target_rest).mean(0)
    variances = output_rest.square().mean(0) + target_rest.square().mean(0)
    ccc = 2 * covariance / (variances + (output_mean - target_mean).square() + _EPS)
    shares = outputs.new_tensor(weights) / sum(weights)
    return 1 - shares @ ccc


def loss_for(task: Task, training: Training) -> Loss:
    """Return the loss of a task: (B, C) outputs and the targets of `encode` to a scalar.

    Raises:
        SerbenchError: there is not one dimension weight for each dimension.
    """
    if isinstance(task, Classification):
        return F.cross_entropy
    weights = training.dimension_weights or (1.0,) * len(task.dimensions)
    if len(weights) != len(task.dimensions):
        msg = (
            f"training key 'dimension_weights' has {len(weights)} values, {weights}; give one for "
            f"each of the dimensions {', '.join(task.dimensions)}"
        )
        raise SerbenchError(msg)
    return partial(ccc_loss, weights=weights)


def encode(targets: Targets, task: Task) -> Tensor:
    """Return targets as the loss takes them.

    Args:
        targets: (N,) positions in the labels, or (N, C) dimensions on the benchmark's scale.
        task: what is predicted.

    Returns:
        (N,) int64, or (N, C) float32 with the benchmark's scale mapped to [0, 1].
    """
    if isinstance(task, Classification):
        return torch.from_numpy(targets)
    unit = (targets - task.low) / (task.high - task.low)
    return torch.from_numpy(unit.astype(np.float32))


def decode(outputs: Tensor, task: Task) -> NDArray[np.float64]:
    """Return what the (n, C) outputs mean: probabilities, or dimensions on the benchmark's scale.

    Dimensions are not clipped to the scale.
    """
    exact = outputs.double()
    if isinstance(task, Classification):
        scores = exact.softmax(1)
    else:
        scores = task.low + (task.high - task.low) * exact
    return scores.cpu().numpy()
