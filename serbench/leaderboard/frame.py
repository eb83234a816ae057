"""All results as one tidy frame: one row an observation, for statistics and plots of one's own."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from serbench.errors import unknown
from serbench.leaderboard import store
from serbench.leaderboard.comparable import groups
from serbench.leaderboard.described import cell, setting, system
from serbench.leaderboard.differing import as_text, keys_apart, leaves
from serbench.leaderboard.standing import standing

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.leaderboard.record import Result
    from serbench.leaderboard.store import Entry

By = Literal["fold", "speaker"]
"""What is measured together: the test part of a fold, or all that a speaker says in any of them."""


def load_results(
    results: str | PathLike[str] = "results", benchmark: str | None = None, *, by: By = "fold"
) -> DataFrame:
    """Return every score in a results folder, one row a result x fold (or speaker) x seed x metric.

    Scores are computed from the stored predictions, not read from the records. Results are
    comparable where `board` is equal.

    Args:
        results: the folder.
        benchmark: only results on this one.
        by: "fold": the metrics that a leaderboard averages over folds, such as `ua` and
            `o_ccc:valence`. "speaker": each test speaker's own, such as `ua` and `ccc:valence`,
            whose mean over speakers is the A-CCC. The CCC of a speaker with one utterance is NaN.

    Returns:
        The columns `digest`, `board` (the heading of the leaderboard), `benchmark`, `version`,
        `synthetic`, `task`, `targets`, `protocol`, `protocol_options`, `shares` (what train and
        test have in common; "" for nothing), `split`, `transductive`, `upstream`, `weights`,
        `downstream`, `adapted_on`, `complete`; one for each option that alone sets some results
        apart, by its name in a recipe (`training.epochs`; NaN where a recipe has none, a list as
        JSON); then `fold` or `speaker`, `seed`, `utterances`, `metric` and `value`.

    Raises:
        SerbenchError: there are no such results.

    Warns:
        UserWarning: for each file that cannot be trusted and is left out, with the reason.

    Example:
        scores = serbench.load_results()
        ua = scores[scores["metric"] == "ua"]
        ua.groupby(["upstream", "downstream", "seed"])["value"].mean()
    """
    import pandas as pd

    if by not in get_args(By):
        raise unknown("way to group", by, get_args(By))
    root = Path(results).expanduser()
    shelf = store.read_all(root)
    for problem in shelf.problems:
        warnings.warn(f"left out: {problem}", stacklevel=2)
    entries = store.on_benchmark(shelf, root, benchmark)
    standings = (standing(*entry) for entry in entries)
    headings = {id(e.result): group.title for group in groups(standings) for e in group.entries}
    boards = [headings[id(entry.result)] for entry in entries]
    named = pd.DataFrame(_named([entry.result for entry in entries]))
    named.insert(1, "board", boards)
    observed = [_observed(entry, by) for entry in entries]
    repeated = named.loc[named.index.repeat([len(rows) for rows in observed])]
    return repeated.reset_index(drop=True).join(pd.concat(observed, ignore_index=True))


def _observed(entry: Entry, by: By) -> DataFrame:
    """Return the scores of one result, a metric a row."""
    from serbench.scoring.predictions import as_folds
    from serbench.scoring.scores import measured

    task = entry.result.benchmark.task
    prefix = task.over_folds if by == "fold" else ""
    predictions = as_folds(entry.predictions) if by == "fold" else entry.predictions
    wide = measured(task, predictions, [by, "seed"], prefix)
    long = wide.melt([by, "seed", "utterances"], var_name="metric", ignore_index=False)
    return long.sort_index(kind="stable")


def _named(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what each result is: its columns, and the options that these do not tell."""
    plain = [
        {name: cell(value) for name, value in (setting(result) | system(result)).items()}
        for result in results
    ]
    alike: dict[str, list[Result]] = defaultdict(list)
    for result, columns in zip(results, plain, strict=True):
        alike[repr(columns)].append(result)
    keys = [key for group in alike.values() for key in keys_apart([r.recipe for r in group])]
    return [
        {"digest": result.digest, **columns, "complete": result.complete, **_options(result, keys)}
        for result, columns in zip(results, plain, strict=True)
    ]


def _options(result: Result, keys: Sequence[str]) -> dict[str, Any]:
    """Return the values of some dotted paths of a recipe, by the names that `--set` takes."""
    there = leaves(result.recipe)
    found = {key: there.get(key) for key in dict.fromkeys(keys)}
    return {
        key.replace(".options.", "."): as_text(value) if isinstance(value, list) else value
        for key, value in found.items()
    }
