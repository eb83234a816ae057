"""The metrics of speech emotion recognition, each a function of truth and prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serbench.errors import unknown

Array = NDArray[Any]


def concordance_cc(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the concordance correlation coefficient, population form.

    `2 cov(t, p) / (var(t) + var(p) + (mean(t) - mean(p))**2)`, all moments divided by n. Equal
    to `audmetric.concordance_cc`; torchmetrics' differs, it divides by n - 1.

    Lin: A Concordance Correlation Coefficient to Evaluate Reproducibility. Biometrics 45 (1989),
    255-268.

    Args:
        truth: (n,) values.
        prediction: (n,) values.

    Returns:
        In [-1, 1], 1 is perfect; 0 if one side is constant; NaN if n < 2, if both sides are
        the same constant, or if a value is not finite.

    Raises:
        ValueError: the lengths differ.

    >>> concordance_cc([1, 2, 3, 4], [2, 4, 6, 8])
    0.4
    """
    t, p = _pair(truth, prediction, np.float64)
    if len(t) < 2 or not np.isfinite([t, p]).all():
        return np.nan
    # relative to the first value, so that the deviations of a constant are exactly zero
    a, b = t - t[0], p - p[0]
    distance = (t[0] - p[0]) + (a.mean() - b.mean())
    a, b = a - a.mean(), b - b.mean()
    denominator = a @ a + b @ b + len(t) * distance**2
    return float(2 * (a @ b) / denominator) if denominator != 0 else np.nan


def o_ccc(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the overall CCC: that of all given predictions together, whoever speaks.

    It rewards differences between speakers as well as within them (`a_ccc` only the latter).
    See `concordance_cc` for formula, range and NaN. Tran, Yin, Soleymani (2023, see `a_ccc`) told
    the two apart.

    >>> round(o_ccc([1, 2, 3, 5, 6, 7], [1.5, 2, 2.5, 5.5, 6, 6.5]), 4)
    0.9811
    """
    return concordance_cc(truth, prediction)


@dataclass(frozen=True)
class SpeakerCCC:
    """CCC by speaker.

    Attributes:
        mean: over the speakers that count, A-CCC; NaN if there is none, or if a value is no number.
        std: over the same speakers, ddof 0.
        speakers: the CCC of each speaker with utterances enough, in the order of appearance.
        left_out: number of speakers with fewer than `min_utterances`.
        undefined: number of speakers with one truth alone, and nothing else predicted: their CCC is
            0 / 0, NaN, and they do not count.
    """

    mean: float
    std: float
    speakers: Mapping[str, float]
    left_out: int
    undefined: int = 0


def a_ccc(
    truth: ArrayLike, prediction: ArrayLike, speakers: ArrayLike, *, min_utterances: int = 2
) -> SpeakerCCC:
    """Return the average of the speakers' CCC.

    `mean over speakers s of concordance_cc(t_s, p_s)`, each speaker counting once; without those,
    who are counted, for whom it is 0 / 0.

    Tran, Yin, Soleymani: Personalized Adaptation with Pre-trained Speech Encoders for Continuous
    Emotion Recognition. Interspeech 2023, 636-640, which gives it beside the overall O-CCC.

    Args:
        truth: (n,) values.
        prediction: (n,) values.
        speakers: (n,) who speaks.
        min_utterances: that a speaker needs to count, at least 2.

    Raises:
        ValueError: the lengths differ, or `min_utterances` is less than 2.

    >>> a_ccc([1, 2, 3, 5, 6, 7], [1.5, 2, 2.5, 5.5, 6, 6.5], list("aaabbb")).mean
    0.8
    """
    if min_utterances < 2:
        msg = f"min_utterances is {min_utterances}; the CCC of a speaker needs 2 or more"
        raise ValueError(msg)
    t, p = _pair(truth, prediction, np.float64)
    who, _ = _pair(speakers, p, np.object_)
    rows = {str(name): who == name for name in dict.fromkeys(who)}
    enough = {name: own for name, own in rows.items() if own.sum() >= min_utterances}
    found = {name: concordance_cc(t[own], p[own]) for name, own in enough.items()}
    # NaN of finite numbers is 0 / 0
    numbers = {name: bool(np.isfinite([t[own], p[own]]).all()) for name, own in enough.items()}
    values = [v for name, v in found.items() if not (np.isnan(v) and numbers[name])]
    std = float(np.std(values)) if values else np.nan
    left_out, undefined = len(rows) - len(enough), len(found) - len(values)
    return SpeakerCCC(_mean(values), std, found, left_out, undefined)


def weighted_accuracy(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return WA: the fraction of utterances that are predicted right.

    Known elsewhere as accuracy. The field's name is short for weighted average of the recalls:
    classes weigh as much as they have utterances. Schuller, Steidl, Batliner (2009, see
    `unweighted_accuracy`) give it beside UA.

    Args:
        truth: (n,) labels.
        prediction: (n,) labels.

    Returns:
        In [0, 1]; NaN if n = 0.

    Raises:
        ValueError: the lengths differ.

    >>> weighted_accuracy(list("nnnnhhas"), list("nnnhhhhs"))
    0.75
    """
    t, p = _pair(truth, prediction, np.object_)
    return _mean(t == p)


def unweighted_accuracy(truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str]) -> float:
    """Return UA: the mean over classes of the recall, also known as UAR.

    `mean over c of (right predictions of c) / (utterances of c)`, over those of `labels` that
    are present in the truth. A prediction of any other class, even one that is not in `labels`,
    is a miss. Equal to `sklearn.metrics.balanced_accuracy_score`.

    Schuller, Steidl, Batliner: The INTERSPEECH 2009 Emotion Challenge. Interspeech 2009, 312-315,
    whose first measure it was, because the classes are of unequal size.

    Args:
        truth: (n,) labels.
        prediction: (n,) labels.
        labels: of the task.

    Returns:
        In [0, 1]; NaN if n = 0.

    Raises:
        ValueError: the lengths differ.
        SerbenchError: a truth that is not in `labels`.

    >>> unweighted_accuracy(list("nnnnhhas"), list("nnnhhhhs"), list("nhas"))
    0.6875
    """
    t, p = _labelled(truth, prediction, labels)
    return _mean([(p[t == c] == c).mean() for c in labels if (t == c).any()])


