"""Results for the hub: what its own library reads in a card and in evaluations."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, parse_eval_result_entries
from typer.testing import CliRunner

from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.cards import card, published
from serbench.leaderboard.evaluations import DataSet, data_sets, evaluations
from serbench.leaderboard.table import Board, Row

from . import page_samples
from .page_samples import HOSTILE

RESULTS = page_samples.results()
BOARDS, _ = page_samples.boards(RESULTS)


def place_of(name: str) -> tuple[Board, Row]:
    digest = RESULTS[name][0].digest
    return next((b, row) for b in BOARDS for row in b.rows if row.result.digest == digest)


def test_the_hub_reads_each_figure_with_its_interval() -> None:
    board, row = place_of("best")
    found = ModelCard(card(board, row, "a = 1\n")).data
    assert found.base_model == ["facebook/hubert-base-ls960"]
    assert found.model_name == "hubert base + ecapa"
    values = {each.metric_type: each for each in found.eval_results}
    assert values.keys() == {"ua", "wa", "macro_f1"}
    assert values["ua"].metric_value == pytest.approx(row.values["ua"].mean, abs=1e-6)
    assert values["ua"].metric_args["high"] == pytest.approx(row.intervals["ua"].high, abs=1e-6)
    assert values["ua"].dataset_type == "emodb"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("synthetic", "**synthetic**"),
        ("trained on it", "**trained on test corpus**"),
        ("nano", "**small demo weights**"),
        ("changed", "It has no rank"),
        ("transductive", "**transductive**"),
    ],
)
def test_what_qualifies_a_score_is_in_the_card(name: str, words: str) -> None:
    assert words in card(*place_of(name), None)


def test_a_card_obeys_nothing_of_a_submission() -> None:
    text = card(*place_of("hostile"), "a = '''\n```\n# not a heading\n'''\n")
    assert ModelCard(text).data.model_name == f"{HOSTILE.upstream} {HOSTILE.weights} + " + (
        HOSTILE.downstream
    )
    body = text.split("---\n", 2)[2]
    assert not re.search(r"(?<!\\\\)<(img|script|svg)", body.replace("\\<", ""))
    assert body.count("````") == 2


def test_a_published_encoder_has_its_best_ranked_score() -> None:
    texts = evaluations(BOARDS, {"emodb": DataSet("lab/emodb", "folds")}, "https://example.org")
    assert texts.keys() == {"facebook/hubert-base-ls960", "lab/wavlm"}
    for model, name in {"facebook/hubert-base-ls960": "best", "lab/wavlm": "trained on it"}.items():
        _, row = place_of(name)
        path_free = parse_eval_result_entries(_loaded(texts[model]))
        (entry,) = path_free
        assert (entry.dataset_id, entry.task_id) == ("lab/emodb", "folds")
        assert entry.value == pytest.approx(row.values["ua"].mean, abs=1e-6)
        assert entry.source_url == "https://example.org"
        low = row.intervals["ua"].low
        assert f"95 % [{low:.3f}, " in str(entry.notes)
        assert ("trained on test corpus" in str(entry.notes)) == (name != "best")


def _loaded(text: str) -> list[dict[str, object]]:
    import yaml

    found: list[dict[str, object]] = yaml.safe_load(text)
    return found


@pytest.mark.parametrize(
    "name", ["../..", "a/../b", "./x", "x", "/etc/x", "a/.b", "serbench/a", "a/b\\c"]
)
def test_what_is_no_id_of_the_hub_names_no_file(name: str) -> None:
    _, row = place_of("best")
    result = row.result.model_copy(update={"provenance": {"id": name}})
    assert published(replace(row, standing=replace(row.standing, result=result))) == []


def test_a_data_set_is_named_as_it_must_be() -> None:
    said = ["emodb=a/b", "demo=c/d:e"]
    assert data_sets(said) == {"emodb": DataSet("a/b"), "demo": DataSet("c/d", "e")}
    with pytest.raises(SerbenchError, match="give BENCHMARK=OWNER/NAME"):
        data_sets(["emodb"])


def test_page_card_and_evaluations_from_the_terminal(tmp_path: Path) -> None:
    result, predictions = RESULTS["best"]
    store.save(result, predictions, tmp_path / "results")
    where = ["--results", str(tmp_path / "results")]
    done = CliRunner().invoke(app, ["leaderboard", "card", result.digest[:8], *where])
    assert done.exit_code == 0, done.output
    assert ModelCard(done.stdout).data.model_name == "hubert base + ecapa"
    out = tmp_path / "site"
    command = ["leaderboard", "publish", "--out", str(out), "--dataset", "emodb=lab/emodb", *where]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    model = "hub/facebook/hubert-base-ls960/.eval_results/serbench.yaml"
    assert files == {"index.html", ".nojekyll", model}
    assert f'"digest":"{result.digest}"' not in (out / "index.html").read_text()  # packed
    assert result.digest in (out / "index.html").read_text()
