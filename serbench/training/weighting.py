"""Weights of training utterances by who sounds like those who are tested: data weighting.

After Sridhar & Busso (IEEE TAFFC 13(4), 2022), the baseline B2 of Tran et al. (Interspeech 2023):
functionals of each utterance, PCA, a Gaussian or a small mixture a speaker, symmetric KL divergence
between speakers, and more weight for the training speakers that are near. What of it is published
and what is our choice: `serbench recipes show tran_b2`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

    from serbench.training.settings import Weighting

Rows = NDArray[np.int64]
Values = NDArray[np.float64]

_CLIPPED = 3.0  # standard deviations, as the authors' group does
_DRAWS = 1000
# Clips of the training part's mean spread that each speaker's own is held to.
_HELD = 2.0
_PER_COMPONENT = 5  # clips of a speaker for each component of his mixture; else one Gaussian


class Voice(NamedTuple):
    """A diagonal Gaussian: (D,) mean and variance."""

    mean: Values
    variance: Values


def weights(
    functionals: NDArray[np.float32],
    speakers: NDArray[np.int64],
    train: Rows,
    heard: Rows,
    how: Weighting,
) -> NDArray[np.float32]:
    """Return (N,) weights of utterances: those of the training part have mean 1, others are 1.

    A training utterance has 1 + strength x (times its speaker is among the nearest of somebody who
    is heard) / (how many are heard), divided by the mean over the training part. An unknown speaker
    is neither heard nor anybody's neighbour, and nobody is his own, however many are taken.

    Args:
        functionals: (N, F) of all utterances.
        speakers: (N,) number of each utterance's speaker; -1: unknown.
        train: rows that are trained on.
        heard: rows of those who are tested, without labels.
        how: the settings.

    Raises:
        SerbenchError: nobody is heard.
    """
    heard, known = (rows[speakers[rows] >= 0] for rows in (heard, train))
    if not len(heard):
        msg = (
            "training is weighted by who sounds like those tested, of whom nothing is heard; enrol "
            "some clips of each, or leave training.weighting out"
        )
        raise SerbenchError(msg)
    values = _projected(functionals, train, how.components)
    there, own = np.unique(speakers[known], return_inverse=True)
    asked, theirs = np.unique(speakers[heard], return_inverse=True)
    apart = divergences(
        [values[heard[theirs == i]] for i in range(len(asked))],
        [values[known[own == i]] for i in range(len(there))],
        how.mixtures,
        how.seed,
    )
    apart[asked[:, None] == there[None, :]] = np.inf
    nearest = np.argsort(apart, axis=1, kind="stable")[:, : how.nearest]
    others = np.isfinite(np.take_along_axis(apart, nearest, axis=1))
    chosen = np.bincount(nearest[others], minlength=len(there))
    found = np.ones(len(functionals))
    found[known] = 1 + how.strength * chosen[own] / len(asked)
    found[train] /= found[train].mean()
    return found.astype(np.float32)


def _projected(functionals: NDArray[np.float32], train: Rows, components: int) -> Values:
    """Return (N, D) principal components, by the training part, of clipped standard scores."""
    from sklearn.decomposition import PCA

    exact = functionals.astype(np.float64)
    mean, spread = exact[train].mean(axis=0), exact[train].std(axis=0)
    exact = (exact - mean)[:, spread > 0] / spread[spread > 0]
    exact = exact.clip(-_CLIPPED, _CLIPPED)
    most = min(components, len(train), exact.shape[1])
    values: Values = PCA(most, svd_solver="full").fit(exact[train]).transform(exact)
    return values


def divergences(
    asked: list[Values], there: list[Values], mixtures: int = 1, seed: int = 0
) -> Values:
    """Return (T, S) symmetric KL divergences, KL(p || q) + KL(q || p), between speakers in nats.

    Of Gaussians in closed form; as there is none for mixtures, there by draws from each.

    Args:
        asked: (n, D) each, of T speakers.
        there: (n, D) each, of S speakers, by whose spread that of speakers of few clips is held.
        mixtures: components of a speaker's mixture, where he has clips enough.
        seed: of the mixtures and the draws.
    """
    pooled = np.mean([each.var(axis=0) for each in there if len(each) > 1] or [1.0], axis=0)
    pooled = np.maximum(pooled, 1e-9)
    one, other = ([_voice(each, pooled) for each in side] for side in (asked, there))
    if mixtures == 1:
        return np.array([[gaussian_divergence(p, q) for q in other] for p in one])
    first, second = (
        [_mixture(values, voice, mixtures, seed) for values, voice in zip(*pair, strict=True)]
        for pair in ((asked, one), (there, other))
    )
    drawn = [[model.sample(_DRAWS)[0] for model in side] for side in (first, second)]
    return np.array(
        [
            [_excess(p, q, drawn[0][i]) + _excess(q, p, drawn[1][j]) for j, q in enumerate(second)]
            for i, p in enumerate(first)
        ]
    )


def _voice(values: Values, pooled: Values) -> Voice:
    """Return a speaker's Gaussian; of few clips, its variance is near that of all."""
    spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return Voice(values.mean(axis=0), (spread + _HELD * pooled) / (len(values) + _HELD))


def gaussian_divergence(one: Voice, other: Voice) -> float:
    """Return KL(p || q) + KL(q || p) of two diagonal Gaussians in nats."""
    apart = (one.mean - other.mean) ** 2
    ratio = (one.variance + apart) / other.variance + (other.variance + apart) / one.variance
    return float(0.5 * ratio.sum() - len(one.mean))


def _mixture(values: Values, voice: Voice, mixtures: int, seed: int) -> GaussianMixture:
    from sklearn.mixture import GaussianMixture

    count = mixtures if len(values) >= _PER_COMPONENT * mixtures else 1
    model = GaussianMixture(count, covariance_type="diag", random_state=seed, reg_covar=1e-3)
    if count > 1:
        return model.fit(values)
    model.weights_, model.means_ = np.ones(1), voice.mean[None]
    model.covariances_ = voice.variance[None]
    model.precisions_cholesky_ = 1 / np.sqrt(model.covariances_)
    return model


def _excess(one: GaussianMixture, other: GaussianMixture, drawn: Values) -> float:
    """Return KL(p || q) by draws from p."""
    return float((one.score_samples(drawn) - other.score_samples(drawn)).mean())
