"""Pictures of a corpus: what is written in them, and what their files are called."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from serbench.benchmarks import UNKNOWN, Benchmark, Classification, Regression
from serbench.benchmarks.auditing.describing import tables
from serbench.benchmarks.auditing.sharing import imbalance
from serbench.benchmarks.splitting import protocols
from serbench.runs.drawing import draw

SPEAKERS = ["s10", "s2", "s1", "$x_1$ & $y$", "\N{CJK UNIFIED IDEOGRAPH-5F20}", "a\x1b[2Jb"]


def corpus(labels: tuple[str, ...] = ("n", "a$b$")) -> tuple[pd.DataFrame, Benchmark]:
    """Return a table whose words are no one's friends, and its benchmark."""
    rows = [(who, clip) for who in range(len(SPEAKERS)) for clip in range(4)]
    table = pd.DataFrame(
        {
            "utterance": [f"u{who}{clip}" for who, clip in rows],
            "path": "x.wav",
            "speaker": [SPEAKERS[who] for who, _ in rows],
            "gender": None,
            "seconds": [1.0 + clip for _, clip in rows],
            "emotion": [labels[clip % 2] for _, clip in rows],
        }
    )
    for column in ("first/language", "labels", "Labels", "speakers", "n", "test", "age"):
        table[column] = [("9", "10", "11")[who % 3] for who, _ in rows]
    task = Classification(labels)
    made = {"speaker_folds": protocols.speaker_folds}
    about = {"folder": None, "licence": "x", "citation": "x", "obtain": "x"}
    return table, Benchmark("own", "1", task, lambda _: table, made, **about)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure]:
    """Give the pictures of the corpus, by what their files are called."""
    figures: dict[str, Figure] = {}
    save = Figure.savefig

    def kept(figure: Figure, path: Path, **how: object) -> None:
        save(figure, path, **how)  # a letter that no font has is a warning, and so an error
        figures[path.stem] = figure

    folder = tmp_path_factory.mktemp("plots")
    table, benchmark = corpus()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", kept)
        written = [path.stem for path in draw(table, benchmark, folder)]
    assert written == [*figures]
    assert {path.stem for path in folder.iterdir()} == {*figures}
    return figures


def ticks(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_every_column_has_a_file_of_its_own_on_any_system(drawn: dict[str, Figure]):
    assert sorted(drawn) == [
        *("own-Labels-3", "own-age", "own-durations", "own-first-language", "own-labels"),
        *("own-labels-2", "own-n", "own-speakers", "own-speakers-2", "own-test"),
    ]
    titles = {name: figure.axes[0].get_title(loc="left") for name, figure in drawn.items()}
    assert titles["own-first-language"] == "own: first/language"
    assert (titles["own-labels"], titles["own-labels-2"]) == ("own: labels", "own: 'labels'")


def test_names_are_drawn_as_they_are_written_in_natural_order(drawn: dict[str, Figure]):
    names = ticks(drawn["own-speakers"])
    assert [name for name in names if name.startswith("s")] == ["s1", "s2", "s10"]
    assert "$x_1$ & $y$" in names
    assert "a\\x1b[2Jb" in names
    assert {"\\u5f20", SPEAKERS[4]} & {*names}, "an escape, or the letter where a font has it"
    assert ticks(drawn["own-age"]) == ["9", "10", "11"]
    for figure in drawn.values():
        figure.draw_without_rendering()
        assert not any(text.get_parse_math() for text in figure.axes[0].get_xticklabels())


def test_counts_have_whole_numbers_at_their_ticks(drawn: dict[str, Figure]):
    for name, figure in drawn.items():
        low, high = figure.axes[0].get_ylim()
        marks = [mark for mark in figure.axes[0].get_yticks() if low <= mark <= high]
        assert len(marks) > 1, name
        assert all(float(mark).is_integer() for mark in marks), name


def test_the_legend_of_durations_hides_no_bars(drawn: dict[str, Figure]):
    figure = drawn["own-durations"]
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["median 2.50 s"]
    assert legend.get_window_extent().y1 <= figure.axes[0].xaxis.label.get_window_extent().y0


def test_of_speakers_whom_nobody_knows_nothing_is_drawn(tmp_path: Path):
    table, benchmark = corpus()
    paths = draw(table.assign(speaker=UNKNOWN), benchmark, tmp_path)
    assert [path.stem for path in paths] == ["own-durations", "own-labels"]


def test_tables_keep_columns_apart_that_are_called_like_their_own():
    table, benchmark = corpus()
    found = tables(table, benchmark.task)
    assert {"labels", "'labels'", "Labels", "speakers", "'speakers'"} <= set(found)
    assert found["speakers"]["n"].to_list() == [4] * 6
    assert found["speakers"]["'n'"].to_list() == [2] * 6
    assert [who for who in found["speakers"]["speaker"] if who[0] == "s"] == ["s1", "s2", "s10"]
    assert found["n"]["'n'"].to_list() == ["9", "10", "11"]
    assert found["n"]["n"].to_list() == [8] * 3
    folds = protocols.speaker_folds(k=3).split(table, benchmark.task)
    for row, fold in zip(imbalance(table, folds, benchmark.task), folds, strict=True):
        assert row["test"] == len(fold.test)
        assert "'test'" in row


def test_dimensions_called_like_a_table_of_its_own_have_another():
    table, _ = corpus()
    found = tables(table.assign(speakers=1.5), Regression(("speakers",), 1, 2))
    assert found["'speakers'"]["mean"][0] == 1.5
    assert len(found["speakers"]) == 6
