"""What training makes of each kind of task: targets, loss, outputs, what chooses an epoch.

Classes and shares of labels: outputs are logits, the loss is cross-entropy. Dimensions: outputs
are on the scale on which the benchmark's lowest value is 0 and its highest 1, the loss is 1 - CCC.
The CCC does not change under one affine map of both truth and prediction, so the scale changes no
score; it puts an untrained system, whose outputs are near 0, at the same distance from any
benchmark's truth.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from serbench.benchmarks import Classification, Distribution, Regression, Task
from serbench.errors import SerbenchError
from serbench.scoring.metrics import concordance_cc, shares_macro_f1, unweighted_accuracy
from serbench.training.losses import ccc_loss, shares_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.training.settings import Training

Targets = NDArray[np.int64] | NDArray[np.float64]
Scores = NDArray[np.float64]
FEWEST_CORRELATED = 8
"""Utterances of a batch, or of a part of one, below which its CCC says next to nothing."""

Kind = TypeVar("Kind", bound=Task)


class Objective(ABC, Generic[Kind]):
    """How systems learn one task.

    Args:
        task: what is predicted.
        training: weights of dimensions.

    Raises:
        SerbenchError: the settings do not fit the task.
    """

    def __init__(self, task: Kind, training: Training) -> None:
        self.task = task

    @abstractmethod
    def targets(self, table: DataFrame) -> Targets:
        """Return the truth of N utterances: (N,) places of labels, or (N, C) numbers.

        Raises:
            SerbenchError: a label that the task does not have.
        """

    @abstractmethod
    def encode(self, targets: Targets) -> Tensor:
        """Return targets as `loss` takes them."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, utterances: Tensor | None = None) -> Tensor:
        """Return the scalar loss of (B, C) outputs, differentiable.

        Args:
            outputs: of a batch.
            targets: as `encode` gives them.
            utterances: (B,) positive weights of the utterances; None: all equal.
        """

    @abstractmethod
    def decode(self, outputs: Tensor) -> Scores:
        """Return what (n, C) outputs mean: probabilities, or values on the benchmark's scale."""

    @abstractmethod
    def score(self, targets: Targets, scores: Scores) -> float:
        """Return the metric that ranks, on what `targets` and `decode` gave."""

    def check(self, targets: Targets, fold: str) -> None:
        """Refuse the targets of a validation part by which no epoch can be chosen."""


def _refuse_weights(training: Training) -> None:
    if training.dimension_weights is not None:
        msg = "dimension_weights are for dimensions; leave them out for classes"
        raise SerbenchError(msg)


def _cross_entropy(outputs: Tensor, targets: Tensor, utterances: Tensor | None) -> Tensor:
    if utterances is None:
        return functional.cross_entropy(outputs, targets)
    each = functional.cross_entropy(outputs, targets, reduction="none")
    return (each * shares_of(utterances)).mean()


class Classes(Objective[Classification]):
    """Cross-entropy; UA chooses."""

    def __init__(self, task: Classification, training: Training) -> None:
        super().__init__(task, training)
        _refuse_weights(training)

    def targets(self, table: DataFrame) -> Targets:
        """Return (N,) places in the labels; -1 for what has no truth and is not learnt from."""
        task = self.task
        foreign = sorted(set(table[task.column].dropna()) - set(task.labels))
        if foreign:
            msg = f"column '{task.column}' has {foreign}; the labels are {', '.join(task.labels)}"
            raise SerbenchError(msg)
        place = {label: i for i, label in enumerate(task.labels)}
        return np.array([place.get(label, -1) for label in table[task.column]], np.int64)

    def encode(self, targets: Targets) -> Tensor:
        """Return (N,) int64."""
        return torch.from_numpy(targets)

    def loss(self, outputs: Tensor, targets: Tensor, utterances: Tensor | None = None) -> Tensor:
        """Return the cross-entropy, of weighted utterances its weighted mean."""
        return _cross_entropy(outputs, targets, utterances)

    def decode(self, outputs: Tensor) -> Scores:
        """Return (n, C) probabilities."""
        probabilities: Scores = outputs.double().softmax(1).cpu().numpy()
        return probabilities

    def score(self, targets: Targets, scores: Scores) -> float:
        """Return UA."""
        labels = np.array(self.task.labels)
        return unweighted_accuracy(labels[targets], labels[scores.argmax(1)], self.task.labels)


