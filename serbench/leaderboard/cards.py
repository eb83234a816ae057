"""A result as a model card of the hub: `model-index` for machines, words for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from serbench.leaderboard import notes
from serbench.leaderboard.bibtex import to_bibtex
from serbench.leaderboard.comparing import called
from serbench.leaderboard.export import escaped
from serbench.leaderboard.figures import ends, number, with_spread
from serbench.leaderboard.page.flags import FLAGS, of_board, of_row
from serbench.leaderboard.table import Board, Row

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_LIMITS = (
    "The interval says how far the score would move with other speakers like these. It says "
    "nothing of other languages, microphones or situations. What is recognised are labels that "
    "listeners or actors agreed on, not what somebody feels: do not judge people by it."
)


def card(board: Board, row: Row, recipe: str | None) -> str:
    """Return a model card in Markdown, with its metadata in YAML.

    Args:
        board: the row's.
        row: the result.
        recipe: of it as TOML; None if there is none, as for fused runs.
    """
    from huggingface_hub import ModelCardData

    name = called(row.result.labels)
    data = ModelCardData(
        model_name=name,
        base_model=published(row) or None,
        eval_results=[*_results(board, row)] or None,
        library_name="serbench",
        pipeline_tag="audio-classification",
        tags=["speech-emotion-recognition", "serbench"],
    )
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(_body(board, row, name, recipe))


def published(row: Row) -> list[str]:
    """Return the ids by which the hub knows the encoders of a row."""
    ids = [encoder.provenance.get("id", "") for encoder in row.result.encoders]
    return [each for each in ids if _ID.fullmatch(each) and not each.startswith("serbench/")]


def _results(board: Board, row: Row) -> Iterator[EvalResult]:
    """Yield the figures that are defined."""
    from huggingface_hub import EvalResult

    for column in board.columns:
        value, interval = row.values[column.key].mean, row.intervals.get(column.key)
        if value != value:
            continue
        said = {} if interval is None else {"low": interval.low, "high": interval.high}
        yield EvalResult(
            task_type="audio-classification",
            task_name=f"speech emotion recognition ({board.benchmark.task.summary})",
            dataset_type=board.benchmark.name,
            dataset_name=f"{board.benchmark.name} {board.benchmark.version}",
            dataset_split=board.protocol.name,
            metric_type=column.key,
            metric_name=f"{column.title} {column.dimension or ''}".strip(),
            metric_value=round(value, 6),
            metric_args={key: round(each, 6) for key, each in said.items()} or None,
        )


def _body(board: Board, row: Row, name: str, recipe: str | None) -> Iterator[str]:
    place = "It has no rank" if row.rank is None else f"Its rank is {row.rank}"
    yield from (f"# {escaped(name)}", "")
    yield f"A result of serbench on {escaped(board.title)}. {place}, of {len(board.rows)} rows."
    yield ""
    for flag in dict.fromkeys([*of_board(board), *of_row(row)]):
        yield f"- **{FLAGS[flag].words}**: {FLAGS[flag].about}"
    yield from ("", "## Results", "", "| figure | value | 95 % |", "| --- | --- | --- |")
    for column in board.columns:
        called_ = escaped(f"{column.title} {column.dimension or ''}".strip())
        value, interval = with_spread(row.values[column.key]), row.intervals.get(column.key)
        yield f"| {called_} | {value} | {escaped(ends(interval)) or '-'} |"
    said = [*board.caption, *(board.notes[note - 1] for note in row.notes)]
    yield from ("", *(f"{escaped(sentence)}\n" for sentence in said))
    yield from ("## Speakers", "", *_speakers(row), "")
    yield from ("## How it was made", "", *_origin(row), "")
    if recipe is not None:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", recipe)), default=0))
        yield from (f"{fence}toml", recipe.rstrip(), fence, "")
        yield "`serbench run --recipe FILE` repeats it, with the corpus and the weights at hand.\n"
    yield from ("## Limits", "", _LIMITS, "", "## To cite", "", "```bibtex")
    yield from (to_bibtex([replace(board, rows=(row,))]).replace("`", "'").rstrip(), "```", "")


def _speakers(row: Row) -> Iterator[str]:
    task, scores = row.result.benchmark.task, row.standing.measured.scores
    people = scores.speakers.dropna(subset=[task.main]).sort_values(task.main)
    values = people[task.main].to_list()
    if values:
        ends = f"{number(values[0])} to {number(values[-1])}"
        yield f"{len(values)} speakers: {task.called} from {ends}."


def _origin(row: Row) -> Iterator[str]:
    result = row.result
    for encoder in result.encoders:
        known = "; ".join(f"{key.replace('_', ' ')}: {v}" for key, v in encoder.provenance.items())
        yield f"- encoder: {escaped(known) or 'no weights'}"
    yield from (f"- {escaped(sentence)}" for sentence in notes.about_adaptation(result))
    seeds = f"{row.seeds} seed{'s' * (row.seeds > 1)}"
    yield f"- computed {result.created.date()} by serbench {_version(row)}, {seeds}"
    yield f"- result {result.digest}"


def _version(row: Row) -> str:
    return escaped(row.result.versions.get("serbench", "of an unknown version"))
