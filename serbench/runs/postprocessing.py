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
from serbench.durable import makeable
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.beside import Beside
from serbench.leaderboard.identity import (
    CORRECTED,
    called_steps,
    corrected_by,
    corrected_labels,
    digest_of,
)
from serbench.leaderboard.marks import was_sent
from serbench.leaderboard.notes import to_hand_on
from serbench.leaderboard.reading import read_record
from serbench.leaderboard.record import Corrected, Result
from serbench.postprocessors import PostProcessor, check_serves
from serbench.progress import Silent
from serbench.runs import derived
from serbench.runs.material import Material, enrols
from serbench.runs.parts import Part
from serbench.runs.plugin_part import plugin_of
from serbench.runs.recipe import steps_of
from serbench.runs.result import Outcome
from serbench.scoring.scores import score
from serbench.vetting.vet import vet

if TYPE_CHECKING:
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
    makeable(root)
    path = store.look_up(root, fspath(run))
    parts = steps_of(steps)
    if not parts:
        raise SerbenchError("no post-processor is given; `serbench list postprocessors` names them")
    return corrected(Finished(path, derived.source(path)), parts, root)


def correct(run: Outcome, parts: Sequence[Part], results: Path, *, anew: bool = False) -> Outcome:
    """Correct the predictions of a run as its recipe says; without a step it stays as it is.

    Args:
        run: what was trained.
        parts: post-processors, in their order.
        results: folder of the result files.
        anew: put the result in the place of one that was made of other data, too.

    Raises:
        SerbenchError: a post-processor for another kind of task, or what it says.
    """
    if not parts:
        return run
    return corrected(Finished(run.path, derived.source(run.path)), parts, results, anew=anew)


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
    def material(self) -> Material:
        """What lies beside it.

        Raises:
            SerbenchError: something is missing.
        """
        return Material.of(self.path, self.entry.result, self.entry.predictions)


def corrected(run: Finished, parts: Sequence[Part], root: Path, *, anew: bool = False) -> Outcome:
    """Correct the predictions of a finished run; the result lies beside the run's own.

    Args:
        run: what was trained, or corrected before.
        parts: post-processors, at least one, in their order.
        root: folder of the result files.
        anew: put the result in the place of one that was made of other data, too.

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
        made_of_it = material.corrected(task, made)
        if any(part.code for part in parts):
            material.check_forgets(task, made, made_of_it)
    scores = score(task, made_of_it.tested)
    noted = to_hand_on(before.result, sent=was_sent(run.path))
    result = _record(before.result, parts, made).model_copy(
        update={
            "noted": tuple(noted),
            "scores": scores.to_json(),
            "seconds": {"postprocess": round(time.monotonic() - start, 1)},
        }
    )
    enrolled = made_of_it.enrolled if enrols(result) else None
    embedded = None if material.embedded.empty else material.embedded
    kept = Beside(
        made_of_it.validated, material.training, material.voices, enrolled, embedded=embedded
    )
    path = derived.keep(result, made_of_it.tested, root, kept, anew=anew)
    return Outcome(read_record(path), scores, path)


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


def _record(before: Result, parts: Sequence[Part], steps: Sequence[PostProcessor]) -> Result:
    """Return the record without what is computed."""
    recipe = corrected_by([part.identity() for part in parts], before.digest)
    names = called_steps(recipe[CORRECTED])
    corrected = Corrected(
        digest=before.digest,
        steps=tuple(names),
        oracle=before.saw_truths or any(step.oracle for step in steps),
    )
    return before.model_copy(
        update={
            "digest": digest_of(recipe),
            "recipe": recipe,
            "labels": corrected_labels(before.labels, names),
            "corrected": corrected,
            "created": datetime.now(UTC).replace(microsecond=0),
        }
    )
