"""Further columns of a board, asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from serbench.errors import unknown
from serbench.leaderboard.figures import main_ends, number
from serbench.leaderboard.hearing import HEARD_UNLABELLED, LABELLED, heard
from serbench.leaderboard.record import Result
from serbench.leaderboard.table import Board, Row

Value: TypeAlias = float | int | bool | str | None


class Column(NamedTuple):
    """A column: its heading, what it is in words, and its value in each row of a board."""

    title: str
    about: str
    values: Callable[[Board], list[Value]]


def _by_row(value: Callable[[Row], Value]) -> Callable[[Board], list[Value]]:
    return lambda board: [value(row) for row in board.rows]


def _ranks(board: Board) -> list[Value]:
    """Return "1 to 3" for each row that is ranked and has shares."""
    from serbench.scoring.comparisons import rank_intervals

    key = board.columns[0].key
    ranked = [row for row in board.rows if row.rank is not None and key in row.intervals]
    # those that predict the same count once
    apart = {row.standing.measured.predicted: row.shares[key] for row in ranked}
    found = rank_intervals([*apart.values()]) if apart else []
    texts = {
        predicted: f"{low}" if low == high else f"{low} to {high}"
        for predicted, (low, high) in zip(apart, found, strict=True)
    }
    places = {row.result.digest: texts[row.standing.measured.predicted] for row in ranked}
    return [places.get(row.result.digest) for row in board.rows]


def _intervals(board: Board) -> list[Value]:
    return [main_ends(board, row) or None for row in board.rows]


def _weights(row: Row) -> Value:
    named = [each.provenance.get("id", "") for each in row.result.encoders]
    return ", ".join(name for name in named if name) or None


def _rate(row: Row) -> Value:
    rates = sorted({fit.learning_rate for fit in row.result.training})
    if not rates:
        return None
    return f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}"


def _by_speaker(measure: str) -> Callable[[Row], Value]:
    def value(row: Row) -> Value:
        from serbench.scoring import inequality

        task, scores = row.result.benchmark.task, row.standing.measured.scores
        people = scores.averaged(f"a_{task.main}")
        found: float | None = getattr(inequality, measure)(people[task.main].to_list())
        return found

    return value


def contaminated(result: Result) -> bool:
    """Return whether an upstream is known to be trained on the corpus that it is tested on."""
    known = [each.provenance for each in result.encoders]
    return any(
        {LABELLED, HEARD_UNLABELLED} & each.keys()
        or heard(each.get("trained_on", ""), result.benchmark)
        for each in known
    )


def _contaminated(result: Result) -> Value:
    """Return the same, or that nobody knows, as weights do not say what they were trained on."""
    if contaminated(result):
        return True
    silent = (each.provenance and "trained_on" not in each.provenance for each in result.encoders)
    return "unknown" if any(silent) else False


COLUMNS: Mapping[str, Column] = {
    "intervals": Column("95 %", "interval of what ranks, over speakers", _intervals),
    "ranks": Column("ranks", "between which ranks it comes with other speakers", _ranks),
    "seeds": Column("seeds", "trainings that are averaged", _by_row(lambda row: row.seeds)),
    "worst_decile": Column(
        "worst decile", "mean of the worst tenth of speakers", _by_row(_by_speaker("worst_decile"))
    ),
    "gini": Column(
        "Gini",
        "how unequally speakers are served; - where somebody's score is below zero",
        _by_row(_by_speaker("gini")),
    ),
    "weights": Column("id of weights", "where the upstream's weights come from", _by_row(_weights)),
    "rate": Column("rate", "learning rates that validation chose", _by_row(_rate)),
    "seconds": Column(
        "seconds",
        "of the whole run, its trainings one after the other",
        _by_row(lambda row: round(sum(row.result.seconds.values()))),
    ),
    "encode": Column(
        "encode s",
        "seconds of encoding what was not stored",
        _by_row(lambda row: row.result.seconds.get("encode")),
    ),
    "parameters": Column(
        "parameters",
        "of the upstream; of several, together",
        _by_row(lambda row: row.result.parameters.get("upstream")),
    ),
    "head_parameters": Column(
        "head parameters",
        "of all that learns from the upstream",
        _by_row(lambda row: row.result.parameters.get("head")),
    ),
    "speed": Column(
        "x real time",
        "seconds of audio that the upstream encoded in a second, on whatever device",
        _by_row(lambda row: None if row.result.speed is None else round(row.result.speed, 1)),
    ),
    "device": Column("device", "computed on", _by_row(lambda row: row.result.device or None)),
    "transductive": Column(
        "transductive",
        "whether the test part was heard without labels",
        _by_row(lambda row: row.result.transductive),
    ),
    "contaminated": Column(
        "contaminated",
        "whether the upstream was trained on the test corpus",
        _by_row(lambda row: _contaminated(row.result)),
    ),
}
"""The columns by name."""


def chosen(names: str | None) -> list[str]:
    """Return the names in a list with commas, each once.

    Raises:
        SerbenchError: there is no such column.
    """
    found = list(dict.fromkeys(name.strip() for name in names.split(","))) if names else []
    for name in found:
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS)
    return found


def texts(board: Board, names: Sequence[str]) -> list[list[str]]:
    """Return for each row the columns of these names as text."""
    columns = [COLUMNS[name].values(board) for name in names]
    return [[as_text(value) for value in row] for row in zip(*columns, strict=True)] or [
        [] for _ in board.rows
    ]


def as_text(value: Any) -> str:
    """Return a value as a table shows it; "-" where there is none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)
