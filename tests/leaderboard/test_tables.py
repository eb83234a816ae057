"""Tables on request: further columns, LaTeX, JSON, BibTeX, matrices."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from serbench.errors import SerbenchError
from serbench.leaderboard import matrix_export
from serbench.leaderboard.bibtex import to_bibtex
from serbench.leaderboard.columns import COLUMNS, chosen, texts
from serbench.leaderboard.export import to_csv, to_json, to_markdown
from serbench.leaderboard.latex import escaped, to_latex
from serbench.leaderboard.matrix import critical, matrices, on_all
from serbench.leaderboard.matrix_export import to_diagram
from serbench.leaderboard.notes import SENT
from serbench.leaderboard.record import BenchmarkRecord, Labels
from serbench.leaderboard.render import render_board
from serbench.leaderboard.render_matrix import render_matrix
from serbench.leaderboard.table import rank
from serbench.scoring.inequality import worst_decile

from .latex_syntax import complaints
from .result_samples import AFFECT, EMOTIONS, classified, ranked, rated, record, scored

HOSTILE = Labels(upstream="x_1&\\input{/etc/passwd}", weights="50%", downstream="$a^2$")


@pytest.fixture(scope="module")
def boards():
    origin = {"id": "me/enc_1", "revision": "abc", "trained_on": "EmoDB"}
    return ranked(
        [
            (record(labels=HOSTILE, provenance=origin), classified(3.0)),
            (record(recipe={"id": "like"}), classified(2.9, draw=3)),
            (record(recipe={"id": "poor"}), classified(0.3)),
            (record(AFFECT), rated(0.5)),
        ]
    )


def drawn(shown, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(shown)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    return text


def test_columns_are_what_they_say(boards):
    board = boards[0] if boards[0].columns[0].key == "ua" else boards[1]
    found = {name: COLUMNS[name].values(board) for name in COLUMNS}
    first = board.rows[0]
    people = first.standing.measured.scores.speakers["ua"]
    assert found["worst_decile"][0] == worst_decile(people)
    assert found["contaminated"] == [True, False, False]
    (silent,) = ranked([(record(provenance={"id": "me/enc"}), classified(1.0))])
    assert COLUMNS["contaminated"].values(silent) == ["unknown"]
    assert found["weights"] == ["me/enc_1", None, None]
    assert found["rate"] == ["0.001"] * 3
    assert found["seconds"] == [16] * 3
    assert found["ranks"][2] == "3"
    assert found["intervals"][0].startswith(f"[{first.intervals['ua'].low:.3f}")
    assert texts(board, ["transductive", "weights"])[1] == ["no", "-"]


def test_an_unknown_column_names_the_others():
    assert chosen("seeds, gini, seeds") == ["seeds", "gini"]
    with pytest.raises(SerbenchError, match=r"ginny.*gini"):
        chosen("ginny")


@pytest.mark.parametrize("width", [80, 160])
def test_columns_fit_in_narrow_and_in_wide_terminals(boards, width):
    for board in boards:
        text = drawn(render_board(board, [*COLUMNS], width=width), width)
        assert "worst" in text
        assert "Gini" in text


def test_every_export_has_the_columns(boards):
    assert "| worst decile |" in to_markdown(boards, ["worst_decile"])
    (first, *_) = csv.DictReader(io.StringIO(to_csv(boards, ["worst_decile"])))
    assert float(first["worst_decile"]) == pytest.approx(
        COLUMNS["worst_decile"].values(boards[0])[0]
    )
    plain = json.loads(to_json(boards, ["worst_decile"]))
    assert plain[0]["rows"][0]["worst_decile"] == pytest.approx(float(first["worst_decile"]))


def test_json_has_what_json_has_and_csv_its_text(boards):
    asked = ["transductive", "contaminated", "seeds"]
    rows = [row for table in json.loads(to_json(boards, asked)) for row in table["rows"]]
    lines = csv.DictReader(io.StringIO(to_csv(boards, asked)))
    for row, line in zip(rows, lines, strict=True):
        for name in ("synthetic", "complete", "transductive", "contaminated"):
            assert isinstance(row[name], bool)
            assert line[name] == str(row[name]).lower()
        assert json.loads(line["targets"]) == row["targets"]
        assert json.loads(line["protocol_options"]) == row["protocol_options"] == {"k": 5}
        assert isinstance(row["targets"], list)


def test_csv_and_json_have_the_intervals_with_all_digits(boards):
    for table in json.loads(to_json(boards)):
        (board,) = (each for each in boards if each.title == table["title"])
        for plain, row in zip(table["rows"], board.rows, strict=True):
            interval = row.intervals[table["ranks"]]
            keys = [f"{table['ranks']}:{end}" for end in ("low", "high", "speakers")]
            assert [plain[key] for key in keys] == [interval.low, interval.high, 10]
            assert plain["rank"] == row.rank


def test_latex_is_a_table_of_booktabs_with_the_best_group_bold(boards):
    text = to_latex(boards)
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 2
    # two rows of the classes share rank 1, and one of the dimensions has it
    assert text.count("\\bfseries") == 3
    cells = [line for line in text.splitlines() if line.startswith(("1 &", "3 &"))]
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in cells[:3]}) == 1


def test_latex_with_every_column_is_what_tex_reads(boards):
    text = to_latex(boards, [*COLUMNS])
    assert complaints(text) == []
    assert text.count("95\\,\\%") == 2, "once a table, although it was asked for"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("50% of", "% as it stands"),
        ("a_1", "_ as it stands"),
        ("{a", "{ too many"),
        ("\\input{a}", "unknown command \\input"),
        ("$a", "$ too many"),
        ("a & b", "& outside of a table"),
        ("\\pm", "\\pm out of mathematics"),
        ("a \\\\\n[3pt] b", "an argument of \\\\"),
        ("\\begin{tabular}{rl}\na \\\\\n\\end{tabular}", "2 columns, but {1} cells"),
    ],
)
def test_what_reads_latex_finds_what_tex_would(wrong, complaint):
    assert complaints(wrong) == [complaint]


@settings(deadline=None)
@given(st.text(min_size=1))
@example("[3pt] of a row")
@example("*")
def test_every_text_is_latex_that_shows_it(text):
    assert complaints(f"before \\\\\n{escaped(text)}") == []


def test_latex_obeys_no_name(boards):
    text = to_latex(boards)
    assert "x\\_1\\&\\textbackslash{}input\\{/etc/passwd\\}" in text
    assert "50\\%" in text
    assert "\\$a\\textasciicircum{}2\\$" in text


def test_bibtex_has_the_corpus_and_the_weights_once(boards):
    text = to_bibtex(boards)
    assert text.count("@") == 2
    assert "Burkhardt" in text
    assert "https://huggingface.co/me/enc\\_1" in text
    assert "revision abc" in text
    assert text.count("{") == text.count("}")


def test_bibtex_has_a_key_once(boards):
    described = {"id": "me/enc_1", "revision": "later"}
    entries = ranked(
        [
            (record(provenance={"id": "me/enc_1", "revision": "abc"}), classified(1.0)),
            (record(provenance=described, recipe={"id": "b"}), classified(0.5)),
            (record(AFFECT, provenance=described), rated(0.5)),
        ]
    )
    keys = re.findall(r"@\w+\{([^,]+),", to_bibtex(entries))
    assert sorted(keys) == sorted({*keys})
    assert "me-enc_1" in keys


def test_reported_rows_stand_apart_with_their_source():
    corpus = BenchmarkRecord(name="iemocap", version="1", synthetic=False, task=EMOTIONS)
    boards = ranked([(record(benchmark=corpus), classified(1.0))])
    text = to_markdown(boards, reported=True)
    own, *reported = text.split("#### Reported, not computed here:")
    assert reported
    assert "Reported" not in own
    assert any("| 0.660 |" in each for each in reported)  # as printed, not as 0.66
    plain = json.loads(to_json(boards, reported=True))
    assert all(table["source"] for table in plain[0]["reported"])
    values = [row["values"] for table in plain[0]["reported"] for row in table["rows"]]
    assert all(isinstance(value, float | None) for row in values for value in row)
    assert len(plain[0]["rows"]) == 1


def test_a_matrix_has_upstreams_and_downstreams():
    systems = [("fbank", "mlp", 3.0), ("fbank", "ecapa", 1.0), ("hubert", "mlp", 0.2)]
    results = [
        (record(labels=Labels(upstream=up, downstream=down)), classified(skill))
        for up, down, skill in systems
    ]
    (made,) = matrices(ranked(results), "downstream")
    assert (made.rows, made.columns) == (("fbank", "hubert"), ("mlp", "ecapa"))
    assert made.text("fbank", "mlp").endswith("*")
    assert made.text("hubert", "ecapa") == "-"
    assert "demo weights" not in drawn(render_matrix(made), 80)


def test_a_matrix_says_whose_weights_are_small():
    nano = Labels(upstream="hubert", weights="nano", downstream="mlp")
    upstreams = [{"name": "hubert", "options": {}}]
    small = record(labels=nano, provenance={"id": "serbench/hubert-nano"})
    small = small.model_copy(update={"recipe": {"upstreams": upstreams}})
    (made,) = matrices(
        ranked([(small, classified(1.0)), (record(), classified(0.5))]), "downstream"
    )
    (said,) = (each for each in made.sentences if "Small demo weights" in each)
    assert said.endswith("no published encoder: hubert nano.")


@pytest.mark.parametrize("head", ["mlp.small > em_prior", "a{b}|c", "{0} & {", "x^{2}_1"])
def test_the_head_of_a_latex_matrix_is_shown_as_it_stands(head):
    labels = Labels(upstream="cpc", downstream=head)
    text = matrix_export.to_latex(
        matrices(ranked([(record(labels=labels), classified(1.0))]), "downstream")
    )
    assert escaped(head) in text
    assert not complaints(text)


def test_a_matrix_says_what_was_sent_in():
    said = (), (), (f"Of 0a1b2c3d: {SENT}",)
    results = [
        (record(labels=Labels(upstream=name, downstream="mlp"), noted=noted), classified(skill))
        for name, skill, noted in zip(("cpc", "fbank", "mfcc"), (2.0, 1.0, 0.5), said, strict=True)
    ]
    marks = {results[1][0].digest: "Added from elsewhere."}
    (shown,) = matrices(rank([(scored(*r), r[1]) for r in results], marks=marks), "downstream")
    (said,) = (each for each in shown.sentences if "Sent in" in each)
    assert said == "Sent in, or made of what was: fbank (mlp); mfcc (mlp)."
    (plain,) = json.loads(matrix_export.to_json([shown]))
    rows = csv.DictReader(io.StringIO(matrix_export.to_csv([shown])))
    assert {cell["row"]: cell["sent"] for cell in plain["cells"]} == {
        "cpc": False,
        "fbank": True,
        "mfcc": True,
    }
    assert {row["row"]: row["sent"] for row in rows} == {
        "cpc": "False",
        "fbank": "True",
        "mfcc": "True",
    }


@pytest.fixture(scope="module")
def corpora():
    """Return boards of three systems on six corpora."""
    names = ("a", "b<&", "c")
    results = [
        (
            record(
                labels=Labels(upstream=name, downstream="mlp"),
                benchmark=BenchmarkRecord(
                    name=f"corpus{i}", version="1", synthetic=False, task=EMOTIONS
                ),
            ),
            classified(0.5 + skill, draw=i),
        )
        for i in range(6)
        for skill, name in zip((0.0, 2.0, 2.1), names, strict=True)
    ]
    return ranked(results)


def test_from_six_corpora_on_there_is_a_critical_difference(corpora):
    (made,) = matrices(corpora, "corpus")
    assert len(made.columns) == 6
    text = drawn(render_matrix(made), 80)
    # of Demšar (2006): 2.343 for three systems
    assert f"critical difference {2.343 * np.sqrt(12 / 36):.2f}" in " ".join(text.split())
    (fewer,) = matrices(corpora[:5], "corpus")
    assert "here: 5 boards of 5 corpora" in " ".join(fewer.sentences)


def test_what_is_set_otherwise_is_another_system_on_every_corpus():
    results = [
        (
            record(
                labels=Labels(upstream="fbank", downstream="mlp"),
                recipe={"training": {"epochs": epochs}, "benchmark": {"name": f"corpus{i}"}},
                benchmark=BenchmarkRecord(
                    name=f"corpus{i}", version="1", synthetic=False, task=EMOTIONS
                ),
            ),
            classified(0.5 + (epochs == 200 * (1 + i)), draw=i),
        )
        for i in range(2)
        for epochs in (200, 400)
    ]
    boards = ranked(results)
    (made,) = matrices(boards, "corpus")
    assert {*made.rows} == {"fbank + mlp, epochs=200", "fbank + mlp, epochs=400"}
    for (name, _), row in made.cells.items():
        assert name.endswith(str(row.result.recipe["training"]["epochs"]))
    assert len(made.cells) == 4


def test_rows_of_one_name_are_told_apart_in_latex():
    (board,) = ranked(
        (record(recipe={"training": {"epochs": epochs}}), classified(0.5, draw=epochs))
        for epochs in (1, 2)
    )
    text = to_latex([board])
    assert complaints(text) == []
    for row in board.rows:
        (line,) = (each for each in text.splitlines() if row.result.digest[:8] in each)
        assert f"& epochs={row.result.recipe['training']['epochs']} &" in line


def test_several_boards_of_one_corpus_are_one_corpus(corpora):
    same = [replace(corpora[0], title=f"{corpora[0].title}, k={folds}") for folds in range(6)]
    (made,) = matrices(same, "corpus")
    assert len(made.columns) == 6
    assert on_all(made) == []
    assert "here: 6 boards of 1 corpus." in " ".join(made.sentences)


def test_the_diagram_has_each_system_at_its_mean_rank(corpora):
    (made,) = matrices(corpora, "corpus")
    drawn = ElementTree.fromstring(to_diagram([made]))
    said = [each.text for each in drawn.iter() if each.tag.endswith("text")]
    systems = on_all(made)
    found = critical(made, systems)
    for name, mean in zip(systems, found.ranks, strict=True):
        assert any(name in text and f"{mean:.2f}" in text for text in said)
    assert f"Friedman p = {found.p:.3f}" in drawn[0].text
    bars = [each for each in drawn if each.get("stroke-width") == "4"]
    assert len(bars) == len(found.groups)
    (fewer,) = matrices(corpora[:5], "corpus")
    with pytest.raises(SerbenchError, match="here: 5 boards of 5 corpora"):
        to_diagram([fewer])


def test_a_copy_on_all_corpora_is_no_further_system(corpora):
    copied = Labels(upstream="copy", downstream="mlp")
    results = [(row.result, row.standing.load()) for board in corpora for row in board.rows]
    copies = [
        (result.model_copy(update={"digest": result.digest[::-1], "labels": copied}), predictions)
        for result, predictions in results
        if result.labels.upstream == "a"
    ]
    (alone,) = matrices(corpora, "corpus")
    (made,) = matrices(ranked([*results, *copies]), "corpus")
    assert {*made.rows} == {*alone.rows, "copy + mlp"}
    assert len(on_all(made)) == 3
    assert sorted(critical(made, on_all(made)).ranks) == sorted(
        critical(alone, on_all(alone)).ranks
    )


@pytest.mark.parametrize("across", ["corpus", "downstream"])
def test_matrices_are_written_for_other_programs(corpora, across):
    made = matrices(corpora, across)
    plain = json.loads(matrix_export.to_json(made))
    rows = [*csv.DictReader(io.StringIO(matrix_export.to_csv(made)))]
    markdown, latex = matrix_export.to_markdown(made), matrix_export.to_latex(made)
    assert complaints(latex) == []
    stars = 0
    for each, table in zip(made, plain, strict=True):
        assert f"### {each.title.split(' · ')[0]}" in markdown
        for cell in table["cells"]:
            row = each.cells[cell["row"], cell["column"]]
            assert cell["value"] == next(iter(row.values.values())).mean
            text = each.text(cell["row"], cell["column"])
            stars += text.endswith("*")
            assert f"| {text.replace('*', chr(92) + '*')} " in markdown or f"| {text} " in markdown
    assert latex.count("bfseries") == stars > 0
    assert len(rows) == sum(len(each.cells) for each in made) == 18
    assert {row["digest"] for row in rows} == {
        row.result.digest for board in corpora for row in board.rows
    }
