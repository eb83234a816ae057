"""What people read in a terminal: all of it is there at 80 columns."""

from __future__ import annotations

import re
from io import StringIO

import numpy as np
import pytest
from rich.console import Console, RenderableType

from serbench.benchmarks import Regression
from serbench.leaderboard.record import (
    Adaptation,
    Conditioning,
    Fit,
    Labels,
    LeftOut,
    ProtocolRecord,
)
from serbench.leaderboard.render import render_board, render_run

from .result_samples import AFFECT, classified, ranked, rated, record, score

WHISPER = Labels(upstream="huggingface", weights="whisper-tiny.en-encoder", downstream="mean_pool")
PAPT = Labels(upstream="papt_hubert", weights="nano", downstream="ecapa.small")


def drawn(shown: RenderableType, width: int = 80) -> str:
    """Return what a terminal of `width` columns shows."""
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(shown)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    return text


def words(text: str) -> str:
    """Return the text without line breaks and runs of spaces."""
    return " ".join(text.split())


def test_a_board_of_classes():
    results = [
        (record(labels=WHISPER, seeds=(0, 1)), classified(3.0, (0, 1))),
        (record(labels=PAPT, provenance={"trained_on": "EmoDB"}), classified(1.0)),
        (record(complete=False), classified(2.0).query("fold != '5'")),
    ]
    (board,) = ranked(results)
    text = drawn(render_board(board))
    split = "speaker_folds (balance=gender, k=5, sessions=apart)"
    assert " ".join(text.split()).startswith(f"emodb 1 · emotion, 4 classes · {split} ")
    assert re.search(r"^1  huggingface \+ mean_pool ", text, re.MULTILINE)
    assert re.search(r"^   whisper-tiny.en-encoder .* 2 seeds", text, re.MULTILINE)
    assert re.search(r"^2  papt_hubert \+ ecapa.small ", text, re.MULTILINE)
    assert re.search(r"^-  fbank \+ mean_pool ", text, re.MULTILINE)
    for row in board.rows:
        assert row.result.digest[:8] in text
        for value in row.values.values():
            assert f" {value.mean:.3f} " in text
            assert f"± {value.std:.3f} " in text
            assert value.seeds is None or f"({value.seeds:.3f})" in text
        for interval in [row.intervals["ua"]] if row.intervals else []:
            assert f"[{interval.low:.3f}, {interval.high:.3f}]" in text
    assert [bool(row.intervals) for row in board.rows] == [True, True, False]
    assert all(sentence in words(text) for sentence in board.caption)
    assert "1 The upstream was trained on the test corpus" in words(text)
    assert "2 One seed, where others have several: " in words(text)
    assert re.search(r"^ .* note 1 2 *$", text, re.MULTILINE)
    assert "3 Incomplete, so not ranked: 4 of 5 folds x seeds." in words(text)


def test_a_board_of_dimensions_shows_both_ccc_of_each():
    broken = rated(0.3).assign(**{"prediction:valence": np.nan})
    results = [
        (record(AFFECT, labels=WHISPER, seeds=(0, 1)), rated(0.7, (0, 1))),
        (record(AFFECT, labels=PAPT), broken),
        (record(AFFECT), rated(-0.6)),
    ]
    (board,) = ranked(results)
    text = drawn(render_board(board))
    best, inverse, nan = board.rows
    for row in (best, inverse):
        for name in ("", ":arousal", ":valence", ":dominance"):
            overall, speakers = row.values[f"o_ccc{name}"], row.values[f"a_ccc{name}"]
            shown = [f"{value.mean:.3f} ± {value.std:.3f}" for value in (overall, speakers)]
            assert f"{name[1:] or 'mean'} {' '.join(shown)}" in words(text)
    assert "mean nan nan" in words(text)
    assert f"dominance {nan.values['o_ccc:dominance'].mean:.3f}" in words(text)
    assert re.search(r" over seeds +\(", text, re.MULTILINE)
    seeds = [f"({best.values[key].seeds:.3f})" for key in ("o_ccc", "a_ccc")]
    assert f"over seeds {' '.join(seeds)} " in words(text)
    assert "A-CCC: mean of 10 speakers ± standard deviation over speakers" in words(text)


def test_long_names_are_folded_and_not_cut():
    name = "wav2vec2-large-robust-12-ft-emotion-msp-dim-and-more"
    labels = Labels(upstream="huggingface", weights=name, downstream="mean_pool")
    for task, predictions in ((AFFECT, rated(0.5)), (record().benchmark.task, classified(1.0))):
        (board,) = ranked([(record(task, labels=labels), predictions)])
        lines = drawn(render_board(board)).splitlines()
        system = [re.split(r" {2,}", line.lstrip("1 "))[0] for line in lines]
        assert name in "".join(system)


