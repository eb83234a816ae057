"""How long and how fast to train."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from serbench.errors import SerbenchError


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        updates: optimiser steps in all.
        peak: learning rate after warm-up; it falls linearly towards 0 at the end.
        warmup: share of the updates in which the rate rises linearly from 0.
        optimizer: `adamw` decays weights apart from the gradient, as fairseq's Adam does.
        betas: of Adam.
        epsilon: of Adam.
        weight_decay: on all parameters.
        clip_norm: largest norm of the gradient.
        validate_every: updates between validations; there is one at the start and at the end.
        checkpoint_minutes: between two checkpoints.
        seed: of dropout and, with a batch's number, of all chance in the batch.
        bf16: bfloat16 autocast.
        device: a torch device.
    """

    updates: int
    peak: float = 5e-4
    warmup: float = 0.08
    optimizer: Literal["adam", "adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    epsilon: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 10.0
    validate_every: int = 500
    checkpoint_minutes: float = 10.0
    seed: int = 0
    bf16: bool = False
    device: str = "cpu"

    def rate(self, update: int) -> float:
        """Return the learning rate of an update, counted from 1."""
        rising = max(1, round(self.warmup * self.updates))
        end = self.updates + 1  # where it would be 0
        return self.peak * min(update / rising, (end - update) / (end - rising))

    @property
    def digest(self) -> str:
        """Name of all that decides the numbers; where it runs and when it saves are left out."""
        values = asdict(self)
        for free in ("checkpoint_minutes", "device"):
            del values[free]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def mix(seed: int, number: int) -> int:
    """Return a seed of its own for each number."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def require(options: Any, **least: float) -> None:
    """Refuse options below the least value of each; None is none.

    Raises:
        SerbenchError: one is; it is named.
    """
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not value >= bound:
            raise SerbenchError(f"{name} = {value}: give {bound:g} or more")
