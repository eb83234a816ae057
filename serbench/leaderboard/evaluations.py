"""Scores of published encoders as the hub takes them from others: its community evaluations.

The hub reads `.eval_results/*.yaml` in the repository of a model, and shows the scores there and
with the data set, if that is a benchmark (https://huggingface.co/docs/hub/eval-results).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench.durable import replacing
from serbench.errors import SerbenchError
from serbench.leaderboard import implied
from serbench.leaderboard.cards import published
from serbench.leaderboard.comparing import called
from serbench.leaderboard.figures import ends
from serbench.leaderboard.naming import origins_of
from serbench.leaderboard.page.flags import FLAGS, of_board, of_row
from serbench.leaderboard.table import Board, Row

if TYPE_CHECKING:
    from huggingface_hub import EvalResultEntry

_FILE = Path(".eval_results/serbench.yaml")
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
        SerbenchError: one is of another form, or a benchmark is there twice.
    """
    found = {}
    for text in said:
        match = _FORM.fullmatch(text)
        if match is None:
            msg = f"'{text}' does not say which data set; give BENCHMARK=OWNER/NAME[:TASK]"
            raise SerbenchError(msg)
        name, *where = (part for part in match.groups() if part)
        if name in found:
            raise SerbenchError(f"{name} is given twice; a benchmark is one data set on the hub")
        found[name] = DataSet(*where)
    return found


def checked(url: str) -> str:
    """Return the address of a page, as others may follow it.

    Raises:
        SerbenchError: it is none of the web.
    """
    if re.fullmatch(r"https?://[^\s<>\"']+", url) is None:
        raise SerbenchError(f"'{url}' is no address of a page; give https://...")
    return url


def evaluations(
    boards: Sequence[Board],
    where: Mapping[str, DataSet],
    url: str | None = None,
) -> dict[str, str]:
    """Return, for each published encoder, its best ranked score on each board as YAML.

    Rows of several encoders, of weights that nobody finds on the hub, and those that were sent in
    or are not what their recipe says are left out; what qualifies a score stands in its notes.

    Args:
        boards: with the rows.
        where: what benchmarks are on the hub; others are left out.
        url: of the page, as the source.
    """
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    found: dict[str, list[EvalResultEntry]] = {}
    here = _by_digest(boards)
    for board in boards:
        if board.benchmark.name in where:
            for model, row in _best(board, here).items():
                entry = _entry(board, row, where[board.benchmark.name], url)
                found.setdefault(model, []).append(entry)
    return {
        model: yaml.safe_dump(
            eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True
        )
        for model, entries in found.items()
    }


def keep(texts: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Write evaluations below a folder, and yield what was done, a sentence each.

    Those of an earlier time that are none any more are removed.

    Args:
        texts: as of `evaluations`.
        folder: of the page.

    Raises:
        SerbenchError: the folder cannot be written to.
    """
    hub = folder / "hub"
    places = {hub / model / _FILE: model for model in texts}
    for path in sorted({*hub.glob(f"*/*/{_FILE}")} - places.keys()):
        path.unlink()
        yield f"removed, as there is no such score any more: {path}"
    for path, model in places.items():
        with replacing(path) as temporary:
            temporary.write_text(texts[model], encoding="utf-8")
        yield f"for {model}: {path}"


def account(
    boards: Sequence[Board],
    where: Mapping[str, DataSet],
) -> Iterator[str]:
    """Yield, for each benchmark on the hub, what becomes of its rows, a sentence each.

    Args:
        boards: as for `evaluations`.
        where: likewise.
    """
    here = _by_digest(boards)
    for name, data in where.items():
        own = [board for board in boards if board.benchmark.name == name]
        if not own:
            yield f"{name}: no result is on it, so nothing is written for {data.id}"
            continue
        best = [(board, _best(board, here)) for board in own]
        why = Counter(_fate(row, found, here) for board, found in best for row in board.rows)
        parts = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
        yield f"{name}, for {data.id}: of {why.total()} row{'s' * (why.total() > 1)} {parts}"


def _fate(row: Row, best: Mapping[str, Row], here: Mapping[str, Row]) -> str:
    if row.rank is None:
        return "without a rank"
    if len(row.result.encoders) > 1:
        return "of several encoders"
    models = published(row)
    if not models:
        return "of weights without an id on the hub"
    if row.sent:
        return "sent in"
    if not _is_proven(row, here):
        return "not verified"
    return "written" if any(best[model] is row for model in models) else "not the best of its model"


def _by_digest(boards: Sequence[Board]) -> dict[str, Row]:
    return {row.result.digest: row for board in boards for row in board.rows}


def _best(board: Board, here: Mapping[str, Row]) -> dict[str, Row]:
    """Return the first row of each encoder that is alone in it; boards have the best first."""
    found: dict[str, Row] = {}
    for row in board.rows:
        if row.rank is not None and len(row.result.encoders) == 1:
            for model in published(row):
                if model not in found and _is_proven(row, here):
                    found[model] = row
    return found


def _is_proven(row: Row, here: Mapping[str, Row]) -> bool:
    """Return whether a row and all that it was made of were trained here, as their recipes say.

    Nobody knows that of one that was sent in: truths can be verified, predictions cannot.
    """
    if row.sent or any(implied.unlike(row.result)):
        return False
    if not (origins := origins_of(row.result)):
        # an older recipe that does not say which encoder backs no id of one
        return isinstance(row.result.recipe.get("upstreams"), list)
    # nothing is made of itself, whatever records say
    others = {key: other for key, other in here.items() if other is not row}
    runs = [others.get(digest) for digest in origins]
    return all(run is not None and _is_proven(run, others) for run in runs)


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
    seeds = len(row.result.seeds)
    yield f"{seeds} training{'s' * (seeds > 1)} a fold"
    yield from (FLAGS[flag].words for flag in dict.fromkeys([*of_board(board), *of_row(row)]))
    yield f"serbench result {row.result.digest[:12]}"
