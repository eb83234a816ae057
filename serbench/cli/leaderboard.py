"""`serbench leaderboard`: what is in the results folder, ranked."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serbench.cli.options import Data, Results, corpora
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serbench.leaderboard.submissions import Added
    from serbench.leaderboard.table import Board
    from serbench.leaderboard.verifying import Verdict

app = typer.Typer(invoke_without_command=True)


class Format(StrEnum):
    """How a leaderboard is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    CSV = "csv"
    LATEX = "latex"
    JSON = "json"
    BIBTEX = "bibtex"
    SVG = "svg"


class Matrix(StrEnum):
    """What the columns of a matrix are."""

    DOWNSTREAM = "downstream"
    CORPUS = "corpus"


@app.callback()
def leaderboard(
    context: typer.Context,
    results: Results = Path("results"),
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
    reported: Annotated[
        bool, typer.Option("--reported", help="Below each board, what papers report on its corpus.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Further columns, with commas: intervals, ranks, seeds, worst_decile, gini, "
            "parameters, head_parameters, weights, rate, seconds, encode, speed, device, "
            "transductive, contaminated."
        ),
    ] = None,
    matrix: Annotated[
        Matrix | None, typer.Option(help="Upstreams by downstream, or systems by corpus.")
    ] = None,
    output: Annotated[
        Format, typer.Option("--format", help="How to write it; svg: ranks over corpora.")
    ] = Format.TERMINAL,
) -> None:
    """Rank the results, per benchmark and protocol; scores are recomputed from the predictions."""
    if context.invoked_subcommand is not None:
        _check_place(context)
        return
    from serbench.leaderboard.columns import chosen

    names = chosen(columns)
    if output is Format.SVG and matrix is not Matrix.CORPUS:
        raise SerbenchError("a diagram is of systems over corpora: --matrix corpus --format svg")
    given = {"--columns": columns, "--reported": reported, "--matrix": matrix}
    what, unread = _unread(output, matrix)
    for option in unread:
        if given[option]:
            typer.echo(f"serbench: {option} is left aside: {what} has no place for it", err=True)
    boards = boards_in(results, benchmark)
    if matrix is not None and output is not Format.BIBTEX:
        _show_matrix(boards, matrix, output)
    elif output is Format.TERMINAL:
        draw(boards, names, reported=reported)
    else:
        typer.echo(_written(boards, output, names, reported=reported), nl=False)


def _unread(output: Format, matrix: Matrix | None) -> tuple[str, tuple[str, ...]]:
    """Return what is written, and the options that it does not read."""
    if output is Format.BIBTEX:
        return output.value, ("--columns", "--reported", "--matrix")
    if matrix is not None:
        return "a matrix", ("--columns", "--reported")
    tables = (Format.TERMINAL, Format.MARKDOWN, Format.JSON)
    return output.value, () if output in tables else ("--reported",)


def _check_place(context: typer.Context) -> None:
    """Refuse options before a command, which does not read them."""
    command = context.invoked_subcommand
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is not None and source.name == "COMMANDLINE":
            msg = (
                f"{option.opts[0]} before '{command}' is of the table; write it behind, if "
                f"`serbench leaderboard {command} --help` has it"
            )
            raise SerbenchError(msg)


def boards_in(results: Path, benchmark: str | None) -> list[Board]:
    """Return the boards of a folder, of one benchmark or of all; what is left out is told."""
    from serbench.leaderboard import store, table
    from serbench.leaderboard.marks import marks
    from serbench.leaderboard.remembered import standing_of
    from serbench.runs.recommended import recommended

    shelf = store.read_all(results, standing_of)
    for problem in shelf.problems:
        typer.echo(f"serbench: left out: {problem}", err=True)
    entries = store.on_benchmark(shelf, results, _called(benchmark))
    return table.boards(entries, recommended, marks(results))


