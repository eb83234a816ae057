"""Where the runs of a study are computed and kept: ordinary ones, found again the next time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.marks import told
from serbench.runs import recipe as recipes
from serbench.runs import rerunning
from serbench.runs.run import run_recipe

if TYPE_CHECKING:
    from serbench.leaderboard.store import Entry
    from serbench.progress import Progress
    from serbench.runs.recipe import Recipe
    from serbench.runs.result import Outcome


class Stored(NamedTuple):
    """A finished run: its record and predictions, and where they lie."""

    path: Path
    entry: Entry


@dataclass(frozen=True)
class Bench:
    """What all runs of a study share; the attributes are arguments of `serbench.run`."""

    results: Path
    progress: Progress
    data: Path | None = None
    device: str = "cpu"
    threads: int | None = None

    def run(self, raw: Mapping[str, Any]) -> Outcome:
        """Return the result of a recipe, computed if it is not there.

        Args:
            raw: as `recipe.resolve` takes it.
        """
        return run_recipe(
            recipes.resolve(raw),
            data=self.data,
            results=self.results,
            progress=self.progress,
            device=self.device,
            threads=self.threads,
        )

    def stored(self, run: str) -> Stored:
        """Return a finished run; it is told if nobody trained it here.

        Args:
            run: how its digest begins, or the path of its record.

        Raises:
            SerbenchError: there is none, or it is not complete.
        """
        path = store.look_up(self.results, run)
        entry = store.load_result(path)
        if not entry.result.complete:
            raise SerbenchError(f"run {entry.result.digest[:8]} is not finished; run it again")
        for said in told(path, entry.result):
            self.progress.tell(f"run {entry.result.digest[:8]}: {said}")
        return Stored(path, entry)

    def recipe_of(self, stored: Stored, raw: Mapping[str, Any] | None = None) -> Recipe:
        """Return the recipe of a finished run, with the code and the files that are here.

        Args:
            stored: the run.
            raw: of `rerunning.raw_of`, where its files lie elsewhere than in the working folder.

        Raises:
            SerbenchError: it is made of others, or something of it is not here.
        """
        result = stored.entry.result
        found = rerunning.resolve(result, rerunning.raw_of(result) if raw is None else raw)
        # what was left out then may be left out now; the audit says whether it is the same
        return found.model_copy(update={"leave_out_broken": bool(result.left_out)})


def about(digests: Sequence[str]) -> str:
    """Return 8 hex digits for the runs of a study; of one, those that it is called by."""
    return (digests[0] if len(digests) == 1 else digest_json(list(digests)))[:8]