def macro_f1(truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str]) -> float:
    """Return macro F1: the mean over classes of the harmonic mean of precision and recall.

    `mean over c of 2 (right predictions of c) / (utterances of c + predictions of c)`, over
    those of `labels` that are present in the truth, as for UA. Equal to
    `sklearn.metrics.f1_score(..., labels=present, average="macro")`. Of the two that go by this
    name it is the mean of F1 values, not the F1 of mean precision and mean recall.

    Opitz, Burst: Macro F1 and Macro F1. arXiv:1911.03347, 2019, on why that one.

    Args:
        truth: (n,) labels.
        prediction: (n,) labels.
        labels: of the task.

    Returns:
        In [0, 1]; NaN if n = 0.

    Raises:
        ValueError: the lengths differ.
        SerbenchError: a truth that is not in `labels`.

    >>> macro_f1(list("nnhh"), list("nnhn"), list("nhas"))
    0.7333333333333334
    """
    t, p = _labelled(truth, prediction, labels)
    present = [c for c in labels if (t == c).any()]
    f1 = [2 * ((t == c) & (p == c)).sum() / ((t == c).sum() + (p == c).sum()) for c in present]
    return _mean(f1)


def shares_macro_f1(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the macro F1 of the labels that are there: those with a share above 1 / C.

    `mean over labels of 2 (there in both) / (there in truth + there in prediction)`, over the
    labels that are there in a truth, as for `macro_f1`. An utterance may have several, or none
    where all shares are equal. Equal to `sklearn.metrics.f1_score(..., average="macro")` of the
    present ones.

    Wu et al.: EMO-SUPERB: An In-depth Look at Speech Emotion Recognition. arXiv:2402.13018, 2024.

    Args:
        truth: (n, C) shares.
        prediction: (n, C) shares.

    Returns:
        In [0, 1]; NaN if no label is there, or a share is not a number.

    Raises:
        ValueError: the shapes differ.

    >>> shares_macro_f1([[0.6, 0.4, 0.0], [0.2, 0.2, 0.6]], [[0.8, 0.1, 0.1], [0.1, 0.4, 0.5]])
    0.6666666666666666
    """
    t, p = _shares(truth, prediction)
    if not np.isfinite([t, p]).all():
        return np.nan
    said, given = t > 1 / t.shape[1], p > 1 / t.shape[1]
    present = said.any(axis=0)
    right, counts = (said & given).sum(axis=0), said.sum(axis=0) + given.sum(axis=0)
    return _mean(2 * right[present] / counts[present])


def jensen_shannon(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the mean over utterances of the Jensen-Shannon divergence, to base 2; less is better.

    `(KL(t, m) + KL(p, m)) / 2` with `m = (t + p) / 2`. It is defined where nobody said a label, and
    does not depend on the order of the two. `scipy.spatial.distance.jensenshannon` is its root.

    Lin: Divergence measures based on the Shannon entropy. IEEE Transactions on Information Theory
    37 (1991), 145-151.

    Args:
        truth: (n, C) shares, with sum 1.
        prediction: (n, C) shares, with sum 1.

    Returns:
        In [0, 1], 0 is perfect; NaN if n = 0 or a share is not a number.

    Raises:
        ValueError: the shapes differ.

    >>> jensen_shannon([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]])
    0.5
    """
    return _mean(divergence_of_each(truth, prediction))


def divergence_of_each(truth: ArrayLike, prediction: ArrayLike) -> NDArray[np.float64]:
    """Return (n,) the Jensen-Shannon divergences that `jensen_shannon` is the mean of.

    Lin: Divergence measures based on the Shannon entropy. IEEE Trans. Inf. Theory, 1991.

    Args:
        truth: (n, C) shares.
        prediction: (n, C) shares.

    Returns:
        In bits, in [0, 1].

    >>> divergence_of_each([[1, 0], [0.5, 0.5]], [[0, 1], [0.5, 0.5]])
    array([1., 0.])
    """
    t, p = _shares(truth, prediction)
    middle = (t + p) / 2
    each: NDArray[np.float64] = (_divergence(t, middle) + _divergence(p, middle)) / 2
    return each


def _divergence(one: Array, other: Array) -> Array:
    """Return (n,) Kullback-Leibler divergences in bits; what has no share adds nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(one == 0, 0.0, one * np.log2(one / other))
    divergence: Array = terms.sum(axis=1)
    return divergence


def _shares(truth: ArrayLike, prediction: ArrayLike) -> tuple[Array, Array]:
    t, p = np.asarray(truth, np.float64), np.asarray(prediction, np.float64)
    if t.shape != p.shape or t.ndim != 2:
        msg = f"truth and prediction must both be of (n, C) shares, not {t.shape} and {p.shape}"
        raise ValueError(msg)
    return t, p


def confusion(truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return how often each class (row) is predicted as each class (column).

    Kohavi, Provost: Glossary of Terms. Machine Learning 30 (1998), 271-274.

    Args:
        truth: (n,) labels.
        prediction: (n,) labels.
        labels: of the task, in the order of rows and columns.

    Returns:
        (C, C) counts, with sum n.

    Raises:
        ValueError: the lengths differ.
        SerbenchError: a truth or prediction that is not in `labels`.

    >>> confusion(list("nnh"), list("nhh"), list("nh")).tolist()
    [[1, 1], [0, 1]]
    """
    t, p = _labelled(truth, prediction, labels)
    _labelled(p, t, labels)
    return np.array([[((t == one) & (p == other)).sum() for other in labels] for one in labels])


def _pair(one: ArrayLike, other: ArrayLike, dtype: type) -> tuple[Array, Array]:
    first: Array = np.asarray(one, dtype=dtype)
    second: Array = np.asarray(other, dtype=dtype)
    if first.shape != second.shape or first.ndim != 1:
        msg = f"truth and prediction must be of one length, not {first.shape} and {second.shape}"
        raise ValueError(msg)
    return first, second


def _labelled(
    truth: ArrayLike, prediction: ArrayLike, labels: Sequence[str]
) -> tuple[Array, Array]:
    t, p = _pair(truth, prediction, np.object_)
    for label in dict.fromkeys(t):
        if label not in labels:
            raise unknown("label", str(label), labels)
    return t, p


def _mean(values: Sequence[float] | Array) -> float:
    return float(np.mean(values)) if len(values) else np.nan


METRICS: Mapping[str, Callable[[ArrayLike, ArrayLike, Sequence[str]], float]] = {
    "ccc": lambda truth, prediction, _: concordance_cc(truth, prediction),
    "ua": unweighted_accuracy,
    "wa": lambda truth, prediction, _: weighted_accuracy(truth, prediction),
    "macro_f1": macro_f1,
    "shares_macro_f1": lambda truth, prediction, _: shares_macro_f1(truth, prediction),
    "shares_jsd": lambda truth, prediction, _: jensen_shannon(truth, prediction),
}
"""The metrics of tasks by name, each a function of truths, predictions and the labels."""
