"""Scores of published encoders as the hub takes them from others: its community evaluations.

The hub reads `.eval_results/*.yaml` in the repository of a model, and shows the scores there and
with the data set, if that is a benchmark (https://huggingface.co/docs/hub/eval-results).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from serbench.errors import SerbenchError
from serbench.leaderboard.cards import published
from serbench.leaderboard.comparing import called
from serbench.leaderboard.figures import ends
from serbench.leaderboard.page.flags import FLAGS, of_board, of_row
from serbench.leaderboard.table import Board, Row

if TYPE_CHECKING:
    from huggingface_hub import EvalResultEntry

_FORM = re.compile(r"([\w-]+)=([\w.-]+/[\w.-]+)(?::([\w.-]+))?")


class DataSet(NamedTuple):
    """What a benchmark is on the hub: the id of the data set, and of the task in its eval.yaml."""

    id: str
    task: str = "default"


def data_sets(said: Iterable[str]) -> dict[str, DataSet]:
    """Return what benchmarks are on the hub.

    Args:
        said: "BENCHMARK=OWNER/NAME" or "BENCHMARK=OWNER/NAME:TASK".

    Raises:
        SerbenchError: one is of another form.
    """
    found = {}
    for text in said:
        match = _FORM.fullmatch(text)
        if match is None:
            msg = f"'{text}' does not say which data set; give BENCHMARK=OWNER/NAME[:TASK]"
            raise SerbenchError(msg)
        name, *where = (part for part in match.groups() if part)
        found[name] = DataSet(*where)
    return found


def evaluations(
    boards: Sequence[Board], where: Mapping[str, DataSet], url: str | None = None
) -> dict[str, str]:
    """Return, for each published encoder, its best ranked score on each board as YAML.

    Rows of several encoders, and of weights that nobody finds on the hub, are left out; what
    qualifies a score stands in its notes.

    Args:
        boards: with the rows.
        where: what benchmarks are on the hub; others are left out.
        url: of the page, as the source.
    """
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    found: dict[str, list[EvalResultEntry]] = {}
    for board in boards:
        if board.benchmark.name in where:
            for model, row in _best(board).items():
                entry = _entry(board, row, where[board.benchmark.name], url)
                found.setdefault(model, []).append(entry)
    return {
        model: yaml.safe_dump(
            eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True
        )
        for model, entries in found.items()
    }


def _best(board: Board) -> dict[str, Row]:
    """Return the first row of each encoder that is alone in it; boards have the best first."""
    found: dict[str, Row] = {}
    for row in board.rows:
        if row.rank is not None and len(row.result.encoders) == 1:
            for model in published(row):
                found.setdefault(model, row)
    return found


def _entry(board: Board, row: Row, where: DataSet, url: str | None) -> EvalResultEntry:
    from huggingface_hub import EvalResultEntry

    key = board.columns[0].key
    return EvalResultEntry(
        dataset_id=where.id,
        task_id=where.task,
        value=round(row.values[key].mean, 6),
        date=row.result.created.date().isoformat(),
        source_url=url,
        source_name="serbench leaderboard" if url else None,
        notes="; ".join(_notes(board, row)),
    )


def _notes(board: Board, row: Row) -> Iterator[str]:
    column = board.columns[0]
    interval = row.intervals.get(column.key)
    yield f"{column.title} {column.dimension or ''}".strip()
    if interval is not None:
        yield f"95 % {ends(interval)} over {interval.speakers} speakers"
    yield from (called(row.result.labels), board.title)
    yield from (FLAGS[flag].words for flag in dict.fromkeys([*of_board(board), *of_row(row)]))
    yield f"serbench result {row.result.digest[:12]}"