def test_names_are_not_markup():
    labels = Labels(upstream="[bold]mine[/bold]", downstream="mean_pool")
    (board,) = ranked([(record(labels=labels), classified(1.0))])
    assert "[bold]mine[/bold] + mean_pool" in drawn(render_board(board), width=100)


def test_folds_and_dimensions_are_not_markup():
    task = Regression(("[bold]x",), low=1.0, high=7.0)
    columns = {
        f"{side}:{task.dimensions[0]}": f"{side}:arousal" for side in ("truth", "prediction")
    }
    predictions = rated(0.5).assign(**{new: rated(0.5)[old] for new, old in columns.items()})
    predictions = predictions[["utterance", "speaker", "fold", "seed", *columns]]
    predictions["fold"] = "[red]" + predictions["fold"]
    folds = tuple(
        fold.model_copy(update={"name": f"[red]{fold.name}"}) for fold in record().split.folds
    )
    split = record().split.model_copy(update={"folds": folds})
    result = record(task, split=split)
    (board,) = ranked([(result, predictions)])
    assert "[bold]x" in drawn(render_board(board))
    text = drawn(render_run(result, score(result, predictions)))
    assert "[red]1" in text
    assert "[bold]x" in text


def test_what_differs_is_shown_under_equal_names():
    mlp = Labels(upstream="fbank", downstream="mlp")
    results = [(record(labels=mlp, recipe={"hidden": h}), classified(h / 99)) for h in (64, 128)]
    (board,) = ranked(results)
    text = drawn(render_board(board))
    assert re.search(r"^   hidden=128 ", text, re.MULTILINE)
    assert re.search(r"^   hidden=64 ", text, re.MULTILINE)


def test_a_run_on_classes():
    result = record(labels=WHISPER, seeds=(0, 1), known_defects=3)
    predictions = classified(1.0, (0, 1))
    scores = score(result, predictions)
    text = drawn(render_run(result, scores))
    assert text.startswith("huggingface + mean_pool\nwhisper-tiny.en-encoder\nemodb 1 ·")
    folds = scores.folds.groupby("fold")[["ua", "wa", "macro_f1"]].mean()
    for fold, values in folds.iterrows():
        assert f" {fold} 24 {' '.join(f'{value:.3f}' for value in values)} " in words(text)
    for label, field in (
        ("mean of folds", "mean_of_folds"),
        ("± over folds", "std_over_folds"),
        ("± over 2 seeds", "std_over_seeds"),
        ("pooled", "pooled"),
    ):
        values = [getattr(scores.by_fold[key], field) for key in ("ua", "wa", "macro_f1")]
        assert f"{label} {' '.join(f'{value:.3f}' for value in values)}" in words(text)
    assert f"mean of speakers {scores.by_speaker['a_ua'].mean_of_speakers:.3f}" in words(text)
    people = scores.speakers["ua"]
    assert f"10 speakers: UA from {people.min():.3f} (" in text
    assert f" to {people.max():.3f} (" in text
    assert "Every row averages 2 seeds." in text
    assert "Chosen by validation: learning rate 0.001, epoch 12." in text
    assert "Time: audit 0.4 s, encode 12.5 s, train 3.2 s." in text
    assert "3 utterances have known defects" in text


def test_a_run_on_dimensions():
    result = record(AFFECT, labels=PAPT)
    scores = score(result, rated(0.5))
    text = words(drawn(render_run(result, scores)))
    keys = ("", ":arousal", ":valence", ":dominance")
    assert "O-CCC of fold clips mean arousal valence dominance" in text
    for label, values in (
        ("mean of folds", [scores.by_fold[f"o_ccc{key}"].mean_of_folds for key in keys]),
        ("± over folds", [scores.by_fold[f"o_ccc{key}"].std_over_folds for key in keys]),
        (
            "A-CCC, mean of speakers",
            [scores.by_speaker[f"a_ccc{key}"].mean_of_speakers for key in keys],
        ),
        ("± over speakers", [scores.by_speaker[f"a_ccc{key}"].std_over_speakers for key in keys]),
    ):
        assert f"{label} {' '.join(f'{value:.3f}' for value in values)}" in text
    assert "over 1 seeds" not in text
    assert "10 speakers: CCC from " in text


def test_a_run_whose_weights_are_a_mean_says_of_which_epochs():
    fit = Fit(fold="1", seed=0, learning_rate=1e-3, epoch=9, valid_score=0.5, averaged=(4, 9, 7))
    result = record(training=(fit,))
    text = words(drawn(render_run(result, score(result, classified(1.0)))))
    assert "learning rate 0.001, the mean of 3 epochs each, out of 4 to 9." in text


