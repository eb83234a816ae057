"""Several systems made into one from what they predict: the mean, or a stack that has learnt.

A stack learns on predictions for a validation part, which has few utterances of few speakers.
It therefore learns little: how far each system is to be believed, the same for all classes, or for
each dimension. Weights for each pair of classes, as a multinomial regression on all posteriors has
them, fit 40 to 100 utterances so closely that they fall behind the mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from serbench.scoring import predictions as tables

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Task

    Values = NDArray[np.float64]

# Probabilities below this are no more certain; their logarithms would outweigh all others.
_LEAST = 1e-6


def mean(task: Task, members: Sequence[DataFrame]) -> DataFrame:
    """Return the mean of posteriors, or of the values of each dimension.

    Args:
        task: what is predicted.
        members: predictions of the systems, the same rows in the same order.
    """
    given = np.mean([tables.values(task, member) for member in members], axis=0)
    return tables.with_values(task, members[0], given)


def stack(task: Task, members: Sequence[DataFrame], validation: Sequence[DataFrame]) -> DataFrame:
    """Return what is learnt of the systems on validation parts, for each fold and seed by itself.

    Args:
        task: what is predicted.
        members: predictions of the systems, the same rows in the same order; their truths are
            never looked at.
        validation: predictions of the systems for the validation parts likewise.
    """
    given = np.empty_like(tables.values(task, members[0]))
    learnt_from = validation[0].groupby(["fold", "seed"], sort=False).indices
    for trial, rows in members[0].groupby(["fold", "seed"], sort=False).indices.items():
        stacker = STACKERS[task.kind](task)
        known = [table.iloc[learnt_from[trial]] for table in validation]
        stacker.fit(_values(task, known), known[0])
        given[rows] = stacker.predict(_values(task, [table.iloc[rows] for table in members]))
    return tables.with_values(task, members[0], given)


def _values(task: Task, members: Sequence[DataFrame]) -> Values:
    """Return (n, C, M) what M systems gave."""
    return np.stack([tables.values(task, member) for member in members], axis=-1)


class Stacker(ABC):
    """Learns from what M systems give for some utterances what to make of it.

    Args:
        task: what is predicted.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    @abstractmethod
    def fit(self, given: Values, rows: DataFrame) -> None:
        """Learn from (n, C, M) what the systems gave for rows of predictions with their truths."""

    @abstractmethod
    def predict(self, given: Values) -> Values:
        """Return (n, C) what to make of (n, C, M)."""


class Posteriors(Stacker):
    """Logistic regression: is a class the true one, given each system's log posterior of it?

    An utterance counts once for each class, so that M weights and one offset are learnt of n times
    C cases; the probabilities of the classes are then made to add up to 1. The regularisation is
    scikit-learn's default.
    """

    def fit(self, given: Values, rows: DataFrame) -> None:
        """Learn the M weights and the offset."""
        from sklearn.linear_model import LogisticRegression

        (truth,) = tables.truths(self.task)
        right = rows[truth].to_numpy()[:, None] == np.array(self.task.classes)
        self._model: Any = LogisticRegression().fit(self._cases(given), right.ravel())

    def predict(self, given: Values) -> Values:
        """Return (n, C) probabilities."""
        true = self._model.predict_proba(self._cases(given))[:, 1].reshape(given.shape[:2])
        shares: Values = true / true.sum(axis=1, keepdims=True)
        return shares

    def _cases(self, given: Values) -> Values:
        """Return (n * C, M) log posteriors."""
        logs: Values = np.log(np.maximum(given, _LEAST)).reshape(-1, given.shape[2])
        return logs


class Shares(Posteriors):
    """The same of shares: each case counts as a yes by its share, and as a no by the rest."""

    def fit(self, given: Values, rows: DataFrame) -> None:
        """Learn the M weights and the offset."""
        from sklearn.linear_model import LogisticRegression

        share = rows[tables.truths(self.task)].to_numpy(dtype=float).ravel()
        cases, answer = self._cases(given), np.repeat([True, False], len(share))
        weight = np.concatenate([share, 1 - share])
        self._model = LogisticRegression().fit(
            np.concatenate([cases, cases]), answer, sample_weight=weight
        )


class Ratings(Stacker):
    """Least squares with weights that are not negative, then stretched; each dimension by itself.

    Systems that predict the same thing go together, and free weights of theirs would have opposite
    signs on few utterances. Least squares keep close to the mean where systems know little, which
    the CCC punishes: the result is stretched to the standard deviation of the validation truths.
    """

    def fit(self, given: Values, rows: DataFrame) -> None:
        """Learn M weights and an offset a dimension."""
        truths = rows[tables.truths(self.task)].to_numpy(dtype=float).T
        self._models = [
            _stretched(inputs, truth)
            for inputs, truth in zip(given.transpose(1, 0, 2), truths, strict=True)
        ]

    def predict(self, given: Values) -> Values:
        """Return (n, C) values."""
        pairs = zip(self._models, given.transpose(1, 2, 0), strict=True)
        return np.stack([weights @ inputs + offset for (weights, offset), inputs in pairs], axis=1)


def _stretched(inputs: Values, truth: Values) -> tuple[Values, float]:
    """Return the (M,) weights of (n, M) inputs and the offset that give (n,) truths."""
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression(positive=True).fit(inputs, truth)
    spread = fitted.predict(inputs).std()
    # systems of which none goes with the truth are worth a constant
    weights = fitted.coef_ * (truth.std() / spread if spread > 0 else 1.0)
    return weights, float(truth.mean() - weights @ inputs.mean(axis=0))


STACKERS: dict[str, type[Stacker]] = {
    "classification": Posteriors,
    "regression": Ratings,
    "distribution": Shares,
}
"""What learns of each kind of task."""
