"""One tidy frame: every number against someone else's code, and nothing skipped in silence."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import audmetric
import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame
from sklearn.metrics import accuracy_score, f1_score, recall_score

from serbench import load_results
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.leaderboard.export import to_csv
from serbench.leaderboard.record import Adaptation, BenchmarkRecord, Labels, ProtocolRecord

from .result_samples import (
    AFFECT,
    EMOTIONS,
    classified,
    ranked,
    rated,
    record,
    rewrite,
    score,
)

SEEDS = (0, 1)
DIMENSIONS = [f":{name}" for name in AFFECT.dimensions]


def saved(folder: Path, predictions: DataFrame, task: object = EMOTIONS, **changes: object) -> Path:
    return store.save(record(task, **changes), predictions, folder)


def test_classes_are_scored_as_scikit_learn_does(tmp_path: Path):
    predictions = classified(0.8, SEEDS)
    saved(tmp_path, predictions, seeds=SEEDS, scores={"rank": 0.99})
    frame = load_results(tmp_path)
    assert len(frame) == 5 * 2 * 3
    found = frame.set_index(["fold", "seed", "metric"])
    for (fold, seed), rows in predictions.groupby(["fold", "seed"]):
        sides = rows["truth"], rows["prediction"]
        expected = {
            "ua": recall_score(*sides, average="macro"),
            "wa": accuracy_score(*sides),
            "macro_f1": f1_score(*sides, average="macro"),
        }
        for metric, value in expected.items():
            one = found.loc[(fold, seed, metric)]
            assert one["value"] == pytest.approx(value, abs=1e-12)
            assert one["utterances"] == len(rows) == 24


@pytest.mark.parametrize(("by", "prefix", "count"), [("fold", "o_", 5), ("speaker", "", 10)])
def test_dimensions_are_scored_as_audmetric_does(tmp_path: Path, by, prefix, count):
    predictions = rated(0.5, SEEDS)
    saved(tmp_path, predictions, AFFECT, seeds=SEEDS)
    frame = load_results(tmp_path, by=by)
    assert len(frame) == count * 2 * 4
    found = frame.set_index([by, "seed", "metric"])["value"]
    for (name, seed), rows in predictions.groupby([by, "seed"]):
        expected = [
            audmetric.concordance_cc(rows[f"truth{d}"], rows[f"prediction{d}"]) for d in DIMENSIONS
        ]
        values = [found[name, seed, f"{prefix}ccc{d}"] for d in DIMENSIONS]
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)
        assert found[name, seed, f"{prefix}ccc"] == pytest.approx(np.mean(expected), abs=1e-12)


def test_means_of_the_frame_are_the_leaderboard_s(tmp_path: Path):
    result, predictions = record(AFFECT, seeds=SEEDS), rated(0.5, SEEDS)
    store.save(result, predictions, tmp_path)
    scores = score(result, predictions)
    folds = load_results(tmp_path).groupby(["metric", "seed"])["value"].mean()
    people = load_results(tmp_path, by="speaker").groupby(["metric", "seed"])["value"].mean()
    for dimension in ("", *DIMENSIONS):
        overall, own = f"o_ccc{dimension}", f"a_ccc{dimension}"
        assert folds[overall].mean() == pytest.approx(scores.by_fold[overall].mean_of_folds)
        a_ccc = people[f"ccc{dimension}"].mean()
        assert a_ccc == pytest.approx(scores.by_speaker[own].mean_of_speakers)


def test_a_speaker_with_one_utterance_is_there_without_a_ccc(tmp_path: Path):
    predictions = rated(0.5)
    predictions.loc[predictions["utterance"] == "00_00", "speaker"] = "lonely"
    saved(tmp_path, predictions, AFFECT)
    lonely = load_results(tmp_path, by="speaker").query("speaker == 'lonely'")
    assert lonely["utterances"].eq(1).all()
    assert lonely["value"].isna().all()


def test_one_row_is_one_observation(tmp_path: Path):
    saved(tmp_path, classified(1.0, SEEDS), seeds=SEEDS)
    saved(tmp_path, rated(0.5), AFFECT)
    frame = load_results(tmp_path)
    assert not frame.duplicated(["digest", "fold", "seed", "metric"]).any()
    assert frame.index.equals(pd.RangeIndex(len(frame)))
    assert frame[["fold", "seed", "metric", "value"]].notna().all(axis=None)


def test_columns_say_what_a_result_is_as_the_csv_does(tmp_path: Path):
    random = ProtocolRecord(name="random", options={"k": 5}, shares=("speaker", "session"))
    heard = Adaptation(on="train", transductive=False, utterances=9, hours=0.1, checkpoints=("ab",))
    labels = Labels(upstream="papt_hubert", weights="nano", downstream="mlp.small")
    saved(tmp_path, classified(1.0), protocol=random, adaptation=heard, labels=labels)
    frame = load_results(tmp_path)
    entries = store.read_all(tmp_path).entries
    (line,) = csv.DictReader(StringIO(to_csv(ranked(entries))))
    own = ["fold", "seed", "utterances", "metric", "value"]
    said = ["synthetic", "complete", "transductive"]
    for name in frame.columns.drop([*own, *said]):
        assert frame[name].unique().tolist() == [line[name]], name
    assert [frame[name].unique().tolist() for name in said] == [[False], [True], [False]]
    assert [line[name] for name in said] == ["false", "true", "false"]
    assert [*frame.columns[-5:]] == own


def recipe(upstream: str, epochs: int, **options: object) -> dict:
    part = {"name": upstream, "options": options}
    return {"upstream": part, "training": {"epochs": epochs, "learning_rates": [0.1]}}


def test_options_that_set_results_apart_are_columns_with_their_values(tmp_path: Path):
    other = Labels(upstream="mfcc", downstream="mean_pool")
    saved(tmp_path, classified(1.0), recipe=recipe("fbank", 10, mels=80))
    saved(tmp_path, classified(1.0), recipe=recipe("fbank", 20, mels=80))
    saved(tmp_path, classified(1.0), recipe=recipe("mfcc", 30, cepstra=13), labels=other)
    frame = load_results(tmp_path)
    assert {"upstream.mels", "upstream.cepstra", "upstream.name"}.isdisjoint(frame.columns)
    epochs = frame.groupby("digest")["training.epochs"].unique()
    assert sorted(value.tolist() for value in epochs) == [[10], [20], [30]]
    rates = recipe("fbank", 10, mels=40) | {"training": {"epochs": 10, "learning_rates": [0.1, 1]}}
    saved(tmp_path, classified(1.0), recipe=rates)
    frame = load_results(tmp_path)
    assert set(frame["training.learning_rates"]) == {"[0.1]", "[0.1,1]"}
    assert set(frame["upstream.mels"].dropna()) == {40, 80}
    assert frame.loc[frame["upstream"] == "mfcc", "upstream.mels"].isna().all()


def test_results_on_other_folds_are_not_compared_by_options(tmp_path: Path):
    elsewhere = BenchmarkRecord(name="crema_d", version="1", synthetic=False, task=EMOTIONS)
    saved(tmp_path, classified(1.0), recipe=recipe("fbank", 10))
    saved(tmp_path, classified(1.0), recipe=recipe("fbank", 20), benchmark=elsewhere)
    frame = load_results(tmp_path)
    assert "training.epochs" not in frame
    assert load_results(tmp_path, "crema_d")["benchmark"].unique().tolist() == ["crema_d"]


def test_broken_files_are_named_and_the_sound_ones_are_there(tmp_path: Path):
    sound = saved(tmp_path, classified(1.0))
    broken = tmp_path / "emodb" / "0123456789abcdef.json"
    broken.write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*0123456789abcdef\.json: is not JSON"):
        frame = load_results(tmp_path)
    assert frame["digest"].unique().tolist() == [sound.stem]
    edited = json.loads(sound.read_text()) | {"digest": "f" * 64}
    rewrite(sound, edited)
    with (
        pytest.warns(UserWarning, match="it holds the result f"),
        pytest.warns(UserWarning, match="is not JSON"),
        pytest.raises(SerbenchError, match="no results in"),
    ):
        load_results(tmp_path)


def test_nothing_is_an_error(tmp_path: Path):
    with pytest.raises(SerbenchError, match=r"no results in '.*'; `serbench run` makes them"):
        load_results(tmp_path)
    saved(tmp_path, classified(1.0))
    with pytest.raises(SerbenchError, match="no results of demo in"):
        load_results(tmp_path, "demo")
    with pytest.raises(SerbenchError, match="did you mean 'speaker'"):
        load_results(tmp_path, by="speakers")  # type: ignore[arg-type]
