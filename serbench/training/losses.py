"""Losses that torch does not have."""

from __future__ import annotations

from torch import Tensor

# Keeps a batch of equal targets and equal outputs from 0 / 0; far below any real variance.
_EPS = 1e-8


def shares_of(utterances: Tensor) -> Tensor:
    """Return (B,) weights of the utterances of a batch with mean 1."""
    return utterances / utterances.mean()


def ccc_loss(
    outputs: Tensor,
    targets: Tensor,
    *,
    weights: tuple[float, ...],
    utterances: Tensor | None = None,
) -> Tensor:
    """Return 1 - CCC over a batch, averaged over dimensions, in [0, 2].

    CCC is the population form, `2 cov / (var_t + var_o + (mean_t - mean_o)^2)`. The CCC of a
    batch is not that of the corpus, so batches should be large; one utterance has none.

    Args:
        outputs: (B, C).
        targets: (B, C), on the same scale.
        weights: of the C dimensions in the average (Li et al. 2021); any positive sum.
        utterances: (B,) positive weights, which enter the moments: means, variances and covariance
            are weighted ones. (To scale the loss of a batch would do nothing of the kind.)
    """
    share = outputs.new_ones(1) if utterances is None else shares_of(utterances)[:, None]
    output_mean, target_mean = (outputs * share).mean(0), (targets * share).mean(0)
    output_rest, target_rest = outputs - output_mean, targets - target_mean
    covariance = (output_rest * target_rest * share).mean(0)
    variances = (output_rest.square() * share).mean(0) + (target_rest.square() * share).mean(0)
    ccc = 2 * covariance / (variances + (output_mean - target_mean).square() + _EPS)
    shares = outputs.new_tensor(weights) / sum(weights)
    return 1 - shares @ ccc
