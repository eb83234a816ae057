"""A board and a run in the terminal: nothing of note is cut at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serbench.leaderboard import notes
from serbench.leaderboard.columns import COLUMNS, texts
from serbench.leaderboard.comparable import title
from serbench.leaderboard.differing import Recommend, differing
from serbench.leaderboard.figures import ends, number, with_spread
from serbench.leaderboard.record import Fit, Labels, Result
from serbench.leaderboard.reports import Reported
from serbench.leaderboard.table import Board, Row, mains

if TYPE_CHECKING:
    from serbench.benchmarks.tasks import Figure
    from serbench.scoring.scores import Scores

_WIDE = 110  # columns of a terminal that further columns of a board fit in


def render_board(board: Board, names: Sequence[str] = (), *, width: int = 80) -> RenderableType:
    """Return a board, its sentences and its notes.

    Args:
        board: to draw.
        names: of further columns (`columns.COLUMNS`), which stand below the system where it is
            narrow.
        width: of the terminal.
    """
    more, beside = texts(board, names), width >= _WIDE
    dimensions = board.benchmark.task.scales
    table = _grid()
    table.add_column("#", justify="right")
    table.add_column("system", overflow="fold")
    titles = [_untested(column).title if dimensions else column.title for column in board.columns]
    for header in ["", *dict.fromkeys(titles)] if dimensions else titles:
        table.add_column(Text(header.replace(" ", "\n")), justify="right", no_wrap=True)
    for name in names if beside else ():
        table.add_column(Text(COLUMNS[name].title.replace(" ", "\n")), justify="right")
    table.add_column("digest", no_wrap=True)
    for row, further in zip(board.rows, more, strict=True):
        cells = _by_dimension(board, row) if dimensions else _by_metric(board, row)
        # a Text, as no name is taken for markup then
        numbers = [Text(cell) for cell in [*cells, *(further if beside else [])]]
        system = _system(row.result.labels, row.differs)
        for name, text in zip(names, further, strict=True) if not beside else ():
            system.append(f"\n{COLUMNS[name].title}: {text}", style="dim")
        table.add_row(row.place, system, *numbers, _origin(row))
    page = _page(Text(board.title, style="bold"), table, board.caption)
    return Group(page, _numbered(board.notes)) if board.notes else page


def render_run(
    result: Result, scores: Scores, recommend: Recommend | None = None
) -> RenderableType:
    """Return one result fold by fold, with its averages, its speakers and its notes.

    Args:
        result: the record.
        scores: of its predictions.
        recommend: what tells the recommended settings, so that others are shown.
    """
    heading = _system(result.labels, *differing([result], recommend))
    heading.append(f"\n{title(result.benchmark, result.protocol)}", style="bold")
    sentences = [
        _meaning(scores),
        _extremes(result, scores),
        *notes.about_constant(result, scores),
        *notes.about_adaptation(result),
        *_course(result),
        *notes.about_setting(result),
        *notes.about_result(result, scores),
    ]
    tables = [_run_table(result, own, test) for test, own in scores.tests.items()]
    return _page(heading, Group(*tables or [_run_table(result, scores)]), sentences)


def render_reported(reported: Reported) -> RenderableType:
    """Return a table of reported numbers with its source, and what they hold for."""
    source, table = reported
    grid = _grid()
    grid.add_column("system", overflow="fold")
    for metric in table.metrics:
        grid.add_column(metric.replace(":", "\n"), justify="right")
    for row in table.rows:
        texts = row.texts
        if row.std:
            pairs = zip(texts, row.std, strict=True)
            texts = [f"{text}\n± {std}" for text, std in pairs]
        grid.add_row(row.system, *texts)
    heading = Text(f"reported: {source.short}, {table.name}", style="bold")
    return _page(heading, grid, [f"{table.corpus}; {table.protocol}.", source.citation])


def _by_metric(board: Board, row: Row) -> Iterator[str]:
    """Yield a cell a metric: mean, spread, and of the main one the interval below each other."""
    main = {column.key for column in mains(board)}
    for column in board.columns:
        interval = ends(row.intervals.get(column.key)) if column.key in main else ""
        yield "\n".join([with_spread(row.values[column.key], "\n"), *[interval] * bool(interval)])


def _by_dimension(board: Board, row: Row) -> Iterator[str]:
    """Yield the dimensions below each other, then O-CCC and A-CCC of each.

    For two spreads there is no room; interval and spread over seeds have lines of their own, below
    what ranks. Nor is there for several tests side by side: they stand below each other.
    """
    tests = dict.fromkeys(column.test for column in board.columns)
    stacked = [_of_test(board, row, test) for test in tests]
    yield from ("\n".join(lines) for lines in zip(*stacked, strict=True))


def _untested(column: Figure) -> Figure:
    """Return a column without the name of its test."""
    return column if column.test is None else column._replace(title=column.title.split(" ", 1)[1])


def _of_test(board: Board, row: Row, test: str | None) -> Iterator[str]:
    """Yield the cells of one of several tests, or of all there is."""
    columns = [column for column in board.columns if column.test == test]
    named = [] if test is None else [test]
    titles = dict.fromkeys(column.title for column in columns)
    by_title = [[c for c in columns if c.title == title] for title in titles]
    several, known = row.seeds > 1, bool(row.intervals)
    first, *others = (column.dimension or "" for column in by_title[0])
    yield "\n".join([*named, first, *["95 %"] * known, *["over seeds"] * several, *others])
    for shown in by_title:
        values = [row.values[column.key] for column in shown]
        main, *rest = (with_spread(value._replace(seeds=None)) for value in values)
        interval = [ends(row.intervals.get(shown[0].key))] * known
        over_seeds = [f"({number(each)})" for each in [values[0].seeds] if each is not None]
        yield "\n".join([*[""] * len(named), main, *interval, *over_seeds, *rest])


def _system(labels: Labels, differs: str = "") -> Text:
    text = Text(f"{labels.upstream} + {labels.downstream}")
    if labels.weights != "-":
        text.append(f"\n{labels.weights}", style="cyan")
    if differs:
        text.append(f"\n{differs}", style="yellow")
    return text


def _grid() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _origin(row: Row) -> str:
    lines = [row.result.digest[:8], f"{row.seeds} seed{'s' * (row.seeds > 1)}"]
    if row.notes:
        lines.append(f"note {' '.join(str(note) for note in row.notes)}")
    return "\n".join(lines)


def _numbered(sentences: Iterable[str]) -> Table:
    grid = Table.grid(padding=(0, 1))
    for i, sentence in enumerate(sentences, start=1):
        grid.add_row(Text(str(i)), Text(sentence, style="dim"))
    return grid


def _page(heading: Text, table: RenderableType, sentences: Iterable[str]) -> RenderableType:
    below = [Text(sentence, style="dim") for sentence in sentences]
    return Group(heading, Text(), table, Text(), *below)


def _run_table(result: Result, scores: Scores, test: str | None = None) -> Table:
    task = result.benchmark.task
    shown = [figure for figure in task.figures if figure.over == "folds"]
    keys = [figure.key for figure in shown]
    what = "test" if test else "fold"
    table = _grid()
    table.add_column(f"{shown[0].title} of {what}" if task.scales else what, no_wrap=True)
    table.add_column("clips", justify="right")
    for figure in shown:
        table.add_column(Text(figure.dimension or figure.title), justify="right")
    for fold, own in scores.folds.groupby("fold", sort=False):
        values = [fmean(own[key]) for key in keys]
        table.add_row(Text(test or str(fold)), str(own["utterances"].iloc[0]), *map(number, values))
    people = next((f"{f.title}, " for f in task.figures if f.over == "speakers"), "")
    speakers = _over_speakers(scores, keys, people)
    for averages in [speakers] if test else [_over_folds(scores, keys), speakers]:
        table.add_section()
        for i, (label, values) in enumerate(averages):
            table.add_row(label, "", *map(number, values), style="" if i else "bold")
    return table


def _over_folds(scores: Scores, keys: list[str]) -> Iterator[tuple[str, list[float]]]:
    folds = [scores.by_fold[key] for key in keys]
    yield "mean of folds", [each.mean_of_folds for each in folds]
    if scores.folds["fold"].nunique() > 1:
        yield "± over folds", [each.std_over_folds for each in folds]
    if scores.seeds > 1:
        yield f"± over {scores.seeds} seeds", [each.std_over_seeds for each in folds]
    yield "pooled", [each.pooled for each in folds]


def _over_speakers(
    scores: Scores, keys: list[str], title: str
) -> Iterator[tuple[str, list[float]]]:
    people = [scores.by_speaker[f"a_{key.removeprefix('o_')}"] for key in keys]
    yield f"{title}mean of speakers", [each.mean_of_speakers for each in people]
    yield "± over speakers", [each.std_over_speakers for each in people]


def _meaning(scores: Scores) -> str:
    """Return what the rows of a run are."""
    seeds = f"Every row averages {scores.seeds} seeds. " if scores.seeds > 1 else ""
    if scores.tests:
        return f"{seeds}Each test has scores of its own; {next(iter(scores.tests))} ranks."
    return f"{seeds}± is a standard deviation (ddof 0); pooled is on all folds together."


def _extremes(result: Result, scores: Scores) -> str:
    """Return who is recognised worst and best: "10 speakers: UA from 0.71 (03) to 0.92 (08)."."""
    task = result.benchmark.task
    key = task.main
    people = scores.averaged(f"a_{key}")
    defined = people.dropna(subset=[key])
    ordered = sorted(zip(defined[key], defined["speaker"], strict=True))
    few = scores.by_speaker[f"a_{key}"].left_out
    text = f"{len(people)} speakers" + (f", {few} more with too few clips" if few else "")
    if ordered:
        ends = [f"{number(value)} ({speaker})" for value, speaker in (ordered[0], ordered[-1])]
        text += f": {task.called} from {ends[0]} to {ends[1]}"
    return f"{text}."


def _course(result: Result) -> Iterator[str]:
    """Yield what training chose, and how long everything took."""
    if result.training:
        rates = _range([fit.learning_rate for fit in result.training])
        yield f"Chosen by validation: learning rate {rates}, {_epochs(result.training)}."
    if result.seconds:
        times = (f"{stage} {seconds:.1f} s" for stage, seconds in result.seconds.items())
        yield f"Time: {', '.join(times)}."


def _epochs(fits: Sequence[Fit]) -> str:
    """Return which epochs predict: the best, or those whose weights were averaged."""
    if averaged := notes.averaged_epochs(fits):
        return f"the mean of {averaged}"
    return f"epoch {_range([fit.epoch for fit in fits])}"


def _range(values: list[float] | list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
