"""What a finished run left for post-processors to look at, and what they make of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench.errors import SerbenchError
from serbench.leaderboard import beside
from serbench.leaderboard.record import Enrolled, Result
from serbench.postprocessors import Evidence, Known, PostProcessor, chain
from serbench.scoring.embedded import aligned
from serbench.scoring.predictions import truths as truths_of
from serbench.scoring.predictions import values as values_of
from serbench.scoring.predictions import with_values
from serbench.scoring.voices import vectors

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task


class Corrected(NamedTuple):
    """Corrected predictions for the parts of folds that are corrected."""

    tested: DataFrame
    validated: DataFrame
    enrolled: DataFrame


@dataclass(frozen=True)
class Material:
    """What a run left: predictions for the parts of its folds, and the voices of its speakers."""

    tested: DataFrame
    validated: DataFrame
    training: DataFrame
    voices: DataFrame
    enrolled: DataFrame
    embedded: DataFrame
    how: Enrolled | None

    @classmethod
    def of(cls, path: Path, result: Result, tested: DataFrame) -> Material:
        """Read it.

        Raises:
            SerbenchError: something is missing.
        """
        return cls(
            tested,
            beside.load_part(path, result, "valid"),
            beside.load_part(path, result, "train"),
            beside.load_voices(path, result),
            # nobody is enrolled with nothing
            beside.load_part(path, result, "enrol") if enrols(result) else tested.iloc[:0],
            beside.load_embedded(path, result),
            result.protocol.enrolled,
        )

    @property
    def trials(self) -> list[tuple[str, int]]:
        """Each fold and seed."""
        rows = self.tested[["fold", "seed"]].drop_duplicates().to_numpy()
        return [(str(fold), int(seed)) for fold, seed in rows]

    def corrected(self, task: Task, steps: tuple[PostProcessor, ...]) -> Corrected:
        """Return the corrected predictions of all trials."""
        import pandas as pd

        trials = [self._corrected(task, steps, *trial) for trial in self.trials]
        parts = (pd.concat(each, ignore_index=True) for each in zip(*trials, strict=True))
        return Corrected(*parts)

    def check_forgets(
        self, task: Task, steps: tuple[PostProcessor, ...], before: Corrected
    ) -> None:
        """Correct the first trial once more, and refuse steps that remember the others.

        Raises:
            SerbenchError: another correction comes out.
        """
        fold, seed = self.trials[0]
        again = self._corrected(task, steps, fold, seed).tested.reset_index(drop=True)
        if not again.equals(of_trial(before.tested, fold, seed).reset_index(drop=True)):
            msg = (
                f"{fold}, seed {seed}, is corrected otherwise after the other folds than before "
                "them, so nothing is stored: a post-processor keeps what it was given, which may "
                "be truths of those who are tested now"
            )
            raise SerbenchError(msg)

    def _corrected(
        self, task: Task, steps: tuple[PostProcessor, ...], fold: str, seed: int
    ) -> Corrected:
        parts = (self.tested, self.validated, self.enrolled, self.embedded)
        tested, validated, enrolled, embedded = (of_trial(rows, fold, seed) for rows in parts)
        known = _known(task, tested, embedded)
        values, left = chain(steps, known, self.evidence(task, fold, seed))
        if left.enrolled is not None and len(enrolled):
            enrolled = with_values(task, enrolled, left.enrolled.values)
        return Corrected(
            with_values(task, tested, values),
            with_values(task, validated, left.valid.values),
            enrolled,
        )

    def evidence(self, task: Task, fold: str, seed: int) -> Evidence:
        """Return what may be looked at to correct the predictions of a trial."""
        validated, training, enrolled, voices, embedded = (
            of_trial(rows, fold, seed)
            for rows in (self.validated, self.training, self.enrolled, self.voices, self.embedded)
        )
        given = _known(task, enrolled, embedded)
        labelled = self.how is not None and self.how.labelled
        return Evidence(
            train=_known(task, training, embedded),
            valid=_known(task, validated, embedded),
            voices=dict(zip(voices["speaker"], vectors(voices), strict=True)),
            seed=seed,
            enrolled=(given if labelled else given.unlabelled) if self.how else None,
        )


def of_trial(rows: DataFrame, fold: str, seed: int) -> DataFrame:
    """Return the rows of a trial."""
    return rows[(rows["fold"] == fold) & (rows["seed"] == seed)]


def enrols(result: Result) -> bool:
    """Return whether anything is enrolled."""
    return any(fold.enrol for fold in result.split.folds)


def _known(task: Task, rows: DataFrame, embedded: DataFrame) -> Known:
    """Return the predictions of a trial for a part, with their truths and embeddings."""
    columns = truths_of(task)
    places = {label: place for place, label in enumerate(task.classes)}
    truths = rows[columns[0]].map(places) if places else rows[columns]
    embeddings = None if embedded.empty else aligned(embedded, rows)
    speakers = rows["speaker"].to_numpy()
    return Known(values_of(task, rows), speakers, truths.to_numpy(), embeddings=embeddings)
