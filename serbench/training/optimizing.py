"""Optimizers and their learning rates."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from serbench.training.settings import Training
from serbench.training.system import System


def schedule(system: System, rate: float, training: Training) -> LambdaLR:
    """Return an optimizer with its rates: they rise over the warm-up, then stay.

    Args:
        system: whose parameters it moves; an upstream's at a rate of their own, if one is given.
        rate: of the head.
        training: warm-up, weight decay, the upstream's rate.
    """
    warmup = max(1, training.warmup)
    optimizer = _optimizer(system, rate, training)
    return LambdaLR(optimizer, lambda updates: min(1.0, (updates + 1) / warmup))


def _optimizer(system: System, rate: float, training: Training) -> torch.optim.Optimizer:
    """Return Adam, or with weight decay AdamW, which does not mix it into the gradient."""
    groups: list[dict[str, Any]] = [{"params": system.head}]
    if system.upstream:
        groups.append({"params": system.upstream, "lr": training.upstream_rate or rate})
    if training.weight_decay:
        return torch.optim.AdamW(groups, rate, weight_decay=training.weight_decay, fused=True)
    return torch.optim.Adam(groups, rate, fused=True)
