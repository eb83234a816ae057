"""The contract of a benchmark: a corpus, its task, its protocols.

Every public module of this folder with a `make(...)` is one benchmark. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Classification:
    """One label an utterance, in column `column` of the table, out of `labels`, in their order."""

    labels: tuple[str, ...]
    column: str = "emotion"

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's target columns."""
        return (self.column,)


@dataclass(frozen=True)
class Regression:
    """One number an utterance for each of `dimensions` (column names), on the scale [low, high]."""

    dimensions: tuple[str, ...]
    low: float
    high: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's target columns."""
        return self.dimensions


Task = Classification | Regression


@dataclass(frozen=True)
class Fold:
    """Row numbers of the table for the three parts of a fold; refuses overlap of rows."""

    name: str
    train: Rows
    valid: Rows
    test: Rows

    def __post_init__(self) -> None:
        rows = np.concatenate([self.train, self.valid, self.test])
        if len(np.unique(rows)) != len(rows):
            msg = (
                f"fold '{self.name}': a row is in two parts; train, valid and test must be disjoint"
            )
            raise SerbenchError(msg)


@dataclass(frozen=True)
class Protocol:
    """A way to split: a pure function of the table, the same folds each time.

    Attributes:
        name: as the user writes it.
        split: table and task to folds.
        shares: what two parts of a fold may have in common, out of "speaker", "session" and
            "recording"; the audit refuses anything else, and every table shows this.
    """

    name: str
    split: Callable[[DataFrame, Task], list[Fold]]
    shares: frozenset[str] = frozenset()

    @property
    def speaker_dependent(self) -> bool:
        """Whether speakers of the test part are also trained on."""
        return "speaker" in self.shares


@dataclass(frozen=True)
class Benchmark:
    """A corpus with its task and protocols, frozen: any change of a number bumps `version`.

    Attributes:
        name: as the user writes it.
        version: of the benchmark, not of the corpus.
        task: what is predicted, with the label set or the dimensions.
        read: the corpus folder (None where `folder` is None) to the table of utterances: columns
            `utterance` (unique id), `path` (absolute), `start`, `end` (seconds, NaN for a whole
            file), `speaker`, `session`, `gender` ("female", "male"), `text`, `split` ("train",
            "valid", "test"), the last four None where unknown, and the task's target columns.
        protocols: factories of the protocols it supports, by name; the first is the default.
        folder: its folder below the data folder; None if the package makes the corpus.
        licence: of the corpus.
        citation: of the corpus.
        obtain: how to get it.
        synthetic: whether the speech is made by a program; every table says so.
        known_defects: utterance id to what is wrong with it in the corpus as distributed; such an
            utterance is reported but does not stop a run.
    """

    name: str
    version: str
    task: Task
    read: Callable[[Path | None], DataFrame]
    protocols: Mapping[str, Callable[..., Protocol]]
    folder: str | None
    licence: str
    citation: str
    obtain: str
    synthetic: bool = False
    known_defects: Mapping[str, str] = field(default_factory=dict)


__all__ = ["Benchmark", "Classification", "Fold", "Protocol", "Regression", "Rows", "Task"]