class Shares(Objective[Distribution]):
    """Cross-entropy with the shares as targets; macro F1 chooses."""

    def __init__(self, task: Distribution, training: Training) -> None:
        super().__init__(task, training)
        _refuse_weights(training)

    def targets(self, table: DataFrame) -> Targets:
        """Return (N, C) shares."""
        return table[list(self.task.columns)].to_numpy(np.float64)

    def encode(self, targets: Targets) -> Tensor:
        """Return (N, C) float32."""
        return torch.from_numpy(targets.astype(np.float32))

    def loss(self, outputs: Tensor, targets: Tensor, utterances: Tensor | None = None) -> Tensor:
        """Return the cross-entropy with the shares, of weighted utterances its weighted mean."""
        return _cross_entropy(outputs, targets, utterances)

    def decode(self, outputs: Tensor) -> Scores:
        """Return (n, C) shares."""
        shares: Scores = outputs.double().softmax(1).cpu().numpy()
        return shares

    def score(self, targets: Targets, scores: Scores) -> float:
        """Return macro F1 of the labels that are there."""
        return shares_macro_f1(targets, scores)


class Dimensions(Objective[Regression]):
    """1 - CCC of the batch; O-CCC, averaged over dimensions, chooses."""

    def __init__(self, task: Regression, training: Training) -> None:
        super().__init__(task, training)
        names = task.dimensions
        if training.batch < FEWEST_CORRELATED:
            msg = (
                f"a batch has {training.batch} utterances: the CCC of fewer than "
                f"{FEWEST_CORRELATED} says next to nothing; raise batch"
            )
            raise SerbenchError(msg)
        self._weights = training.dimension_weights or (1.0,) * len(names)
        if len(self._weights) != len(names):
            msg = (
                f"dimension_weights has {len(self._weights)} values, "
                f"{self._weights}; give one for each of the dimensions {', '.join(names)}"
            )
            raise SerbenchError(msg)

    def targets(self, table: DataFrame) -> Targets:
        """Return (N, C) values on the benchmark's scale."""
        return table[list(self.task.dimensions)].to_numpy(np.float64)

    def encode(self, targets: Targets) -> Tensor:
        """Return (N, C) float32 with the benchmark's scale mapped to [0, 1]."""
        unit = (targets - self.task.low) / (self.task.high - self.task.low)
        return torch.from_numpy(unit.astype(np.float32))

    def loss(self, outputs: Tensor, targets: Tensor, utterances: Tensor | None = None) -> Tensor:
        """Return `ccc_loss` with the weights of the settings."""
        return ccc_loss(outputs, targets, weights=self._weights, utterances=utterances)

    def decode(self, outputs: Tensor) -> Scores:
        """Return (n, C) values on the benchmark's scale, not clipped to it."""
        values = self.task.low + (self.task.high - self.task.low) * outputs.double()
        scores: Scores = values.cpu().numpy()
        return scores

    def score(self, targets: Targets, scores: Scores) -> float:
        """Return the mean of the dimensions' CCC."""
        dimensions = zip(targets.T, scores.T, strict=True)
        return float(np.mean([concordance_cc(t, p) for t, p in dimensions]))

    def check(self, targets: Targets, fold: str) -> None:
        """Refuse a dimension with one value alone."""
        for dimension, width in zip(self.task.dimensions, np.ptp(targets, axis=0), strict=True):
            if not width > 0:
                msg = (
                    f"fold '{fold}': all validation utterances have the same {dimension}, so no "
                    "epoch can be chosen by it; use a protocol of larger folds"
                )
                raise SerbenchError(msg)


OBJECTIVES: dict[str, type[Objective[Any]]] = {
    "classification": Classes,
    "regression": Dimensions,
    "distribution": Shares,
}
"""The objective of each kind of task."""


def objective_of(task: Task, training: Training) -> Objective[Any]:
    """Return how systems learn a task.

    Raises:
        SerbenchError: the settings do not fit the task.
    """
    return OBJECTIVES[task.kind](task, training)