def _called(benchmark: str | None) -> str | None:
    """Return the name of a benchmark that is given by its file, or as several with commas."""
    if benchmark is None or not (benchmark.endswith((".toml", ".py")) or "," in benchmark):
        return benchmark
    from serbench.runs.recipe import benchmark_part, make_benchmark

    return make_benchmark(benchmark_part(corpora(benchmark, None))).name


def _written(
    boards: Sequence[Board], output: Format, names: Sequence[str], *, reported: bool
) -> str:
    from serbench.leaderboard import bibtex, export, latex

    if output is Format.MARKDOWN:
        return export.to_markdown(boards, names, reported=reported)
    if output is Format.JSON:
        return export.to_json(boards, names, reported=reported)
    if output is Format.BIBTEX:
        return bibtex.to_bibtex(boards)
    if output is Format.LATEX:
        entries = bibtex.to_bibtex(boards)
        return f"{latex.to_latex(boards, names)}\n{_commented(entries)}"
    return export.to_csv(boards, names)


def _commented(text: str) -> str:
    """Return BibTeX entries as comments, for whoever takes the table to take along."""
    return "".join(f"% {line}".rstrip() + "\n" for line in text.splitlines())


def draw(boards: Sequence[Board], names: Sequence[str], *, reported: bool) -> None:
    """Show boards in the terminal, with further columns by name, and with what papers report."""
    from serbench.cli.terminal import printer
    from serbench.leaderboard.render import render_board, render_reported
    from serbench.leaderboard.reports import tables

    console = printer()
    if reported and not any(tables(benchmark=board.benchmark.name) for board in boards):
        typer.echo("serbench: no paper is known here that reports on these corpora", err=True)
    for number, board in enumerate(boards):
        if number:
            console.print()
        console.print(render_board(board, names, width=console.width))
        for each in tables(benchmark=board.benchmark.name) if reported else []:
            console.print()
            console.print(render_reported(each))


def _show_matrix(boards: Sequence[Board], across: Matrix, output: Format) -> None:
    """Print the boards the other way, in the terminal or for other programs."""
    from serbench.cli.terminal import printer
    from serbench.leaderboard import matrix_export
    from serbench.leaderboard.matrix import matrices
    from serbench.leaderboard.render_matrix import render_matrix

    writers = {
        Format.MARKDOWN: matrix_export.to_markdown,
        Format.CSV: matrix_export.to_csv,
        Format.LATEX: matrix_export.to_latex,
        Format.JSON: matrix_export.to_json,
        Format.SVG: matrix_export.to_diagram,
    }
    if output in writers:
        typer.echo(writers[output](matrices(boards, across.value)), nl=False)
        return

    console = printer()
    for number, made in enumerate(matrices(boards, across.value)):
        if number:
            console.print()
        console.print(render_matrix(made))


@app.command("verify")
def verify(
    results: Results = Path("results"),
    data: Data = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Score files, too, that have not changed since they were."),
    ] = False,
) -> None:
    """Compute every score again, and compare ids and truths with the corpora that are at hand."""
    from serbench.leaderboard.submissions import verify_marked
    from serbench.runs.at_hand import AtHand
    from serbench.runs.possible import impossible
    from serbench.runs.remaking import remade

    wrong = count = disputed = 0
    for found in verify_marked(results, AtHand(data), again=again, remake=remade, asked=impossible):
        count += 1
        wrong += bool(found.problems)
        disputed += bool(found.disputed)
        name = f"{found.path.parent.name}/{found.path.stem[:8]}"
        _tell(name, found, found.remedy)
        for said in found.disputed:
            typer.echo(f"{name}: disputed: {said}", err=True)
    if not count:
        raise SerbenchError(f"no results in '{results}'; `serbench run` makes them")
    typer.echo(f"{count - wrong} of {count} results verified.")
    if disputed:
        typer.echo(
            f"{disputed} results are disputed: they contradict each other. Which side is right "
            "only the corpus tells (--data DIR); how many are on a side proves nothing.",
            err=True,
        )
    if wrong or disputed:
        raise typer.Exit(1)


