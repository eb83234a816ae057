"""Markdown and CSV, read back by a parser."""

from __future__ import annotations

import csv
import json
import math
import re
from io import StringIO

import numpy as np
import pytest

from serbench.leaderboard.export import to_csv, to_markdown
from serbench.leaderboard.record import Adaptation, Labels, ProtocolRecord
from serbench.leaderboard.table import Board

from .result_samples import AFFECT, classified, ranked, rated, record

ODD = Labels(upstream="mine|*yours*", weights="a<b>_c_", downstream="mean_pool")


@pytest.fixture(scope="module")
def boards() -> list[Board]:
    """Return a board of classes with all that is odd, and one of dimensions."""
    mlp = Labels(upstream="fbank", downstream="mlp")
    broken = rated(0.3).assign(**{"prediction:valence": np.nan})
    return ranked(
        [
            (record(labels=ODD, seeds=(0, 1)), classified(2.0, (0, 1))),
            (record(labels=mlp, recipe={"hidden": 64}), classified(1.0)),
            (record(labels=mlp, recipe={"hidden": [256, 64]}), classified(0.5)),
            (record(complete=False), classified(2.0).query("fold != '5'")),
            (record(AFFECT), rated(0.7)),
            (record(AFFECT, labels=mlp), broken),
        ],
    )