def test_a_run_says_what_is_wrong_with_it():
    made = record().benchmark.model_copy(update={"synthetic": True})
    fits = tuple(
        Fit(fold="1", seed=seed, learning_rate=rate, epoch=9 * (seed + 1), valid_score=0.5)
        for seed, rate in enumerate((1e-4, 1e-2))
    )
    result = record(
        benchmark=made,
        protocol=ProtocolRecord(name="random", shares=("speaker",)),
        left_out=(LeftOut(utterance="03a01", reason="silent"),),
        training=fits,
        complete=False,
        scores={"rank": 1.0},
    )
    predictions = classified(1.0).query("fold in ('1', '2')")
    text = words(drawn(render_run(result, score(result, predictions))))
    for said in (
        "emodb 1, synthetic",
        "random, speaker-dependent",
        "Synthetic corpus:",
        "Speaker-dependent:",
        "Incomplete, so not ranked: 2 of 5 folds x seeds.",
        "1 utterance left out: 03a01 (silent).",
        "the record's scores are not those of its predictions (rank: 1 stored,",
        "learning rate 0.0001 to 0.01, epoch 9 to 18.",
    ):
        assert said in text


def test_speakers_with_too_few_clips_are_not_among_the_extremes():
    few = rated(0.5)
    few.loc[few.index[:11], "speaker"] = "04"
    result = record(AFFECT)
    text = drawn(render_run(result, score(result, few)))
    assert "9 speakers, 1 more with too few clips: CCC from" in text


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_terminals_of_other_encodings(encoding: str):
    (board,) = ranked([(record(), classified(1.0))])
    drawn(render_board(board)).replace("─", "-").encode(encoding)


@pytest.mark.parametrize(
    ("on", "part"),
    [
        ("all", "all utterances (120 utterances, 0.25 h), without labels."),
        (
            "train",
            "the training part of each fold (120 utterances, 0.25 h on average), without labels; "
            "the rule for speakers unseen there: nearest, by a minute of each one's audio.",
        ),
    ],
)
def test_a_run_says_what_its_upstream_was_adapted_to(on: str, part: str):
    adaptation = Adaptation(
        on=on,
        transductive=on == "all",
        utterances=120,
        hours=0.25,
        unseen="nearest",
        checkpoints=("ab",),
    )
    result = record(adaptation=adaptation)
    text = words(drawn(render_run(result, score(result, classified(1)))))
    assert f"Upstream adapted to {part}" in text
    assert ("Transductive: " in text) == (on == "all")


def test_a_run_says_that_its_weights_came_adapted():
    before = Adaptation(
        on="before", transductive=False, utterances=7, hours=0.5, checkpoints=("ab",)
    )
    known = {"method": "TAPT of base", "trained_on": "A (9 h), B (0.5 h)"}
    result = record(adaptation=before, provenance=known)
    text = words(drawn(render_run(result, score(result, classified(1)))))
    assert "Weights came adapted (7 utterances, 0.50 h), so the recipe's options" in text
    assert "no effect: TAPT of base, trained on A (9 h), B (0.5 h)." in text
    assert "Transductive: " not in text


@pytest.mark.parametrize(
    ("on", "unseen", "sentence"),
    [
        (
            "id",
            10,
            "The head is told who speaks: 10 of 10 speakers of the test parts were not trained on "
            "and share the row of those whom the head does not know.",
        ),
        (
            "id",
            0,
            "The head is told who speaks: 0 of 10 speakers of the test parts were not trained on.",
        ),
        (
            "mfcc",
            10,
            "The head is told what each speaker sounds like, so that a prediction depends on the "
            "speaker's other utterances in the part: 10 of 10 speakers of the test parts were not "
            "trained on.",
        ),
    ],
)
def test_a_run_says_how_many_speakers_its_head_did_not_know(on: str, unseen: int, sentence: str):
    result = record(conditioning=Conditioning(on=on, tested=10, unseen=unseen))
    text = words(drawn(render_run(result, score(result, classified(1)))))
    assert sentence in text
    assert "The head is told" not in words(
        drawn(render_run(record(), score(result, classified(1))))
    )


def test_who_has_one_rating_just_so_predicted_is_named_and_not_averaged():
    table = rated(0.5)
    table.loc[table["speaker"] == "04", ["truth:arousal", "prediction:arousal"]] = 4.5
    result = record(AFFECT)
    scores = score(result, table)
    text = words(drawn(render_run(result, scores)))
    assert "A-CCC without 04: all ratings are one number, and nothing else is predicted" in text
    assert "The ratings of 1 of 10 speakers are all equal in a dimension" in text
    assert "9 speakers: CCC from" in text
    missed = rated(0.7)
    missed.loc[missed["speaker"] == "04", "truth:arousal"] = 4.5
    (board,) = ranked([(result, table), (record(AFFECT, digest="0" * 64), missed)])
    text = words(drawn(render_board(board), width=120))
    assert "A-CCC: mean of 10 speakers" in text
    assert " nan" not in text.replace(" nano", "")
