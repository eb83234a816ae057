"""What the leaderboard reads of computed scores, whoever computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict

from serbench.leaderboard.record import Number, null_is_nan

if TYPE_CHECKING:
    from pandas import DataFrame

Cells = list[dict[str, Annotated[Any, BeforeValidator(null_is_nan)]]]


class Computed(Protocol):
    """Scores as `serbench.benchmarks.metrics.score` gives them."""

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain values, NaN as None: the fields of `Scores`, and others."""


Scorer = Callable[[dict[str, Any], "DataFrame"], Computed]
"""Computes scores from the task of a record (`Result.task`) and its predictions."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class OverFolds(_Read):
    """A metric averaged over folds; standard deviations have ddof 0."""

    mean_of_folds: Number
    std_over_folds: Number
    std_over_seeds: Number
    pooled: Number


class OverSpeakers(_Read):
    """A metric averaged over `speakers` test speakers; `left_out` had too few utterances."""

    mean_of_speakers: Number
    std_over_speakers: Number
    speakers: int
    left_out: int


class Scores(_Read):
    """All scores of a run.

    Attributes:
        rank: what ranks, the mean of folds of `ua` or `o_ccc`.
        by_fold: `ua`, `wa`, `macro_f1`, or `o_ccc:DIMENSION` and their mean `o_ccc`.
        by_speaker: `a_ua`, `a_wa`, or `a_ccc:DIMENSION` and their mean `a_ccc`.
        folds: one a fold and seed: `fold`, `seed`, `utterances`, and the metrics of `by_fold`.
        speakers: one a test speaker: `speaker`, `utterances`, and `ua`, `wa`, or `ccc`.
        seeds: how many.
        min_utterances: that a speaker needs to count.
        undefined: why a value is NaN, one sentence each.
    """

    rank: Number
    by_fold: dict[str, OverFolds]
    by_speaker: dict[str, OverSpeakers]
    folds: Cells
    speakers: Cells
    seeds: int
    min_utterances: int
    undefined: list[str]


def read(computed: Computed) -> Scores:
    """Return the part of computed scores that the leaderboard shows."""
    return Scores.model_validate(computed.to_json())