@app.command("add")
def add(
    files: Annotated[list[Path], typer.Argument(help="Zips or folders of results.")],
    results: Results = Path("results"),
    data: Data = None,
) -> None:
    """Take results of others, each only when it verifies."""
    from serbench.leaderboard.submissions import add as taken
    from serbench.runs.at_hand import AtHand
    from serbench.runs.possible import impossible
    from serbench.runs.remaking import remade

    wrong = 0
    for file in files:
        try:
            for found in taken(file, results, AtHand(data), remake=remade, asked=impossible):
                wrong += bool(found.problems)
                if found.already:
                    typer.echo(f"{found.name}: {found.already}")
                else:
                    _tell(found.name, found)
        except SerbenchError as error:
            wrong += 1
            typer.echo(f"serbench: error: {error}", err=True)
    if wrong:
        raise typer.Exit(1)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of a record, as `serbench/leaderboard/record.schema.json` has it."""
    from serbench.leaderboard.schema import as_text

    typer.echo(as_text(), nl=False)


def _tell(name: str, found: Verdict | Added, remedy: str = "") -> None:
    """Print a line for a sound result, and one a problem."""
    if not found.problems:
        why = f" ({found.unknown})" if found.unknown else ""
        known = (
            "ids and truths as in the corpus" if found.truth else f"truth not verified here{why}"
        )
        own = f"; what its row is called is its own word: {found.unsure}" if found.unsure else ""
        made = f"; its predictions could not be made again: {found.unmade}" if found.unmade else ""
        typer.echo(f"{name}: verified; {known}{own}{made}")
    for problem in found.problems:
        typer.echo("; ".join(filter(None, [f"{name}: {problem}", remedy])), err=True)


@app.command("publish")
def publish(
    out: Annotated[Path, typer.Option("--out", help="Folder of the page.")],
    results: Results = Path("results"),
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Speech emotion recognition, ranked",
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BENCHMARK=OWNER/NAME[:TASK]",
            help="What a benchmark is on the hub: scores of its published encoders are written "
            "as the hub's community evaluations, a file a model.",
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Of the page, the source of these.")] = None,
) -> None:
    """Write the boards as a page: one file to open, to send, or to put on GitHub Pages."""
    from serbench.leaderboard.evaluations import account, checked, data_sets, evaluations, keep
    from serbench.leaderboard.page import writing
    from serbench.runs.written import recipe_of

    where = data_sets(dataset or [])
    if url and not where:
        raise SerbenchError("--url is the source of what is written for the hub: add --dataset")
    url = url and checked(url)
    boards = boards_in(results, benchmark)
    path = writing.publish(boards, out, title=title, written=recipe_of)
    rows = sum(len(board.rows) for board in boards)
    typer.echo(f"{rows} result{'s' * (rows != 1)}, {path.stat().st_size / 2**20:.1f} MiB: {path}")
    for sentence in account(boards, where):
        typer.echo(sentence)
    for sentence in keep(evaluations(boards, where, url), out):
        typer.echo(sentence)


@app.command("card")
def card(
    digest: Annotated[str, typer.Argument(help="A result, by how its digest begins.")],
    results: Results = Path("results"),
) -> None:
    """Write the model card of a result for the hub, with its scores as model-index."""
    from serbench.leaderboard import cards, store
    from serbench.runs.written import recipe_of

    path = store.look_up(results, digest)
    boards = boards_in(path.parents[1], path.parent.name)
    pairs = ((board, row) for board in boards for row in board.rows)
    found = next((pair for pair in pairs if pair[1].result.digest == path.stem), None)
    if found is None:
        raise SerbenchError(f"result {path.stem[:8]} is not sound; `serbench leaderboard verify`")
    try:
        recipe = recipe_of(found[1].result)
    except SerbenchError as error:
        typer.echo(f"serbench: the card has no recipe: {error}", err=True)
        recipe = None
    typer.echo(cards.card(*found, recipe), nl=False)
