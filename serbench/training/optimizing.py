"""Optimizers and their learning rates."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from serbench.training.settings import Training
from serbench.training.system import System


def schedule(system: System, rate: float, training: Training, updates: int) -> LambdaLR:
    """Return an optimizer with its rates: they rise over the warm-up, then stay or fall.

    Args:
        system: whose parameters it moves; an upstream's at a rate of their own, if one is given.
        rate: of the head.
        training: warm-up, schedule, weight decay, the upstream's rate.
        updates: of all epochs; after them the rates of a linear schedule are 0.
    """
    warmup = max(1, training.warmup)

    def share(done: int) -> float:
        risen = min(1.0, (done + 1) / warmup)
        if training.schedule == "constant":
            return risen
        return min(risen, max(0, updates - done) / max(1, updates - warmup + 1))

    return LambdaLR(_optimizer(system, rate, training), share)


def _optimizer(system: System, rate: float, training: Training) -> torch.optim.Optimizer:
    """Return Adam, or with weight decay AdamW, which does not mix it into the gradient."""
    groups: list[dict[str, Any]] = [{"params": system.head}]
    if system.upstream:
        groups.append({"params": system.upstream, "lr": training.upstream_rate or rate})
    if training.weight_decay:
        return torch.optim.AdamW(groups, rate, weight_decay=training.weight_decay, fused=True)
    return torch.optim.Adam(groups, rate, fused=True)
