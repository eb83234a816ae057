"""Finished runs made into one: what comes out, and which runs do not go together."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import serbench
from serbench.benchmarks import Classification
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import beside, store
from serbench.leaderboard.notes import about_result
from serbench.leaderboard.record import (
    Adaptation,
    BenchmarkRecord,
    Conditioning,
    Encoder,
    Fit,
    Labels,
    LeftOut,
    ProtocolRecord,
    Split,
    Weighted,
)
from serbench.leaderboard.table import rank

from ..leaderboard.result_samples import (  # noqa: TID252
    AFFECT,
    EMOTIONS,
    FOLDS,
    classified,
    rated,
    record,
)

WAS_ENROLLED = Weighted(heard="enrol", functionals="own")
SCORES = [f"score:{label}" for label in EMOTIONS.labels]


def validation_of(tests: pd.DataFrame) -> pd.DataFrame:
    """Return what a run predicts for validation parts: of each fold, a speaker of the next."""
    heard = tests[tests["speaker"].astype(int) < FOLDS]
    return heard.assign(fold=[str(1 + (int(fold) - 2) % FOLDS) for fold in heard["fold"]])


def kept(
    root: Path, predictions: pd.DataFrame, validated: bool = True, task: Any = EMOTIONS, **changes
) -> str:
    """Save a result as a run does and return its digest."""
    result = record(task, seeds=tuple(sorted({*predictions["seed"]})), **changes)
    valid = validation_of(predictions) if validated else None
    store.save(result, predictions, root, beside.Beside(valid))
    return result.digest


def labelled(upstream: str, weights: str = "nano", downstream: str = "mean_pool") -> dict[str, Any]:
    """Return labels and a recipe of their own."""
    labels = Labels(upstream=upstream, weights=weights, downstream=downstream)
    return {"labels": labels, "recipe": {"of": labels.model_dump()}}


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """Return the digests of two runs with two seeds each."""
    return [
        kept(tmp_path, classified(1.0, (0, 1), draw), **labelled(upstream))
        for draw, upstream in enumerate(("hubert", "cpc"))
    ]


def test_the_mean_is_a_result_like_any_other(tmp_path: Path, two: list[str]) -> None:
    outcome = serbench.fuse(two[0][:8], two[1][:8], results=tmp_path)
    result, predictions = store.load_result(outcome.path)
    by_hand = sum(
        store.find(tmp_path, "emodb", digest).predictions.set_index(["utterance", "seed"])[SCORES]
        for digest in two
    )
    found = predictions.set_index(["utterance", "seed"])[SCORES]
    pd.testing.assert_frame_equal(found.sort_index(), (by_hand / 2).sort_index(), rtol=1e-14)
    assert result.labels.model_dump() == {
        "upstream": "cpc & hubert",
        "weights": "nano, nano",
        "downstream": "mean of 2 runs",
    }
    assert {member.digest for member in result.members} == {*two}
    assert result.training == ()
    assert [*result.seconds] == ["fuse"]
    (board,) = rank(store.read_all(tmp_path).entries)
    assert board.rows[0].result.digest == result.digest, "errors that differ cancel"
    assert any("cpc nano + mean_pool" in note and two[1][:8] in note for note in board.notes)
    assert set(serbench.load_results(tmp_path)["digest"]) == {result.digest, *two}


def test_what_the_recipe_of_a_run_alone_says_is_said_of_the_fusion(tmp_path: Path) -> None:
    fits = [
        Fit(fold=f"{n}", seed=0, learning_rate=1e-3, epoch=1, valid_score=0.5, averaged=(1, 2))
        for n in range(1, FOLDS + 1)
    ]
    told = {"training": {"finetune": True, "average": 3}}
    one = labelled("hubert")
    one["recipe"] |= told
    digests = [
        kept(tmp_path, classified(1.0, draw=0), training=tuple(fits), **one),
        kept(tmp_path, classified(1.0, draw=1), **labelled("cpc")),
        kept(tmp_path, classified(1.0, draw=2), **labelled("fbank")),
    ]
    mean = serbench.fuse(*digests[:2], results=tmp_path)
    expected = [
        f"Of {digests[0][:8]}: Upstream trained together with the head, with labels, for each "
        "fold and seed.",
        f"Of {digests[0][:8]}: {FOLDS} of {FOLDS} trainings had fewer than the 3 epochs that were "
        "to be averaged: the mean is of those that there are.",
    ]
    for made in (mean, serbench.fuse(str(mean.path), digests[2], results=tmp_path)):
        notes = about_result(made.result, made.scores)
        assert [note for note in notes if note.startswith("Of ")] == expected


def test_the_order_of_the_runs_means_nothing(tmp_path: Path, two: list[str]) -> None:
    one, other = (serbench.fuse(*each, results=tmp_path) for each in (two, two[::-1]))
    assert one.path == other.path
    assert one.result.labels == other.result.labels
    stacked = serbench.fuse(*two, method="stack", results=tmp_path)
    assert stacked.result.digest != one.result.digest


def test_a_mean_can_be_fused_again_and_stacked(tmp_path: Path, two: list[str]) -> None:
    mean = serbench.fuse(*two, results=tmp_path)
    third = kept(tmp_path, classified(0.0, (0, 1), 2), **labelled("fbank", "-"))
    validation = beside.load_part(mean.path, mean.result, "valid")
    paths = [store.place(tmp_path, "emodb", digest) for digest in two]
    halves = [
        beside.load_part(path, store.load_result(path).result, "valid").sort_values(
            ["fold", "seed", "utterance"]
        )
        for path in paths
    ]
    np.testing.assert_allclose(validation[SCORES], (halves[0][SCORES] + halves[1][SCORES]) / 2)
    stacked = serbench.fuse(str(mean.path), third, method="stack", results=tmp_path)
    assert stacked.scores.rank == pytest.approx(mean.scores.rank, abs=0.03), "the third is noise"
    assert stacked.result.labels.weights == "nano, nano, -"


@pytest.mark.parametrize("method", ["mean", "stack"])
def test_dimensions_are_fused_too(tmp_path: Path, method: str) -> None:
    members = [rated(skill, draw=1) for skill in (0.9, 0.3)]
    members[1][members[0].filter(like="truth").columns] = members[0].filter(like="truth")
    digests = [
        kept(tmp_path, member, task=AFFECT, **labelled(name))
        for member, name in zip(members, "ab", strict=True)
    ]
    outcome = serbench.fuse(*digests, method=method, results=tmp_path)
    assert outcome.scores.rank > 0.7
    assert outcome.result.labels.downstream == f"{method} of 2 runs"


def test_what_must_be_said_of_a_member_is_said_of_the_fusion(tmp_path: Path) -> None:
    heard = Adaptation(on="all", transductive=True, utterances=9, hours=0.1, checkpoints=("ab",))
    told = Conditioning(on="id", tested=10, unseen=10)
    plain = {"id": "hubert"}
    digests = [
        kept(tmp_path, classified(1.0, draw=0), **labelled("hubert"), provenance=plain),
        kept(
            tmp_path,
            classified(1.0, draw=1),
            **labelled("tapt_hubert+hubert"),
            provenance={"id": "tapt", "trained_on": "EmoDB"},
            adaptation=heard,
            fused_with=(Encoder(provenance=plain),),
            conditioning=told,
            left_out=(LeftOut(utterance="x", reason="silent"),),
        ),
    ]
    outcome = serbench.fuse(*digests, results=tmp_path)
    assert [each.provenance["id"] for each in outcome.result.encoders] == ["hubert", "tapt"]
    board, row = next(
        (board, row)
        for board in rank(store.read_all(tmp_path).entries)
        for row in board.rows
        if row.result.members
    )
    notes = " ".join([*(board.notes[number - 1] for number in row.notes), *board.caption])
    for part in (
        "Transductive",
        "trained on the test corpus",
        "told who speaks",
        "1 utterance left",
    ):
        assert part in notes


@pytest.mark.parametrize("heard", ["test", "enrol"])
def test_a_fusion_heard_what_led_the_training_of_a_member(tmp_path: Path, heard) -> None:
    led = Weighted(heard=heard, functionals="own")
    one = kept(tmp_path, classified(1.0), **labelled("hubert"), weighted=led)
    other = kept(tmp_path, classified(1.0, draw=1), **labelled("cpc"))
    third = kept(tmp_path, classified(1.0, draw=2), **labelled("fbank"), weighted=WAS_ENROLLED)
    result = serbench.fuse(other, third, one, results=tmp_path).result
    assert result.weighted == led
    assert result.transductive == (heard == "test")
    assert serbench.fuse(other, third, results=tmp_path).result.weighted == WAS_ENROLLED


def other_truths(predictions: pd.DataFrame) -> pd.DataFrame:
    changed = predictions.copy()
    changed.loc[7, "truth"] = next(x for x in EMOTIONS.labels if x != changed.loc[7, "truth"])
    return changed


_SPLIT = record().split
_FOLDS = _SPLIT.folds
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "corpus": (
        {"benchmark": BenchmarkRecord(name="emodb", version="2", synthetic=False, task=EMOTIONS)},
        "one is on 'emodb 1 .* the other on 'emodb 2 ",
    ),
    "labels": (
        {
            "benchmark": BenchmarkRecord(
                name="emodb",
                version="1",
                synthetic=False,
                task=Classification(labels=EMOTIONS.labels[::-1]),
            )
        },
        "one predicts anger, .* the other sadness, ",
    ),
    "protocol": ({"protocol": ProtocolRecord(name="other")}, "the other on '.*other"),
    "folds": ({"split": Split(hash="cd" * 32, folds=_FOLDS)}, "their folds are not the same"),
    "recordings": (
        {"split": Split(hash=_SPLIT.hash, recordings="ff", folds=_FOLDS)},
        "they are on other recordings",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_runs_that_are_not_about_the_same_are_told_in_what(tmp_path: Path, what: str) -> None:
    changes, sentence = OTHERS[what]
    one = kept(tmp_path, classified(1.0))
    other = kept(tmp_path, classified(1.0), **changes)
    with pytest.raises(SerbenchError, match=f"{one[:8]} and {other[:8]}.*{sentence}"):
        serbench.fuse(one, other, results=tmp_path)


def test_other_labels_of_the_same_utterances_are_found(tmp_path: Path) -> None:
    one = kept(tmp_path, classified(1.0))
    other = kept(tmp_path, other_truths(classified(1.0)), **labelled("cpc"))
    with pytest.raises(SerbenchError, match=r"other labels in 1 row \('00_07' is the first\)"):
        serbench.fuse(one, other, results=tmp_path)


def test_validation_parts_that_are_not_the_same_are_not_learnt_from(tmp_path: Path) -> None:
    one = kept(tmp_path, classified(1.0))
    result = record(**labelled("cpc"))
    validation = validation_of(classified(1.0))
    validation["utterance"] = validation["utterance"] + "x"
    store.save(result, classified(1.0), tmp_path, beside.Beside(validation))
    for method in ("mean", "stack"):
        with pytest.raises(SerbenchError, match=r"validation parts .* other utterances in 60 rows"):
            serbench.fuse(one, result.digest, method=method, results=tmp_path)


def test_trainings_are_paired_by_seed(tmp_path: Path, two: list[str]) -> None:
    other = kept(tmp_path, classified(1.0, (0,)), **labelled("fbank"))
    with pytest.raises(SerbenchError, match=r"has seeds 0, 1, the other 0, and .* paired by seed"):
        serbench.fuse(two[0], other, results=tmp_path)


def test_a_run_alone_or_twice_is_no_fusion(tmp_path: Path, two: list[str]) -> None:
    with pytest.raises(SerbenchError, match="two finished runs or more, not 1"):
        serbench.fuse(two[0], results=tmp_path)
    path = store.place(tmp_path, "emodb", two[0])
    with pytest.raises(SerbenchError, match=f"{two[0][:8]} is given twice"):
        serbench.fuse(two[0], two[1], path, results=tmp_path)


def test_a_stack_needs_validation_predictions_and_a_mean_does_not(tmp_path: Path) -> None:
    one = kept(tmp_path, classified(1.0))
    old = kept(tmp_path, classified(1.0, draw=1), validated=False, **labelled("cpc"))
    with pytest.raises(SerbenchError, match=f"{old[:8]} has no predictions .*--again.*mean"):
        serbench.fuse(one, old, method="stack", results=tmp_path)
    mean = serbench.fuse(one, old, results=tmp_path)
    assert not beside.has_part(mean.path, "valid")


def test_a_stack_has_nothing_to_stack_again(tmp_path: Path, two: list[str]) -> None:
    stacked = serbench.fuse(*two, method="stack", results=tmp_path)
    third = kept(tmp_path, classified(0.0, (0, 1), 2), **labelled("fbank", "-"))
    assert not beside.has_part(stacked.path, "valid")
    with pytest.raises(SerbenchError, match="give its members in its place"):
        serbench.fuse(stacked.path, third, method="stack", results=tmp_path)
    assert serbench.fuse(stacked.path, third, results=tmp_path).result.complete


def test_unfinished_and_undefined_runs_are_refused(tmp_path: Path, two: list[str]) -> None:
    whole = classified(1.0, (0, 1), 3)
    part = record(seeds=(0, 1), complete=False)
    store.save(part, whole[whole["fold"] != "3"], tmp_path)
    with pytest.raises(SerbenchError, match=f"{part.digest[:8]} is incomplete"):
        serbench.fuse(two[0], part.digest, results=tmp_path)
    whole.loc[3, SCORES] = np.nan
    whole.loc[3, "prediction"] = EMOTIONS.labels[0]  # as of all that are as probable
    undefined = kept(tmp_path, whole, **labelled("fbank"))
    with pytest.raises(SerbenchError, match=f"{undefined[:8]} has predictions .* not finite"):
        serbench.fuse(two[0], undefined, results=tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("zz", "no result in '.*' begins with 'zz'"),
        ("", "no result in '.*' begins with ''"),
        ("./absent.json", "'absent.json' is no record of a result"),
        ("./{}.parquet", "is no record of a result; give its .json"),
    ],
)
def test_a_run_that_is_not_there(tmp_path: Path, two: list[str], name: str, sentence: str) -> None:
    with pytest.raises(SerbenchError, match=sentence):
        serbench.fuse(two[0], name.format(two[1]), results=tmp_path)


def test_a_beginning_that_several_digests_share(tmp_path: Path) -> None:
    digests = [kept(tmp_path, classified(1.0, draw=i), **labelled(f"u{i}")) for i in range(17)]
    first = [digest[0] for digest in digests]
    shared = next(letter for letter in first if first.count(letter) > 1)
    with pytest.raises(SerbenchError, match=rf"begin with '{shared}' \(.*give more digits"):
        serbench.fuse(shared, digests[0], results=tmp_path)


def test_the_command_line_shows_the_fusion_and_where_it_lies(
    tmp_path: Path, two: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    command = ["fuse", *(digest[:10] for digest in two), "--results", str(tmp_path)]
    shown = CliRunner().invoke(app, [*command, "--method", "stack"])
    assert shown.exit_code == 0, shown.output
    assert "cpc & hubert + stack of 2 runs" in shown.output
    (path,) = (line[8:] for line in shown.output.splitlines() if line.startswith("result: "))
    assert store.load_result(Path(path)).result.recipe["fuse"] == "stack"
    refused = CliRunner().invoke(app, command[:2])
    assert isinstance(refused.exception, SerbenchError)


def test_a_run_is_not_fused_with_what_it_is_already_in(tmp_path: Path, two: list[str]) -> None:
    mean = serbench.fuse(*two, results=tmp_path)
    with pytest.raises(SerbenchError, match="is given twice; a run is not fused with itself"):
        serbench.fuse(mean.path, two[0], results=tmp_path)
    third = kept(tmp_path, classified(0.0, (0, 1), 2), **labelled("fbank", "-"))
    nested = serbench.fuse(mean.path, third, results=tmp_path)
    with pytest.raises(SerbenchError, match=f"{two[0][:8]} is given twice"):
        serbench.fuse(nested.path, two[0], results=tmp_path)


@pytest.mark.parametrize("ending", [".parquet", ".valid.parquet"])
def test_nothing_is_made_of_a_table_that_was_changed(
    tmp_path: Path, two: list[str], ending: str
) -> None:
    """A whole table of another run is read without an error, but is not the one of the record."""
    first, other = (store.place(tmp_path, "emodb", digest) for digest in two)
    first.with_suffix(ending).write_bytes(other.with_suffix(ending).read_bytes())
    said = f"{two[0][:8]}{ending} was changed after it was written.*put the file back"
    for make in (
        partial(serbench.fuse, *two, method="stack"),
        partial(serbench.postprocess, two[0], "em_prior"),
    ):
        with pytest.raises(SerbenchError, match=said):
            make(results=tmp_path)


def test_doubts_about_the_corpus_of_a_member_are_those_of_the_fusion(tmp_path: Path) -> None:
    digests = [
        kept(tmp_path, classified(1.0, draw=draw), **labelled(name), warnings=(doubt,))
        for draw, (name, doubt) in enumerate([("a", "few speakers; add some"), ("b", "doubled")])
    ]
    fused = serbench.fuse(*digests, results=tmp_path)
    assert sorted(fused.result.warnings) == ["doubled", "few speakers; add some"]


def test_what_was_fused_is_corrected_before(two: list[str], tmp_path: Path) -> None:
    fused = serbench.fuse(*two, results=tmp_path)
    runs = ", ".join(member.digest[:8] for member in fused.result.members)
    with pytest.raises(SerbenchError, match=f"take the runs that were fused to it, {runs};"):
        serbench.postprocess(fused.path, "em_prior", tmp_path)
