"""By whose labels a corrected run's speakers were corrected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.identity import CORRECTED
from serbench.leaderboard.record import Result
from serbench.runs.material import Material, of_trial
from serbench.runs.parts import Part
from serbench.runs.postprocessing import made_of
from serbench.runs.recipe import steps_of


class Neighbours(NamedTuple):
    """By whose labels a step corrected the test speakers, with the first seed.

    step: its place and name in the chain, "pldc", or "2. pldc" of several.
    choice: how they were chosen: "nearest", "random" or "all".
    heard: speaker to training speakers, the most similar first.
    """

    step: str
    choice: str
    heard: Mapping[str, list[str]]


def neighbours(corrected: Result, path: Path) -> list[Neighbours]:
    """Return by whose labels each step corrected test speakers; those that look at none are not in.

    Args:
        corrected: the record of a corrected run.
        path: of the record of the run that it was made of.

    Raises:
        SerbenchError: a step corrects otherwise today, or the run did not keep what it looks at.
    """
    before = store.load_result(path)
    material = Material.of(path, before.result, before.predictions)
    said: Any = corrected.recipe[CORRECTED]
    found = []
    for number, step in enumerate(said, start=1):
        if step["origin"] != "serbench":
            continue
        (part,) = steps_of({**step["options"], "name": step["name"]})
        if part.edition != step.get("edition", 1):
            msg = f"it was corrected by another edition of '{part.name}'; correct it again"
            raise SerbenchError(msg)
        heard = _heard(before.result, material, part)
        named = f"{number}. {part.name}" if len(said) > 1 else part.name
        choice = str(part.options.get("neighbours", "nearest"))
        found += [Neighbours(named, choice, heard)] if heard else []
    return found


def _heard(result: Result, material: Material, part: Part) -> dict[str, list[str]]:
    """Return by whose labels a step corrects the test speakers with the first seed."""
    task, seed = result.benchmark.task, min(result.seeds)
    (step,) = made_of([part], task)
    found: dict[str, list[str]] = {}
    for fold in material.tested["fold"].unique():
        evidence = material.evidence(task, fold, seed)
        tested = of_trial(material.tested, fold, seed)["speaker"].unique()
        there = sorted(str(who) for who in tested if who in evidence.voices)
        found = {**step.neighbours_of(there, evidence), **found} if there else found
    return found
