"""All scores of a run, against loops over audmetric and scikit-learn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serbench.benchmarks import Classification, Regression
from serbench.errors import SerbenchError
from serbench.scoring.metrics import a_ccc
from serbench.scoring.scores import score

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((FOLDER / "metrics.json").read_text())
CLASSES = Classification(("neutral", "happy", "angry", "sad"))
DIMENSIONS = Regression(("arousal", "valence"), 1, 7)


@pytest.fixture
def classes() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "metrics_classes.csv")


@pytest.fixture
def dimensions() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "metrics_dimensions.csv")


@pytest.mark.parametrize("metric", ["wa", "ua", "macro_f1"])
def test_scores_of_classes(classes: pd.DataFrame, metric: str) -> None:
    scores = score(CLASSES, classes)
    _compare(scores.by_fold[metric], scores.by_speaker[f"a_{metric}"], GOLDEN["classes"][metric])
    assert scores.rank_name == "ua"
    assert scores.rank == scores.by_fold["ua"].mean_of_folds
    assert scores.by_speaker["a_ua"].speakers == 5
    assert scores.by_speaker["a_ua"].left_out == 0


@pytest.mark.parametrize("dimension", ["", ":arousal", ":valence"])
def test_scores_of_dimensions(dimensions: pd.DataFrame, dimension: str) -> None:
    scores = score(DIMENSIONS, dimensions)
    expected = GOLDEN["dimensions"][f"ccc{dimension}"]
    _compare(scores.by_fold[f"o_ccc{dimension}"], scores.by_speaker[f"a_ccc{dimension}"], expected)
    assert scores.rank_name == "o_ccc"
    assert scores.rank == scores.by_fold["o_ccc"].mean_of_folds
    assert scores.by_speaker["a_ccc"].speakers == 4
    assert scores.by_speaker["a_ccc"].left_out == 1
    assert scores.undefined == ()


def _compare(by_fold: object, by_speaker: object, expected: dict[str, float]) -> None:
    found = vars(by_fold) | {"speaker_std_over_seeds": vars(by_speaker)["std_over_seeds"]}
    found |= {k: v for k, v in vars(by_speaker).items() if k.endswith("speakers") and "_" in k}
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_ccc_of_scores_is_that_of_the_metric(dimensions: pd.DataFrame) -> None:
    one_seed = dimensions[dimensions.seed == 1]
    columns = [one_seed[f"{side}:valence"] for side in ("truth", "prediction")]
    for minimum in (2, 10):
        scores = score(replace(DIMENSIONS, min_utterances=minimum), one_seed)
        summary = scores.by_speaker["a_ccc:valence"]
        direct = a_ccc(*columns, one_seed["speaker"], min_utterances=minimum)
        assert summary.mean_of_speakers == pytest.approx(direct.mean, abs=1e-12)
        assert summary.std_over_speakers == pytest.approx(direct.std, abs=1e-12)
        assert summary.left_out == direct.left_out
        table = scores.speakers.set_index("speaker")["ccc:valence"]
        assert table[list(direct.speakers)].to_dict() == pytest.approx(dict(direct.speakers))


def test_tables_have_a_row_for_each_cell_and_each_speaker(dimensions: pd.DataFrame) -> None:
    scores = score(DIMENSIONS, dimensions)
    assert scores.folds[["fold", "seed", "utterances"]].values.tolist() == [
        ["a", 0, 16],
        ["b", 0, 11],
        ["c", 0, 13],
        ["a", 1, 16],
        ["b", 1, 11],
        ["c", 1, 13],
    ]
    sizes = {"s1": 9, "s2": 7, "s3": 11, "s4": 12, "s5": 1}
    assert (
        dict(zip(scores.speakers["speaker"], scores.speakers["utterances"], strict=True)) == sizes
    )
    assert scores.speakers.set_index("speaker")["ccc"].isna().to_dict() == {
        name: name == "s5" for name in sizes
    }
    assert scores.seeds == 2


def test_order_of_rows_does_not_matter(classes: pd.DataFrame) -> None:
    shuffled = classes.iloc[np.random.default_rng(3).permutation(len(classes))]
    one, other = score(CLASSES, classes), score(CLASSES, shuffled)
    for name, summary in one.by_fold.items():
        assert vars(other.by_fold[name]) == pytest.approx(vars(summary), abs=1e-12)


def test_an_undefined_value_is_named_and_reaches_every_average_it_enters(
    dimensions: pd.DataFrame,
) -> None:
    bad = (dimensions.utterance == "s3_04") & (dimensions.seed == 1)
    dimensions.loc[bad, "prediction:valence"] = np.nan
    scores = score(DIMENSIONS, dimensions)
    assert scores.undefined == (
        "fold b, seed 1: o_ccc:valence, o_ccc",
        "speaker s3, seed 1: ccc:valence, ccc",
    )
    assert np.isnan(scores.rank)
    assert all(np.isnan(list(vars(scores.by_fold["o_ccc:valence"]).values())))
    assert np.isnan(scores.by_speaker["a_ccc:valence"].mean_of_speakers)
    assert np.isfinite(list(vars(scores.by_fold["o_ccc:arousal"]).values())).all()
    assert scores.to_json()["rank"] is None


def test_no_speaker_that_counts_is_undefined_and_counted(dimensions: pd.DataFrame) -> None:
    summary = score(replace(DIMENSIONS, min_utterances=99), dimensions).by_speaker["a_ccc"]
    assert np.isnan(summary.mean_of_speakers)
    assert (summary.speakers, summary.left_out) == (0, 5)


def test_json_holds_all_of_it(dimensions: pd.DataFrame) -> None:
    scores = score(DIMENSIONS, dimensions)
    plain = scores.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["by_fold"]["o_ccc"] == vars(scores.by_fold["o_ccc"])
    assert len(plain["folds"]) == 6
    assert plain["speakers"][4]["ccc"] is None
    assert plain["rank"] == scores.rank


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="speaker"), "no speaker"),
        (lambda t: t.iloc[:0], "no rows"),
        (
            lambda t: pd.concat([t, t.iloc[:1]]),
            "'s1_00' is predicted twice in fold 'a'",
        ),
        (lambda t: t.assign(prediction=t.prediction.where(t.index > 0)), "'prediction' .* empty"),
        (lambda t: t.assign(speaker=t.speaker.where(t.index > 0)), "'speaker' .* empty"),
        (lambda t: t.assign(truth="sadd"), "no label 'sadd'; did you mean 'sad'"),
    ],
)
def test_bad_predictions_are_refused(classes: pd.DataFrame, spoil: object, message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        score(CLASSES, spoil(classes))


def test_a_minimum_of_one_utterance_is_refused() -> None:
    assert "min_utterances is 1" in next(replace(DIMENSIONS, min_utterances=1).faults())


def test_speakers_whose_ratings_are_all_equal_are_counted(dimensions: pd.DataFrame) -> None:
    assert score(DIMENSIONS, dimensions).by_speaker["a_ccc"].constant == 0
    dimensions.loc[dimensions.speaker == "s1", "truth:valence"] = 0.1 + 0.2
    dimensions.loc[dimensions.speaker == "s2", "truth:arousal"] = 0.3
    found = score(DIMENSIONS, dimensions).by_speaker
    counts = {name: found[name].constant for name in ("a_ccc", "a_ccc:valence", "a_ccc:arousal")}
    assert counts == {"a_ccc": 2, "a_ccc:valence": 1, "a_ccc:arousal": 1}, "one clip is no series"


def test_who_has_one_rating_and_just_that_predicted_is_in_no_average(
    dimensions: pd.DataFrame,
) -> None:
    """His CCC is 0 / 0 with one seed and 0 with the other; of the others, as without him."""
    own = dimensions.speaker == "s1"
    dimensions.loc[own, "truth:valence"] = 3.1
    dimensions.loc[own & (dimensions.seed == 1), "prediction:valence"] = 3.1
    scores = score(DIMENSIONS, dimensions)
    without = score(DIMENSIONS, dimensions[~own]).by_speaker
    for name in ("a_ccc:valence", "a_ccc"):
        found = scores.by_speaker[name]
        assert found == replace(without[name], constant=1, undefined=("s1",))
        assert (found.speakers, found.left_out) == (3, 1)
        assert np.isfinite(found.mean_of_speakers)
        assert {*scores.averaged(name)["speaker"]} == {"s2", "s3", "s4"}
    assert scores.by_speaker["a_ccc:arousal"].speakers == 4
    assert scores.by_speaker["a_ccc:arousal"].undefined == ()
    assert scores.undefined == ()
    plain = scores.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_a_prediction_that_is_no_number_is_not_taken_for_a_perfect_one(
    dimensions: pd.DataFrame,
) -> None:
    own = dimensions.speaker == "s1"
    dimensions.loc[own, "truth:valence"] = dimensions.loc[own, "prediction:valence"] = 3.1
    dimensions.loc[dimensions.utterance == "s1_00", "prediction:arousal"] = np.nan
    found = score(DIMENSIONS, dimensions).by_speaker
    assert np.isfinite(found["a_ccc:valence"].mean_of_speakers)
    assert np.isnan(found["a_ccc"].mean_of_speakers)
    dimensions.loc[dimensions.utterance == "s1_00", "prediction:valence"] = np.nan
    assert np.isnan(score(DIMENSIONS, dimensions).by_speaker["a_ccc:valence"].mean_of_speakers)