def tables(markdown: str) -> list[list[dict[str, str]]]:
    """Return the rows of each GitHub table, with escapes undone."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", markdown, re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        cells = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines]
        assert {len(line) for line in cells} == {len(cells[0])}
        assert set(cells[1]) == {"---"}
        found.append([dict(zip(cells[0], line, strict=True)) for line in cells[2:]])
    return found


def test_markdown_has_every_row(boards: list[Board]):
    read = tables(to_markdown(boards))
    assert [len(rows) for rows in read] == [len(board.rows) for board in boards] == [4, 2]
    for board, rows in zip(boards, read, strict=True):
        for row, cells in zip(board.rows, rows, strict=True):
            labels = row.result.labels
            assert cells["#"] == ("-" if row.rank is None else str(row.rank))
            assert (cells["upstream"], cells["weights"]) == (labels.upstream, labels.weights)
            assert cells["downstream"] == labels.downstream
            assert cells["seeds"] == str(row.seeds)
            assert cells["digest"] == row.result.digest[:8]


def test_markdown_has_every_number(boards: list[Board]):
    classes, dimensions = boards
    first, second = tables(to_markdown(boards))
    for key, header in (("ua", "UA"), ("wa", "WA"), ("macro_f1", "macro F1")):
        value = classes.rows[0].values[key]
        assert first[0][header] == f"{value.mean:.3f} ± {value.std:.3f} ({value.seeds:.3f})"
    for name in ("", ":arousal", ":valence", ":dominance"):
        for kind in ("O-CCC", "A-CCC"):
            value = dimensions.rows[0].values[f"{kind[0].lower()}_ccc{name}"]
            shown = second[0][f"{name[1:] or 'mean'} {kind}"]
            assert shown == f"{value.mean:.3f} ± {value.std:.3f}"
    assert second[1]["mean O-CCC"] == second[1]["valence A-CCC"] == "nan"


def test_markdown_has_columns_only_where_needed(boards: list[Board]):
    first, second = tables(to_markdown(boards))
    assert [row["differs in"] for row in first] == ["", "hidden=64", "hidden=[256,64]", ""]
    assert [row["note"] for row in first] == ["", "1", "1", "1, 2"], "1: of one seed"
    assert "differs in" not in second[0]
    (lonely,) = tables(to_markdown(ranked([(record(), classified(1.0))])))
    assert "note" not in lonely[0]


def test_markdown_has_the_sentences(boards: list[Board]):
    text = to_markdown(boards)
    split = "speaker_folds (balance=gender, k=5, sessions=apart)"
    assert f"### emodb 1 · emotion, 4 classes · {split}\n\n|" in text
    assert "\n2. Incomplete, so not ranked: 4 of 5 folds x seeds.\n" in text
    for board in boards:
        assert all(f"\n{sentence}\n" in text for sentence in board.caption)


def test_csv_has_every_row_with_all_digits(boards: list[Board]):
    read = list(csv.DictReader(StringIO(to_csv(boards))))
    rows = [(board, row) for board in boards for row in board.rows]
    assert len(read) == len(rows) == 6
    for line, (board, row) in zip(read, rows, strict=True):
        assert line["digest"] == row.result.digest
        assert line["rank"] == ("" if row.rank is None else str(row.rank))
        assert line["upstream"] == row.result.labels.upstream
        for column in board.columns:
            value = row.values[column.key]
            spread = float(line[f"{column.key}:std_over_{column.over}"])
            assert float(line[column.key]) == pytest.approx(value.mean, rel=0, nan_ok=True)
            assert spread == pytest.approx(value.std, rel=0, nan_ok=True)
            seeds = line[f"{column.key}:std_over_seeds"]
            assert seeds == ("" if row.seeds == 1 else str(value.seeds))


def test_csv_says_what_the_rows_are():
    random = ProtocolRecord(name="random", options={"k": 5}, shares=("speaker", "session"))
    made = record().benchmark.model_copy(update={"synthetic": True})
    heard = Adaptation(
        on="train", transductive=False, utterances=9, hours=0.1, checkpoints=("ab", "cd")
    )
    results = [
        (record(protocol=random, benchmark=made, adaptation=heard), classified(1.0)),
        (record(AFFECT, seeds=(0, 1)), rated(0.5, (0, 1))),
    ]
    emotions, affect = csv.DictReader(StringIO(to_csv(ranked(results))))
    assert (emotions["synthetic"], affect["synthetic"]) == ("true", "false")
    assert emotions["shares"] == "session speaker"
    assert json.loads(emotions["protocol_options"]) == {"k": 5}
    assert json.loads(emotions["targets"]) == ["anger", "happiness", "neutral", "sadness"]
    assert json.loads(affect["targets"]) == ["arousal", "valence", "dominance"]
    assert (emotions["task"], affect["task"]) == ("classification", "regression")
    assert (emotions["o_ccc"], affect["ua"]) == ("", "")
    assert (emotions["adapted_on"], affect["adapted_on"]) == ("train", "")
    assert (emotions["seeds"], affect["seeds"]) == ("1", "2")
    assert affect["created"] == "2026-03-01T12:30:05+00:00"


def test_csv_of_one_fold_has_no_spread_and_of_nan_says_nan():
    fold = record().split.folds[0].model_copy(update={"test": 120})
    split = record().split.model_copy(update={"folds": (fold,)})
    broken = rated(0.3).assign(fold="1", **{"prediction:valence": np.nan})
    (line,) = csv.DictReader(StringIO(to_csv(ranked([(record(AFFECT, split=split), broken)]))))
    assert line["o_ccc:arousal:std_over_folds"] == ""
    assert math.isnan(float(line["o_ccc:valence"]))


def test_nothing_to_show():
    assert to_markdown([]) == ""
    assert list(csv.DictReader(StringIO(to_csv([])))) == []


EVIL = Labels(
    upstream="[click](https://evil.example) <script>alert(1)</script>",
    weights="=HYPERLINK(A1)",
    downstream="a|b ![x](y) $x$ &lt; www.evil.example",
)


def test_markdown_shows_names_as_they_stand():
    (board,) = ranked([(record(labels=EVIL), classified(1.0))])
    ((row,),) = tables(to_markdown([board]))
    assert row["upstream"] == EVIL.upstream
    assert row["downstream"] == EVIL.downstream
    line = next(line for line in to_markdown([board]).splitlines() if "click" in line)
    assert not re.search(r"(?<!\\)[\[\]<>$&]|https://|www\.", line)
    assert len(re.findall(r"(?<!\\)\|", line)) == len(row) + 1


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\uff1d1"])
def test_a_name_is_no_formula_of_a_spreadsheet(name: str):
    labels = Labels(upstream=name, weights="-", downstream="mlp")
    boards = ranked([(record(AFFECT, labels=labels), rated(-0.9))])
    (line,) = csv.DictReader(StringIO(to_csv(boards)))
    assert line["upstream"] == f"'{name}"
    assert line["weights"] == "-"
    assert float(line["o_ccc"]) < 0
