"""`serbench compare`: two results beside each other, with a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serbench.cli.options import Data, Results

if TYPE_CHECKING:
    from serbench.leaderboard.store import Entry

Stored = Annotated[str, typer.Argument(help="How the digest begins, or the record's path.")]


class By(StrEnum):
    """What a comparison is taken apart by."""

    SPEAKER = "speaker"
    FOLD = "fold"
    EMOTION = "emotion"
    GENDER = "gender"
    CORPUS = "corpus"


def compare(
    one: Stored,
    other: Stored,
    by: Annotated[By | None, typer.Option(help="What to take the ranking figure apart by.")] = None,
    results: Results = Path("results"),
    data: Data = None,
) -> None:
    """Say whether one result is better than another, and by how much, with intervals."""
    from serbench.leaderboard import store
    from serbench.leaderboard.marks import told

    paths = [store.look_up(results, name) for name in (one, other)]
    pair = [store.load_result(path) for path in paths]
    if by is By.CORPUS:
        _across(pair, results)
    else:
        _beside(pair, by, data)
    for path, entry in zip(paths, pair, strict=True):
        for said in told(path, entry.result):
            typer.echo(f"{path.stem[:8]}: {said}")


def _beside(pair: list[Entry], by: By | None, data: Path | None) -> None:
    from serbench.cli.terminal import printer
    from serbench.leaderboard.comparing import compare as compared
    from serbench.leaderboard.render_comparison import render_comparison

    gender = _gender(pair[0], data) if by is By.GENDER else None
    one, other = pair
    found = compared(one, other, None if by is None else by.value, gender)  # type: ignore[arg-type]
    printer().print(render_comparison(found, by and by.value))


def _gender(entry: Entry, data: Path | None) -> Mapping[str, str]:
    """Return the gender of each speaker, as the corpus has it."""
    from serbench.runs.at_hand import table_of

    known = table_of(entry.result, data).dropna(subset=["gender"])
    return dict(zip(known["speaker"].astype(str), known["gender"].astype(str), strict=True))


def _across(pair: list[Entry], results: Path) -> None:
    from serbench.cli.terminal import printer
    from serbench.leaderboard import store, table
    from serbench.leaderboard.across import names_across, two_across
    from serbench.leaderboard.remembered import standing_of
    from serbench.leaderboard.render_comparison import render_across

    shelf = store.read_all(results, standing_of)
    for problem in shelf.problems:
        typer.echo(f"serbench: left out: {problem}", err=True)
    one, other = (entry.result for entry in pair)
    pairs = two_across(table.boards(shelf.entries), one, other)
    printer().print(render_across(pairs, names_across(one, other)))
