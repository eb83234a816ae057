"""Ranking: who meets whom, who is first, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import audmetric
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from serbench.benchmarks import Regression
from serbench.leaderboard import store
from serbench.leaderboard.differing import differing
from serbench.leaderboard.hearing import heard, mentions
from serbench.leaderboard.record import (
    Adaptation,
    BenchmarkRecord,
    Encoder,
    Labels,
    LeftOut,
    ProtocolRecord,
)
from serbench.leaderboard.table import Board, rank

from .result_samples import AFFECT, EMOTIONS, classified, ranked, rated, record, score, scored


def board(*results: store.Entry | tuple) -> Board:
    """Return the only board of results."""
    (only,) = ranked(results)
    return only


def test_numbers_are_means_of_folds_with_their_spread():
    predictions = classified(1.0, seeds=(0, 1, 2))
    (row,) = board((record(seeds=(0, 1, 2)), predictions)).rows
    metrics = {
        "ua": lambda p: recall_score(p["truth"], p["prediction"], average="macro"),
        "wa": lambda p: accuracy_score(p["truth"], p["prediction"]),
        "macro_f1": lambda p: f1_score(p["truth"], p["prediction"], average="macro"),
    }
    assert row.values.keys() == metrics.keys()
    for key, metric in metrics.items():
        cells = np.array(
            [
                [metric(own) for _, own in fold.groupby("seed")]
                for _, fold in predictions.groupby("fold")
            ]
        )
        assert row.values[key].mean == pytest.approx(cells.mean(), rel=1e-12)
        assert row.values[key].std == pytest.approx(cells.mean(axis=1).std(), rel=1e-12)
        assert row.values[key].seeds == pytest.approx(cells.mean(axis=0).std(), rel=1e-12)
    assert row.seeds == 3


def test_both_ccc_of_each_dimension():
    predictions = rated(0.5)
    (row,) = board((record(AFFECT), predictions)).rows
    speakers = {}
    for name in AFFECT.dimensions:
        columns = [f"truth:{name}", f"prediction:{name}"]
        folds, people = (
            np.array([audmetric.concordance_cc(*own[columns].T.to_numpy()) for _, own in groups])
            for groups in (predictions.groupby("fold"), predictions.groupby("speaker"))
        )
        for own, kind in ((folds, "o"), (people, "a")):
            value = row.values[f"{kind}_ccc:{name}"]
            assert value[:2] == pytest.approx((own.mean(), own.std()), rel=1e-9)
            assert value.seeds is None
        speakers[name] = people
    overall = np.mean([*speakers.values()], axis=0)
    assert row.values["a_ccc"][:2] == pytest.approx((overall.mean(), overall.std()), rel=1e-9)


def test_best_first_and_equal_predictions_share_a_rank():
    tied = classified(1.5, draw=3)
    results = [
        (record(recipe={"id": "worst"}), classified(0.2)),
        (record(recipe={"id": "tied"}), tied),
        (record(recipe={"id": "best"}), classified(4.0)),
        (record(recipe={"id": "shuffled"}), tied.sample(frac=1, random_state=0)),
    ]
    rows = board(*results).rows
    assert [row.rank for row in rows] == [1, 2, 2, 3]
    names = [row.result.recipe["id"] for row in rows]
    assert (names[0], {*names[1:3]}, names[3]) == ("best", {"tied", "shuffled"}, "worst")


def test_nan_is_last():
    broken = rated(0.9).assign(**{"prediction:valence": np.nan})
    inverse = rated(-0.8)
    shown = board(
        (record(AFFECT, recipe={"id": "nan"}), broken),
        (record(AFFECT, recipe={"id": "inverse"}), inverse),
        (record(AFFECT, recipe={"id": "nan too"}), broken),
    )
    assert [row.rank for row in shown.rows] == [1, 2, 2]
    assert shown.rows[0].result.recipe["id"] == "inverse"
    assert shown.rows[0].values["o_ccc"].mean < 0
    assert np.isnan(shown.rows[1].values["o_ccc"].mean)
    assert shown.rows[1].values["o_ccc:arousal"].mean > 0.5
    note, same = shown.notes
    assert note.startswith("Undefined (nan): fold 1, seed 0: o_ccc:valence")
    assert same.startswith("The same predictions")
    assert shown.rows[1].notes == shown.rows[2].notes == (1, 2)


def test_an_incomplete_result_is_shown_but_not_ranked():
    partial = classified(5.0).query("fold != '5'")
    shown = board((record(complete=False), partial), (record(), classified(0.5)))
    assert [row.rank for row in shown.rows] == [1, None]
    assert shown.notes == ("Incomplete, so not ranked: 4 of 5 folds x seeds.",)
    assert [row.notes for row in shown.rows] == [(), (1,)]


def test_only_the_comparable_share_a_board():
    plain = record()
    version = plain.benchmark.model_copy(update={"version": "2"})
    random = ProtocolRecord(name="random", options={"k": 5}, shares=("speaker",))
    more = ProtocolRecord(name="speaker_folds", options={"k": 10})
    split = plain.split.model_copy(update={"hash": "cd" * 32})
    changes = [{}, {"benchmark": version}, {"protocol": random}, {"protocol": more}]
    results = [(record(**change), classified(1.0)) for change in [*changes, {"split": split}]]
    results.append((record(AFFECT), rated(0.5)))
    results.append((record(recipe={"other": 1}), classified(0.5)))
    boards = ranked(results)
    assert [len(each.rows) for each in boards].count(2) == 1
    assert len(boards) == 6
    assert {len(each.rows) for each in boards} == {1, 2}
    assert ranked(reversed(results)) == boards


def test_another_split_of_the_same_protocol_says_why():
    other = record().split.model_copy(update={"hash": "cd" * 32})
    one, two = ranked([(record(), classified(1)), (record(split=other), classified(1))])
    assert one.title.endswith("· split abababab")
    assert "Not comparable with split cdcdcdcd of the same benchmark" in one.caption[-1]
    assert "Not comparable with split abababab of the same benchmark" in two.caption[-1]
    assert not any("Not comparable" in line for line in board((record(), classified(1))).caption)


def test_the_order_in_which_shares_are_written_does_not_matter():
    orders = [("speaker", "session"), ("session", "speaker")]
    results = [
        (record(protocol=ProtocolRecord(name="random", shares=shares)), classified(1.0))
        for shares in orders
    ]
    assert len(board(*results).rows) == 2


RANKS = (
    "Intervals: 95 %, over 10 speakers (jackknife). Rows that cannot be told from the best of "
    "their group (jackknife of the difference, Holm, 5 %) share its rank."
)


def test_captions_say_what_the_numbers_are():
    caption = board((record(), classified(1.0))).caption
    assert caption == (
        "UA, WA, macro F1: mean of 5 folds ± standard deviation over folds (ddof 0); UA ranks.",
        "Classes: anger, happiness, neutral, sadness.",
        RANKS,
    )
    seeds = (0, 1)
    caption = board((record(AFFECT, seeds=seeds), rated(0.5, seeds))).caption
    assert caption == (
        "O-CCC: mean of 5 folds ± standard deviation over folds (ddof 0); its mean over "
        "dimensions ranks.",
        "A-CCC: mean of 10 speakers ± standard deviation over speakers (ddof 0), those with 2 "
        "utterances or more.",
        RANKS,
        "Where there are several seeds, they are averaged first; in brackets the standard "
        "deviation of the mean over seeds.",
    )


def test_a_row_of_one_seed_says_so_among_those_of_several():
    one, two = record(AFFECT, digest="a" * 64), record(AFFECT, digest="b" * 64, seeds=(0, 1))
    mixed = board((one, rated(0.5)), (two, rated(0.6, (0, 1))))
    said = {row.result.digest: [mixed.notes[n - 1] for n in row.notes] for row in mixed.rows}
    assert [text for text in said["a" * 64] if text.startswith("One seed, ")]
    assert not [text for text in said["b" * 64] if text.startswith("One seed, ")]
    assert not any(text.startswith("One seed, ") for text in board((one, rated(0.5))).notes)


def test_speakers_with_one_clip_are_counted():
    few = rated(0.5)
    few.loc[few.index[:11], "speaker"] = "04"
    caption = board((record(AFFECT), few)).caption
    assert "mean of 9 speakers" in caption[1]
    assert "without 1 with less" in caption[1]


def test_what_qualifies_a_whole_board():
    made = record().benchmark.model_copy(update={"synthetic": True, "name": "demo"})
    random = ProtocolRecord(
        name="random", options={"seed": 3, "k": 5}, shares=("speaker", "session")
    )
    shown = board((record(benchmark=made, protocol=random, known_defects=7), classified(1.0)))
    assert shown.title == (
        "demo 1, synthetic · emotion, 4 classes · random (k=5, seed=3), speaker-dependent"
    )
    said = " ".join(shown.caption)
    assert "Synthetic corpus" in said
    assert "Speaker-dependent" in said
    assert "share sessions" in said
    assert "7 utterances have known defects: `serbench data check demo`" in said


def test_one_dimension_and_one_fold_have_no_mean_and_no_spread():
    task = Regression(dimensions=("arousal",), low=1.0, high=7.0)
    predictions = rated(0.5).assign(fold="1")
    predictions = predictions[["utterance", "speaker", "fold", "seed"]].join(
        predictions.filter(like="arousal")
    )
    fold = record().split.folds[0].model_copy(update={"test": 120})
    split = record().split.model_copy(update={"folds": (fold,)})
    shown = board((record(task, split=split), predictions))
    assert [column.dimension for column in shown.columns] == ["arousal", "arousal"]
    assert shown.rows[0].values["o_ccc:arousal"].std is None
    assert shown.rows[0].values["a_ccc:arousal"].std > 0
    assert shown.caption[0] == "O-CCC: on the one fold there is, so without spread; it ranks."


def test_stored_scores_that_agree_are_not_mentioned(tmp_path: Path):
    for task, predictions in ((EMOTIONS, classified(1.1, (0, 1))), (AFFECT, rated(0.3, (0, 1)))):
        plain = record(task, seeds=(0, 1))
        stored = score(plain, predictions).to_json()
        store.save(plain.model_copy(update={"scores": stored}), predictions, tmp_path)
    entries = store.read_all(tmp_path).entries
    assert len(entries) == 2
    assert all(entry.result.scores for entry in entries)
    assert [each.notes for each in ranked(entries)] == [(), ()]


def test_stored_scores_that_differ_are_named(tmp_path: Path):
    predictions = classified(1.1)
    stored = score(record(), predictions).to_json()
    path = store.save(record(scores=stored), predictions, tmp_path)
    right = pd.get_dummies(predictions["truth"], prefix="score", prefix_sep=":", dtype=float)
    better = predictions.assign(prediction=predictions["truth"], **right)
    better.to_parquet(path.with_suffix(".parquet"), index=False)
    shown = board(*store.read_all(tmp_path).entries)
    assert shown.rows[0].values["ua"][:2] == (1.0, 0.0)
    assert shown.rows[0].notes == (1,)
    assert "record's scores are not those of its predictions" in shown.notes[0]
    assert "1 recomputed" in shown.notes[0]


def test_the_numbers_of_notes_are_in_order():
    first = {"left_out": (LeftOut(utterance="x", reason="silent"),)}
    both = {**first, "complete": False}
    unsummed = record(recipe={"id": "b"}, provenance={"trained_on": "EmoDB"})
    entries = [
        (record(recipe={"id": "a"}, provenance={"trained_on": "EmoDB"}), classified(3.0)),
        (record(recipe={"id": "c"}, **both), classified(1.0).query("fold != '3'")),
        (unsummed.model_copy(update={"checksum": ""}), classified(0.5)),
    ]
    numbers = [row.notes for row in board(*entries).rows]
    assert numbers == [tuple(sorted(each)) for each in numbers]
    assert (1, 2) in numbers, "the later row says first what is second"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("rank", None, "rank: None stored"),
        ("by_fold.ua.mean_of_folds", 0.99, "by_fold.ua.mean_of_folds: 0.99 stored"),
        ("by_fold.ua", "x" * 99, f"by_fold.ua: {'x' * 40}… stored"),
        ("folds", [{"ua": 1.0}], "the length of folds: 1 stored, 5 recomputed"),
        ("speakers", {}, "speakers: {} stored"),
        ("seeds", 2, "seeds: 2 stored, 1 recomputed"),
    ],
)
def test_any_stored_number_is_compared(place: str, value: object, said: str):
    stored = score(record(), classified(0.5)).to_json()
    *above, last = place.split(".")
    at = stored
    for key in above:
        at = at[key]
    at[last] = value
    shown = board((record(scores=stored), classified(0.5)))
    assert said in shown.notes[0]
    assert shown.rows[0].rank is None


@pytest.mark.parametrize("place", ["", "rank", "by_fold", "by_fold.ua", "by_fold.ua.mean_of_folds"])
def test_a_score_that_is_not_stored_is_a_mismatch_and_not_ranked(place: str, tmp_path: Path):
    stored = score(record(), classified(0.5)).to_json()
    *above, last = place.split(".")
    at = stored
    for key in above:
        at = at[key]
    at.pop(last) if place else at.clear()
    other = record(recipe={"other": 1})
    store.save(record(scores=stored), classified(9.0), tmp_path)
    store.save(scored(other, classified(0.5)), classified(0.5), tmp_path)
    (shown,) = rank(store.read_all(tmp_path).entries)
    assert [row.rank for row in shown.rows] == [1, None]
    assert "stored" in shown.notes[0]


def test_metrics_and_details_of_another_release_are_no_difference():
    stored = score(record(), classified(0.5)).to_json() | {"rank_of_the_future": 1.0}
    del stored["by_fold"]["ua"]["std_over_seeds"]
    assert board((record(scores=stored), classified(0.5))).notes == ()


def test_left_out_utterances_are_named():
    one = LeftOut(utterance="03a01", reason="silent")
    many = tuple(LeftOut(utterance=f"x{i}", reason="empty") for i in range(5))
    shown = board((record(left_out=(one,)), classified(1)), (record(left_out=many), classified(0)))
    assert shown.notes == (
        "1 utterance left out: 03a01 (silent).",
        "5 utterances left out: x0 (empty), x1 (empty), x2 (empty), 2 more.",
    )


def test_weights_trained_on_the_test_corpus_are_marked():
    seen = record(provenance={"id": "x/y", "trained_on": "LibriSpeech, EmoDB"})
    clean = record(provenance={"id": "x/z", "trained_on": "LibriSpeech"})
    shown = board((seen, classified(1.5)), (clean, classified(0.5)))
    assert [row.notes for row in shown.rows] == [(1,), ()]
    assert "trained on the test corpus" in shown.notes[0]


@pytest.mark.parametrize(
    ("corpora", "name", "expected"),
    [
        ("LibriSpeech 960 h; MSP-Podcast 1.11", "msp_podcast", True),
        ("MSP Podcast", "msp_podcast", True),
        ("MSP-IMPROV", "msp_podcast", False),
        ("CREMA-D", "crema_d", True),
        ("cremad+ravdess", "crema_d", True),
        ("Emo-DB (Berlin)", "emodb", True),
        ("IEMOCAP_session1", "iemocap", True),
        ("a democratic corpus", "demo", False),
        ("RAVDESS, EMOtale", "demo", False),
        ("", "emodb", False),
        ("my (own) corpus", "corpus", True),
    ],
)
def test_corpora_are_recognised_however_written(corpora: str, name: str, expected: bool):
    assert mentions(corpora, name) is expected


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("crema_d_to_emodb", "emodb 1, crema_d 1", ["CREMA-D: False", "Emo-DB: True"]),
        ("emodb_and_crema_d", "emodb 1, crema_d 1", ["CREMA-D: True", "Emo-DB: True"]),
        ("2_corpora_to_emodb", "emodb 1, crema_d 1, a 1", ["CREMA-D: False", "Emo-DB: True"]),
        ("a_to_2_corpora", "emodb 1, crema_d 1, a 1", ["CREMA-D: True", "Emo-DB: True"]),
        ("a_to_2_corpora", "b 1, c 1, emodb 1, crema_d 1", ["CREMA-D: False", "Emo-DB: False"]),
        ("emodb", "1", ["CREMA-D: False", "Emo-DB: True"]),
    ],
)
def test_of_several_corpora_those_count_as_heard_that_are_tested(name, version, expected):
    benchmark = BenchmarkRecord(name=name, version=version, synthetic=False, task=EMOTIONS)
    found = [f"{each}: {heard(each, benchmark)}" for each in ("CREMA-D", "Emo-DB")]
    assert found == expected
    for corpora in ("CREMA-D", "Emo-DB"):
        result = record(benchmark=benchmark, provenance={"trained_on": corpora})
        told = board((result, classified(1.5)))
        said = any("trained on the test corpus" in note for note in told.notes)
        assert f"{corpora}: {said}" in expected


def recipe(hidden: object, dropout: float = 0.0, **options: object) -> dict:
    head = {"name": "mlp", "options": {"hidden": hidden, "dropout": dropout}}
    return {"upstream": {"name": "fbank", "options": options}, "downstream": head}


def test_rows_with_equal_labels_say_what_differs():
    mlp = Labels(upstream="fbank", downstream="mlp")
    recipes = [recipe(128), recipe([256, 64]), recipe(128, mels=40)]
    results = [record(labels=mlp, recipe=each) for each in recipes]
    results.append(record(recipe=recipe(1)))
    assert differing(results) == [
        "hidden=128, mels=-",
        "hidden=[256,64], mels=-",
        "hidden=128, mels=40",
        "",
    ]


def test_options_of_the_same_name_are_told_apart():
    mlp = Labels(upstream="fbank", downstream="mlp")
    one, two = recipe(8, name="a"), recipe(8, name="b")
    two["downstream"]["name"] = "mlp2"
    shown = differing([record(labels=mlp, recipe=one), record(labels=mlp, recipe=two)])
    assert shown == [
        "upstream.name=a, downstream.name=mlp",
        "upstream.name=b, downstream.name=mlp2",
    ]


def test_long_values_keep_their_ends():
    paths = [f"/home/somebody/checkpoints/run{i}/weights.safetensors" for i in range(2)]
    shown = differing([record(recipe={"weights": path}) for path in paths])
    assert all(len(text) == len("weights=") + 24 for text in shown)
    assert shown[0].startswith("weights=/home/")


def test_what_heard_the_test_part_has_a_board_of_its_own():
    heard = Adaptation(
        on="all", transductive=True, utterances=120, hours=0.1, unseen="mean", checkpoints=("ab",)
    )
    parts = heard.model_copy(update={"on": "train", "transductive": False})
    inductive, transductive = ranked(
        [
            (record(adaptation=heard), classified(1.5)),
            (record(adaptation=parts), classified(1.0)),
            (record(), classified(0.5)),
        ]
    )
    assert [len(each.rows) for each in (inductive, transductive)] == [2, 1]
    assert transductive.title == f"{inductive.title} · transductive"
    assert transductive.caption[-1].startswith(
        "Transductive: the upstream was adapted to the audio"
    )
    assert not any("Transductive" in sentence for sentence in inductive.caption)
    fused = record(fused_with=(Encoder(adaptation=heard),))
    assert ranked([(fused, classified(1.0))])[0].title.endswith("transductive")


def test_rows_that_were_computed_on_other_versions_are_told_apart():
    made = {"torch": "2.11.0", "device": "cpu AVX2"}
    rows = [
        (record(versions=made | {"torch": torch}, threads={"train": threads}), classified(1.0))
        for torch, threads in (("2.11.0", 1), ("2.11.0", 1), ("2.11.1", 8))
    ]
    told = " ".join(board(*rows[1:]).caption)
    assert "differently: torch 2.11.0 (1), 2.11.1 (1); train threads 1 (1), 8 (1)." in told
    assert "differently" not in " ".join(board(*rows[:2]).caption)


def relabelled(predictions: pd.DataFrame, *utterances: str) -> pd.DataFrame:
    """Return predictions in which the truth of some utterances is what was predicted."""
    wrong = predictions["utterance"].isin(utterances) if utterances else predictions["fold"] != ""
    return predictions.assign(truth=predictions["truth"].mask(wrong, predictions["prediction"]))


def test_a_truth_that_was_made_equal_to_the_prediction_never_meets_the_others():
    plain = classified(0.5)
    changed = relabelled(classified(0.1))
    honest = [
        (record(recipe={"id": "honest"}), plain),
        (record(recipe={"id": "too"}), classified(0.9)),
    ]
    boards = ranked([*honest, (record(recipe={"id": "forged"}), changed)])
    assert sorted(len(each.rows) for each in boards) == [1, 2]
    assert all(len({*each.title.split(" · labels ")}) == 2 for each in boards)
    assert boards[0].title != boards[1].title
    for each in boards:
        said = each.caption[-1]
        assert said.startswith("Not comparable with labels ")
        assert "other labels of 0" in said
        assert "Which side is right cannot be known" in said


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"truth": "sadness"}, "labels", "other labels of 03_04."),
        ({"speaker": "x"}, "speakers", "other speakers of 03_04."),
    ],
)
def test_one_utterance_with_another_label_or_speaker_is_enough(change: dict, kind: str, said: str):
    other = classified(0.5)
    (name, value), row = *change.items(), other["utterance"] == "03_04"
    assert other.loc[row, name].item() != value
    other.loc[row, name] = value
    one, two = ranked([(record(), classified(1)), (record(recipe={"other": 1}), other)])
    assert f" · {kind} " in one.title
    assert one.title != two.title
    assert said in one.caption[-1]
    assert said in two.caption[-1]


def test_ratings_are_compared_up_to_rounding():
    near = rated(0.3)
    near["truth:valence"] += 1e-13
    results = [(record(AFFECT), rated(0.5)), (record(AFFECT, recipe={"other": 1}), near)]
    assert len(board(*results).rows) == 2
    near.loc[5, "truth:valence"] += 1e-3
    assert len(ranked(results)) == 2


def test_other_audio_under_the_same_ids_is_another_board():
    splits = [record().split.model_copy(update={"recordings": name * 8}) for name in ("ab", "cd")]
    results = [
        (record(split=split, recipe={"id": i}), classified(1.0)) for i, split in enumerate(splits)
    ]
    one, two = ranked(results)
    assert one.title.endswith(" · set of audio abababab")
    assert two.title.endswith(" · set of audio cdcdcdcd")
    assert "Not comparable with set of audio cdcdcdcd" in one.caption[-1]
    assert "other audio under the same ids" in one.caption[-1]
    # an older record says nothing of its audio
    assert len(board(results[0], (record(), classified(0.5))).rows) == 2


def test_an_incomplete_result_meets_those_whose_utterances_it_shares():
    partial = classified(0.5).query("fold != '5'")
    other = relabelled(classified(0.1).query("fold != '1'"))
    boards = ranked(
        [
            (record(complete=False), partial),
            (record(), classified(1.0)),
            (record(complete=False, recipe={"other": 1}), other),
        ]
    )
    assert sorted(len(each.rows) for each in boards) == [1, 2]


@pytest.mark.parametrize(
    ("name", "synthetic", "origin", "reason"),
    [
        ("demo", True, "serbench", None),
        ("demo", False, "serbench", "says synthetic: false"),
        ("emodb", True, "serbench", "says synthetic: true"),
        ("demo", True, "file 0123", "is made by other code (file 0123)"),
        ("DEMO", True, "file 0123", "is made by other code (file 0123)"),
        ("my_corpus", False, "file 0123", None),
    ],
)
def test_what_takes_a_built_in_name_is_set_apart(
    name: str, synthetic: bool, origin: str, reason: str | None
):
    plain = record().benchmark
    own = plain.model_copy(update={"name": "demo", "synthetic": True})
    says = plain.model_copy(update={"name": name, "synthetic": synthetic})
    recipe = {"benchmark": {"name": "demo", "origin": origin}}
    boards = ranked(
        [
            (record(benchmark=own), classified(1)),
            (record(benchmark=says, recipe=recipe), classified(2)),
        ]
    )
    foreign = [each for each in boards if "not serbench's own" in each.title]
    assert len(foreign) == (reason is not None)
    for each in foreign:
        assert len(each.rows) == 1
        assert f"serbench's own {name}: it has that name, but {reason}" in each.caption[-1]


def test_a_name_of_a_record_runs_no_code(tmp_path: Path):
    (tmp_path / "demo.py").write_text("raise SystemExit('ran')")
    says = record().benchmark.model_copy(update={"name": str(tmp_path / "demo.py")})
    assert ranked([(record(benchmark=says), classified(1.0))])


def test_a_row_that_can_only_guess_is_marked():
    numbers = {f"score:{label}": 0.25 for label in EMOTIONS.labels}
    guess = classified(1.0).assign(prediction="anger", **numbers)
    shown = board((record(recipe={"id": "guess"}), guess), (record(), classified(0.2)))
    assert [row.notes for row in shown.rows] == [(), (1,)]
    assert shown.notes[0].startswith("At chance by construction")
