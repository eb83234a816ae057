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
from serbench.leaderboard.evaluations import (
    DataSet,
    account,
    checked,
    data_sets,
    evaluations,
    keep,
)
from serbench.leaderboard.identity import corrected_by
from serbench.leaderboard.notes import SENT
from serbench.leaderboard.record import Corrected, LeftOut
from serbench.leaderboard.table import Board, Row
from serbench.runs import recipe

from . import page_samples
from .page_samples import HOSTILE

RESULTS = page_samples.results()
BOARDS = page_samples.boards(RESULTS)


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


def test_it_is_told_what_becomes_of_every_row() -> None:
    told, nothing = account(BOARDS, {"emodb": DataSet("lab/emodb"), "meld": DataSet("a/b")})
    assert nothing == "meld: no result is on it, so nothing is written for a/b"
    every = [row for board in BOARDS if board.benchmark.name == "emodb" for row in board.rows]
    assert told.startswith(f"emodb, for lab/emodb: of {len(every)} rows ")
    assert "2 written" in told
    assert "1 without a rank" in told
    assert "of weights without an id on the hub" in told
    assert sum(int(part.split()[0]) for part in told.split(" rows ")[1].split(", ")) == len(every)


def test_what_was_sent_says_so_and_is_not_on_the_hub() -> None:
    board, row = place_of("best")
    raw = {"upstream": {"name": "hubert", "weights": "base"}, "downstream": "ecapa"}
    plain = {key: recipe.resolve(raw).plain()[key] for key in ("upstreams", "downstream", "seeds")}
    made = row.result.model_copy(update={"recipe": plain})
    row = replace(row, standing=replace(row.standing, result=made))
    own, where = [replace(board, rows=(row,))], {"emodb": DataSet("lab/emodb")}
    assert [*evaluations(own, where)] == ["facebook/hubert-base-ls960"]
    for truth, flag in (
        ("verified", "sent in, recomputed, not trained again"),
        ("not verified", "truth not verified"),
    ):
        mark = f"Added from elsewhere; scores recomputed, truth {truth} here, not trained again."
        sent = replace(row, mark=mark)
        assert f"- **{flag}**: " in card(board, sent, None)
        theirs = [replace(board, rows=(sent,))]
        assert evaluations(theirs, where) == {}
        assert "1 sent in" in " ".join(account(theirs, where))
    later = made.model_copy(update={"noted": (f"Of {made.digest[:8]}: {SENT}",)})
    derived = [replace(board, rows=(replace(row, standing=replace(row.standing, result=later)),))]
    assert evaluations(derived, where) == {}, "what is made of it is no better known"
    assert "**made of what was sent in**" in card(derived[0], derived[0].rows[0], None)


def test_what_is_made_of_runs_that_are_not_here_is_not_on_the_hub() -> None:
    board, row = place_of("best")
    mine = row.result.benchmark.model_copy(update={"name": "mine"})
    run = row.result.model_copy(update={"benchmark": mine})
    step = {"name": "pldc", "options": {}, "origin": "serbench"}
    changes = {
        "digest": "ab" * 32,
        "corrected": Corrected(digest=run.digest, steps=("pldc",)),
        "recipe": corrected_by([step], run.digest),
        "training": (),
    }
    made = run.model_copy(update=changes)
    before, after = (replace(row, standing=replace(row.standing, result=r)) for r in (run, made))
    where = {"mine": DataSet("lab/mine")}
    for rows, told in (
        ((after,), "1 not verified"),
        ((after, before), "1 written, 1 not the best"),
    ):
        here = [replace(board, benchmark=mine, rows=rows)]
        assert bool(evaluations(here, where)) == ("written" in told)
        assert told in " ".join(account(here, where))


def test_the_id_of_weights_is_believed_of_those_that_the_recipe_names() -> None:
    board, row = place_of("best")
    plain = recipe.resolve({"upstream": "hubert", "downstream": "ecapa"}).plain()

    def claimed(name: str) -> dict[str, str]:
        changes = {"recipe": plain, "provenance": {"id": name}}
        made = row.result.model_copy(update=changes)
        rows = (replace(row, standing=replace(row.standing, result=made)),)
        return evaluations([replace(board, rows=rows)], {"emodb": DataSet("lab/emodb")})

    assert claimed("openai/whisper-large-v3") == {}
    assert claimed("serbench/hubert-nano") == {}, "what comes with the package is not on the hub"


def test_a_recipe_that_names_no_encoder_backs_no_id() -> None:
    board, row = place_of("best")
    for kept, models in (({}, ["facebook/hubert-base-ls960"]), ({"upstreams": None}, [])):
        made = row.result.model_copy(update={"recipe": row.result.recipe | kept})
        rows = (replace(row, standing=replace(row.standing, result=made)),)
        here = [replace(board, rows=rows)]
        assert [*evaluations(here, {"emodb": DataSet("lab/emodb")})] == models


def test_clips_that_were_left_out_are_said() -> None:
    board, row = place_of("best")
    left_out = (LeftOut(utterance="hard", reason="cannot be read"),)

    def written(**changes: object) -> str:
        made = row.result.model_copy(update=changes)
        rows = (replace(row, standing=replace(row.standing, result=made)),)
        texts = evaluations([replace(board, rows=rows)], {"emodb": DataSet("lab/emodb")})
        return texts["facebook/hubert-base-ls960"]

    assert "clips left out" in written(left_out=left_out)
    assert "clips left out" not in written()


def test_what_is_no_score_any_more_is_removed(tmp_path: Path) -> None:
    kept = [*keep({"a/b": "one", "c/d": "two"}, tmp_path)]
    assert len(kept) == 2
    other = tmp_path / "hub" / "a" / "b" / "README.md"
    other.write_text("mine")
    said = [*keep({"c/d": "three"}, tmp_path)]
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"hub/c/d/.eval_results/serbench.yaml", "hub/a/b/README.md"}
    assert said[0].startswith("removed")
    assert "a/b" in said[0].replace("\\", "/")


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
    with pytest.raises(SerbenchError, match="emodb is given twice"):
        data_sets(["emodb=a/b", "emodb=c/d"])


@pytest.mark.parametrize("url", ["javascript:alert(1)", "example.org", "https://", "https://a b"])
def test_the_source_is_a_page_of_the_web(url: str) -> None:
    assert checked("https://example.org/site/#emodb") == "https://example.org/site/#emodb"
    with pytest.raises(SerbenchError, match="no address of a page"):
        checked(url)


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
