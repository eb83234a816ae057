"""A trial: one fold with one seed, what to learn from in it, and how."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from serbench.benchmarks import Fold, Rows
from serbench.errors import SerbenchError
from serbench.training.objectives import Objective, Targets
from serbench.training.settings import Training
from serbench.upstreams import Clips, Features


class Source(Protocol):
    """A corpus in the order of its table, as one upstream sees it: features, or clips for it."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) frames or samples of each utterance; 1 where only the mean over time is kept."""

    def batch(self, rows: Rows) -> Features | Clips:
        """Return some utterances: features (L, B, T, D) float32, zero-padded, or clips."""


@dataclass(frozen=True)
class Trial:
    """One fold and seed: what to learn from, choose by and predict, and how.

    Attributes:
        sources: features of the whole corpus for each stream of the system, or its clips for a
            stream with an upstream.
        targets: (N,) places in the labels, or (N, C) dimensions on the benchmark's scale.
        speakers: (N,) index of each utterance's speaker; -1: unknown.
        fold: which rows are for what.
        objective: how the task is learnt.
        training: the settings.
        seed: of initial weights, dropout and shuffling.
        device: where to train.
        voices: (N, V) mean MFCC of each utterance, for a head that conditions on them.
        weights: (N,) positive weights of the utterances in the loss; None: all equal.
        budget: frames or samples that go through at once at most, padding included.
        key: of the settings in a recipe, for messages.
    """

    sources: tuple[Source, ...]
    targets: Targets
    speakers: NDArray[np.int64]
    fold: Fold
    objective: Objective[Any]
    training: Training
    seed: int
    device: torch.device
    voices: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None
    budget: float = math.inf
    key: Literal["training", "finetune"] = "training"

    @property
    def tuning_key(self) -> str:
        """Where the settings of fine-tuning stand in a recipe: in one stage, or in a table."""
        return "training.finetune" if self.key == "training" else self.key

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) the length of each utterance in the stream where it is longest."""
        lengths: NDArray[np.int64] = np.max([source.lengths for source in self.sources], axis=0)
        return lengths


def check(trial: Trial, *, tested: bool = True) -> None:
    """Refuse what cannot be trained on, or chosen by, or has nothing to predict though it should.

    Raises:
        SerbenchError: a part of the fold is too small, or its validation part tells nothing.
    """
    fold = trial.fold
    sizes = {"train": len(fold.train), "valid": len(fold.valid)}
    if tested:
        sizes["test"] = len(fold.test)
    if sizes["train"] < 2 or min(sizes.values()) < 1:
        counts = ", ".join(f"{part} {size}" for part, size in sizes.items())
        msg = (
            f"fold '{fold.name}' has too few utterances ({counts}); use a protocol of larger folds"
        )
        raise SerbenchError(msg)
    trial.objective.check(trial.targets[fold.valid], fold.name)
