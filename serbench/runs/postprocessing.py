"""Post-processing of a finished run: its predictions corrected, as a result of their own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.leaderboard import beside, store
from serbench.leaderboard.beside import Beside
from serbench.leaderboard.identity import CORRECTED, corrected_by, digest_of
from serbench.leaderboard.record import Corrected, Enrolled, Result, summed
from serbench.postprocessors import Evidence, Known, PostProcessor, chain, check_serves
from serbench.progress import Silent
from serbench.runs.parts import Part
from serbench.runs.plugin_part import plugin_of
from serbench.runs.recipe import steps_of
from serbench.runs.result import Outcome
from serbench.scoring.embedded import aligned
from serbench.scoring.predictions import truths as truths_of
from serbench.scoring.predictions import values as values_of
from serbench.scoring.predictions import with_values
from serbench.scoring.scores import score
from serbench.scoring.voices import vectors
from serbench.vetting.vet import vet

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task
    from serbench.leaderboard.store import Entry
    from serbench.progress import Progress

Choice = str | Mapping[str, Any]
"""A post-processor by its name or file, or a table of `name` and options."""


def postprocess(
    run: str | PathLike[str],
    steps: Choice | Sequence[Choice],
    results: str | PathLike[str] = "results",
) -> Outcome:
    """Correct the predictions of a finished run, fold by fold and seed by seed; nothing is trained.

    The run's own result stays as it is; what comes out lies beside it.

    Args:
        run: how its digest begins, or the path of its record.
        steps: post-processors, in their order; each a name, a file, or a dict of `name` and
            options.
        results: folder of the result files.

    Returns:
        The record (`result`), its scores (`scores`), and where it lies (`path`).

    Raises:
        SerbenchError: no such run or post-processor, one for another kind of task, or a run that
            did not keep what it looks at.

    Example:
        serbench.postprocess("1a2b3c4d", {"name": "pldc", "shift": "sigma"})
    """
    root = Path(results).expanduser()
    path = store.look_up(root, fspath(run))
    parts = steps_of(steps)
    if not parts:
        raise SerbenchError("no post-processor is given; `serbench list postprocessors` names them")
    return corrected(Finished(path, store.load_result(path)), parts, root)


def correct(run: Outcome, parts: Sequence[Part], results: Path) -> Outcome:
    """Correct the predictions of a run as its recipe says; without a step it stays as it is.

    Args:
        run: what was trained.
        parts: post-processors, in their order.
        results: folder of the result files.

    Raises:
        SerbenchError: a post-processor for another kind of task, or what it says.
    """
    if not parts:
        return run
    return corrected(Finished(run.path, store.load_result(run.path)), parts, results)


@dataclass(frozen=True)
class Finished:
    """A finished run; what post-processors look at is read once, however many there are.

    Attributes:
        path: of its record.
        entry: its record and predictions.
    """

    path: Path
    entry: Entry

    @cached_property
    def material(self) -> _Material:
        """What lies beside it.

        Raises:
            SerbenchError: something is missing.
        """
        return _Material.of(self.path, self.entry.result, self.entry.predictions)


def corrected(run: Finished, parts: Sequence[Part], root: Path) -> Outcome:
    """Correct the predictions of a finished run; the result lies beside the run's own.

    Args:
        run: what was trained, or corrected before.
        parts: post-processors, at least one, in their order.
        root: folder of the result files.

    Raises:
        SerbenchError: as `postprocess` says.
    """
    start = time.monotonic()
    before, task = run.entry, run.entry.result.benchmark.task
    made = made_of(parts, task)
    material = run.material
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(plugins.blamed(plugin_of("postprocessors", part)))
        tested, validated = material.corrected(task, made)
    scores = score(task, tested)
    result = _record(before.result, parts, made).model_copy(
        update={
            "scores": scores.to_json(),
            "seconds": {"postprocess": round(time.monotonic() - start, 1)},
        }
    )
    enrolled = material.enrolled if _enrols(result) else None
    embedded = None if material.embedded.empty else material.embedded
    kept = Beside(validated, material.training, material.voices, enrolled, embedded=embedded)
    return Outcome(summed(result), scores, store.save(result, tested, root, kept))


def made_of(
    parts: Sequence[Part], task: Task, progress: Progress | None = None
) -> tuple[PostProcessor, ...]:
    """Return the post-processors that some parts of a recipe mean; somebody's are tried before.

    Args:
        parts: of a recipe.
        task: whose predictions they are to correct.
        progress: where it is told that one is checked.

    Raises:
        SerbenchError: one cannot be made, does not serve the task, or breaks its contract.
    """
    made = []
    for part in parts:
        plugin = plugin_of("postprocessors", part)
        step = plugins.make(plugin, options=part.options)
        check_serves(part.name, step, task.kind)
        vet(plugin, part.identity(), part.options, progress or Silent())
        made.append(step)
    return tuple(made)


@dataclass(frozen=True)
class _Material:
    """What a run left: predictions for the parts of its folds, and the voices of its speakers."""

    tested: DataFrame
    validated: DataFrame
    training: DataFrame
    voices: DataFrame
    enrolled: DataFrame
    embedded: DataFrame
    how: Enrolled | None

    @classmethod
    def of(cls, path: Path, result: Result, tested: DataFrame) -> _Material:
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
            beside.load_part(path, result, "enrol") if _enrols(result) else tested.iloc[:0],
            beside.load_embedded(path, result),
            result.protocol.enrolled,
        )

    def corrected(
        self, task: Task, steps: tuple[PostProcessor, ...]
    ) -> tuple[DataFrame, DataFrame]:
        """Return the corrected predictions for the test and the validation parts."""
        import pandas as pd

        trials = [
            self._corrected(task, steps, str(fold), int(seed))
            for fold, seed in self.tested[["fold", "seed"]].drop_duplicates().to_numpy()
        ]
        tested, validated = zip(*trials, strict=True)
        return pd.concat(tested, ignore_index=True), pd.concat(validated, ignore_index=True)

    def _corrected(
        self, task: Task, steps: tuple[PostProcessor, ...], fold: str, seed: int
    ) -> tuple[DataFrame, DataFrame]:
        tested, validated, embedded = (
            _of(rows, fold, seed) for rows in (self.tested, self.validated, self.embedded)
        )
        evidence = self.evidence(task, fold, seed)
        values, valid = chain(steps, _known(task, tested, embedded), evidence)
        return with_values(task, tested, values), with_values(task, validated, valid)

    def evidence(self, task: Task, fold: str, seed: int) -> Evidence:
        """Return what may be looked at to correct the predictions of a trial."""
        validated, training, enrolled, voices, embedded = (
            _of(rows, fold, seed)
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


def neighbours(corrected: Result, path: Path) -> dict[str, list[str]]:
    """Return by whose labels each test speaker was corrected, with the first seed.

    Args:
        corrected: the record of a corrected run.
        path: of the record of the run that it was made of.

    Returns:
        Speaker to training speakers, the most similar first; empty where no step of serbench's own
        looks at any.
    """
    before = store.load_result(path)
    task = before.result.benchmark.task
    said: Any = corrected.recipe[CORRECTED]
    own = [step for step in said if step["origin"] == "serbench"]
    steps = made_of(steps_of([{**step["options"], "name": step["name"]} for step in own]), task)
    material = _Material.of(path, before.result, before.predictions)
    found: dict[str, list[str]] = {}
    for step in steps:
        for fold in material.tested["fold"].unique():
            tested = _of(material.tested, fold, min(before.result.seeds))
            evidence = material.evidence(task, fold, min(before.result.seeds))
            there = [who for who in tested["speaker"].unique() if who in evidence.voices]
            found = {**step.neighbours_of(there, evidence), **found} if there else found
    return found


def _of(rows: DataFrame, fold: str, seed: int) -> DataFrame:
    """Return the rows of a trial."""
    return rows[(rows["fold"] == fold) & (rows["seed"] == seed)]


def _enrols(result: Result) -> bool:
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


def _record(before: Result, parts: Sequence[Part], steps: Sequence[PostProcessor]) -> Result:
    """Return the record without what is computed."""
    recipe = corrected_by([part.identity() for part in parts], before.digest)
    names = [Path(part.name).stem for part in parts]
    corrected = Corrected(
        digest=before.digest, steps=tuple(names), oracle=any(step.oracle for step in steps)
    )
    head = " > ".join([before.labels.downstream, *names])
    return before.model_copy(
        update={
            "digest": digest_of(recipe),
            "recipe": recipe,
            "labels": before.labels.model_copy(update={"downstream": head}),
            "corrected": corrected,
            "created": datetime.now(UTC).replace(microsecond=0),
        }
    )
