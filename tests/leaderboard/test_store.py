"""The results folder: what is written is read back, and what is broken is named."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from serbench.errors import SerbenchError
from serbench.leaderboard import beside, reading, store
from serbench.leaderboard.reading import read_voices
from serbench.leaderboard.record import Curve, Fit, LeftOut, Result

from .result_samples import AFFECT, classified, rated, record, rewrite, unsealed


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return the path of a stored result."""
    return store.save(record(), classified(1.5), tmp_path)


def problem(path: Path) -> store.BrokenResultError:
    """Return why a result cannot be loaded; the folder's reading must name it just the same."""
    with pytest.raises(store.BrokenResultError) as caught:
        store.load_result(path)
    shelf = store.read_all(path.parents[1])
    assert shelf.entries == []
    assert str(caught.value) in [str(found) for found in shelf.problems]
    assert str(caught.value).startswith(str(caught.value.path))
    assert caught.value.remedy
    return caught.value


def edit(path: Path, **changes: object) -> None:
    """Change fields of a stored record."""
    rewrite(path, json.loads(path.read_text()) | changes)


def replace_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Put other predictions beside a stored record."""
    predictions.to_parquet(path.with_suffix(".parquet"), index=False)


@pytest.mark.parametrize(
    ("result", "predictions"),
    [
        (record(), classified(1.5)),
        (record(AFFECT, seeds=(0, 1)), rated(0.5, seeds=(0, 1))),
        (record(left_out=(LeftOut(utterance="03_07", reason="silent"),)), classified(0.0)),
    ],
    ids=["emotions", "affect", "left out"],
)
def test_round_trip(result: Result, predictions: pd.DataFrame, tmp_path: Path):
    path = store.save(result, predictions, tmp_path)
    assert path == tmp_path / "emodb" / f"{result.digest}.json"
    read = store.load_result(path)
    assert unsealed(read.result) == result
    pd.testing.assert_frame_equal(read.predictions, predictions, check_dtype=False)
    found = store.find(tmp_path, "emodb", result.digest)
    assert found is not None
    assert unsealed(found.result) == result
    shelf = store.read_all(tmp_path)
    assert [unsealed(entry.result) for entry in shelf.entries] == [result]
    assert shelf.problems == []


def test_a_list_of_numbers_is_one_line_of_the_record(tmp_path: Path):
    curve = Curve(epochs=(1, 2), losses=(0.5, float("nan")), valid_scores=(-0.25, 1e-9))
    fit = Fit(fold="1", seed=0, learning_rate=1e-3, epoch=2, valid_score=0.5, curve=curve)
    result = record(training=(fit,), seeds=(0, 1))
    path = store.save(result, classified(1.5, seeds=(0, 1)), tmp_path)
    lines = {line.strip().rstrip(",") for line in path.read_text().splitlines()}
    assert {'"epochs": [1, 2]', '"valid_scores": [-0.25, 1e-09]', '"seeds": [0, 1]'} <= lines
    assert store.load_result(path).result.training[0].model_dump_json() == fit.model_dump_json()


def test_older_records_say_nothing_of_threads(saved: Path):
    plain = json.loads(saved.read_text())
    del plain["threads"], plain["checksum"]
    saved.write_text(json.dumps(plain))
    found = store.load_result(saved).result
    assert found.checksum == ""
    assert unsealed(found) == record()


def test_what_is_not_there(tmp_path: Path):
    assert store.find(tmp_path, "emodb", "0" * 64) is None
    assert store.read_all(tmp_path / "nowhere") == ([], [])


def test_json_is_made_for_diffs(saved: Path):
    text = saved.read_text()
    plain = json.loads(text)
    a_line_each = json.dumps(plain, indent=2, sort_keys=True) + "\n"
    assert text == re.sub(r"\[\s+(\d+)\s+\]", r"[\1]", a_line_each), "numbers share a line"
    assert '"seeds": [0],' in text
    assert plain["format"] == 1
    assert plain["created"] == "2026-03-01T12:30:05Z"


def test_moments_are_kept_in_utc():
    berlin = timezone(timedelta(hours=2))
    moment = datetime(2026, 7, 1, 1, 30, 0, 999, tzinfo=berlin)
    assert record(created=moment).created.isoformat() == "2026-06-30T23:30:00+00:00"


def test_nan_is_null_on_disk(tmp_path: Path):
    scores = {"ua": float("nan"), "folds": [{"ua": float("inf")}, {"ua": 0.5}]}
    fit = Fit(fold="1", seed=0, learning_rate=1e-3, epoch=1, valid_score=float("nan"))
    path = store.save(record(scores=scores, training=(fit,)), classified(1.5), tmp_path)
    assert json.loads(path.read_text())["training"][0]["valid_score"] is None
    read = store.load_result(path).result
    assert read.scores == {"ua": None, "folds": [{"ua": None}, {"ua": 0.5}]}
    assert math.isnan(read.training[0].valid_score)


def test_records_are_frozen_and_strict():
    with pytest.raises(ValidationError, match="frozen"):
        record().digest = "0" * 64
    with pytest.raises(ValidationError, match="unknown_field"):
        record(unknown_field=1)
    with pytest.raises(ValidationError, match="complete"):
        record(complete="yes")


def test_nothing_else_is_left_in_the_folder(saved: Path):
    store.save(record(), classified(2.5), saved.parents[1])
    assert sorted(saved.parent.iterdir()) == [saved, saved.with_suffix(".parquet")]
    pd.testing.assert_frame_equal(
        store.load_result(saved).predictions, classified(2.5), check_dtype=False
    )


@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
@pytest.mark.parametrize("step", [1, 2], ids=["before the predictions", "between the files"])
def test_a_failure_leaves_no_record_without_its_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, again: bool
):
    if again:
        store.save(record(), classified(1.5), tmp_path)
    real, calls = Path.replace, []

    def interrupted(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == step:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.save(record(), classified(2.5), tmp_path)
    monkeypatch.undo()
    assert [path.suffix for path in (tmp_path / "emodb").iterdir()] in ([], [".parquet"])
    assert store.find(tmp_path, "emodb", record().digest) is None
    again = store.load_result(store.save(record(), classified(2.5), tmp_path))
    assert unsealed(again.result) == record()


def test_a_failing_write_keeps_the_older_result(saved: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SerbenchError, match=r"cannot write .*No space left"):
        store.save(record(), classified(2.5), saved.parents[1])
    pd.testing.assert_frame_equal(
        store.load_result(saved).predictions, classified(1.5), check_dtype=False
    )
    assert len(list(saved.parent.iterdir())) == 2


@pytest.mark.parametrize("end", [".json", ".parquet", ".train.parquet", ".valid.parquet"])
def test_a_folder_in_the_place_of_a_file_is_named_and_nothing_is_lost(saved: Path, end: str):
    place = saved.with_name(f"{saved.stem}{end}")
    if place.exists():
        place.rename(place.with_suffix(".moved"))
    place.mkdir()
    before = {path: path.read_bytes() for path in saved.parent.iterdir() if path.is_file()}
    with pytest.raises(SerbenchError, match=f"'{place}': a folder is in its place; delete that"):
        store.save(record(), classified(2.5), saved.parents[1])
    after = {path: path.read_bytes() for path in saved.parent.iterdir() if path.is_file()}
    assert after == before


def test_a_file_where_the_folder_should_be(tmp_path: Path):
    (tmp_path / "emodb").write_text("")
    with pytest.raises(
        SerbenchError, match=r"cannot write .*emodb.*in the way.*give another folder"
    ):
        store.save(record(), classified(1.5), tmp_path)


def test_predictions_that_do_not_belong_are_not_written(tmp_path: Path):
    with pytest.raises(SerbenchError, match="is not written: the predictions have no column"):
        store.save(record(AFFECT), classified(1.5), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_cut_off_json(saved: Path, share: float):
    text = saved.read_text()
    saved.write_text(text[: int(len(text) * share)])
    assert "is not JSON, perhaps cut off" in problem(saved).reason


def test_json_of_somebody_else(saved: Path):
    saved.write_text('{"accuracy": 0.7}')
    assert problem(saved).reason == "is not a result: it has no format number"
    saved.write_text("[1, 2]")
    assert problem(saved).reason == "is not a result: it has no format number"


def test_other_formats(saved: Path):
    edit(saved, format=2, a_field_of_the_future=1)
    assert "made by a newer serbench; this one reads up to 1" in problem(saved).reason
    assert problem(saved).remedy == "update serbench"
    edit(saved, format=0)
    assert "has format 0" in problem(saved).reason


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"complete": "yes"}, "complete"),
        ({"extra": 1}, "extra"),
        ({"created": "yesterday"}, "created"),
        ({"created": "2026-03-01T12:00:00"}, "created"),
        ({"digest": "XYZ"}, "digest"),
        ({"split": {"hash": "ab", "folds": [{"name": "1"}]}}, "split.folds.0.train"),
    ],
)
def test_a_field_that_is_wrong(saved: Path, changes: dict[str, object], field: str):
    edit(saved, **changes)
    assert f"field '{field}':" in problem(saved).reason


def test_a_field_that_is_missing(saved: Path):
    plain = json.loads(saved.read_text())
    del plain["split"]
    rewrite(saved, plain)
    assert problem(saved).reason == "field 'split': field required"


def test_not_text_and_not_readable(saved: Path):
    saved.write_bytes(b"\xff\xfe\x00")
    assert "is not JSON" in problem(saved).reason
    saved.unlink()
    saved.mkdir()
    assert "cannot be read" in problem(saved).reason


def test_a_name_that_is_not_the_digest(saved: Path):
    for suffix in (".json", ".parquet"):
        saved.with_suffix(suffix).rename(saved.with_name(f"best{suffix}"))
    found = problem(saved.with_name("best.json"))
    assert record().digest in found.reason
    assert found.remedy == f"rename it and its .parquet to {record().digest}"


def test_a_folder_of_another_benchmark(saved: Path):
    moved = saved.parent.rename(saved.parents[1] / "crema_d") / saved.name
    found = problem(moved)
    assert found.reason == "it is a result on 'emodb'"
    assert "into a folder emodb" in found.remedy


def test_missing_predictions(saved: Path):
    saved.with_suffix(".parquet").unlink()
    assert problem(saved).reason == "the predictions of this result are missing"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_cut_off_predictions(saved: Path, share: float):
    table = saved.with_suffix(".parquet")
    whole = table.read_bytes()
    table.write_bytes(whole[: int(len(whole) * share)])
    found = problem(saved)
    assert found.path == table
    assert "is not a whole Parquet file" in found.reason


def test_predictions_for_validation_are_read_back_or_said_to_be_missing(tmp_path: Path):
    path = store.save(record(), classified(1.5), tmp_path)
    with pytest.raises(store.BrokenResultError, match="no predictions for its validation parts"):
        beside.load_part(path, record(), "valid")
    chosen = validated(classified(0.5))
    store.save(record(), classified(1.5), tmp_path, beside.Beside(chosen))
    read = beside.load_part(path, record(), "valid")
    pd.testing.assert_frame_equal(read, chosen, check_dtype=False)
    assert store.read_all(tmp_path).problems == []
    store.save(record(), classified(1.5), tmp_path)
    assert not path.with_suffix(".valid.parquet").exists()


def test_predictions_for_validation_that_do_not_belong(tmp_path: Path):
    with pytest.raises(SerbenchError, match="is not written: fold"):
        store.save(
            record(), classified(1.5), tmp_path, beside.Beside(validated(classified(0.5))[1:])
        )


def validated(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return some rows of predictions, as many a fold and seed as its validation part has."""
    sizes = {fold.name: fold.valid for fold in record().split.folds}
    trials = [rows.head(sizes[fold]) for (fold, _), rows in predictions.groupby(["fold", "seed"])]
    return pd.concat(trials, ignore_index=True)


def test_predictions_without_their_record(saved: Path):
    saved.unlink()
    shelf = store.read_all(saved.parents[1])
    assert shelf.entries == []
    assert [found.path for found in shelf.problems] == [saved.with_suffix(".parquet")]
    assert "without their record" in shelf.problems[0].reason


def test_one_broken_file_does_not_hide_the_others(saved: Path):
    other = record(recipe={"other": True})
    store.save(other, classified(0.5), saved.parents[1])
    saved.write_text("{")
    shelf = store.read_all(saved.parents[1])
    assert [unsealed(entry.result) for entry in shelf.entries] == [other]
    assert [found.path for found in shelf.problems] == [saved]


GOOD = classified(1.5)


@pytest.mark.parametrize(
    ("predictions", "reason"),
    [
        (GOOD.drop(columns="speaker"), "have no column 'speaker'"),
        (GOOD.drop(columns="score:anger"), "have no column 'score:anger'"),
        (GOOD.assign(**{"score:joy": 0.0}), "have a column 'score:joy' that the task does not"),
        (rated(0.5), "have no column 'prediction'"),
        (GOOD.assign(fold=GOOD["fold"].astype(int)), "column 'fold' .* must hold text"),
        (GOOD.assign(truth=GOOD["truth"].mask(GOOD.index == 3)), "'truth' .* has empty entries"),
        (GOOD.iloc[:0], "the predictions have no rows"),
        (GOOD.assign(seed=GOOD["seed"].astype(str)), "'seed' .* must hold numbers"),
        (GOOD.assign(seed=0.0), "'seed' .* must hold whole numbers"),
        (GOOD.assign(**{"score:anger": "high"}), "'score:anger' .* must hold numbers"),
        (GOOD.assign(prediction="joy"), "'prediction' .* has 'joy', no label of the task"),
        (GOOD.iloc[[*range(119), 7]], "'00_07' is predicted twice in fold '1' with seed 0"),
        (GOOD.iloc[1:], "fold '1' with seed 0 has 23 predictions; the part they are for has 24"),
        (GOOD.assign(fold="9"), "fold '9' with seed 0 is predicted, but is not in the record"),
        (GOOD.assign(seed=4), "fold '1' with seed 4 is predicted, but is not in the record"),
        (GOOD[GOOD["fold"] != "5"], "says complete: true, but 4 of 5 folds x seeds are predicted"),
    ],
)
def test_predictions_of_another_result(saved: Path, predictions: pd.DataFrame, reason: str):
    replace_predictions(saved, predictions)
    found = problem(saved)
    assert found.path == saved.with_suffix(".parquet")
    assert re.search(reason, found.reason)


def test_an_incomplete_result_is_sound_if_it_says_so(tmp_path: Path):
    partial = classified(1.5).query("fold != '5'")
    path = store.save(record(complete=False), partial, tmp_path)
    assert store.load_result(path).result.complete is False
    edit(path, complete=True)
    assert "complete: true" in problem(path).reason


def test_a_rating_that_is_missing(tmp_path: Path):
    predictions = rated(0.5)
    path = store.save(record(AFFECT), predictions, tmp_path)
    replace_predictions(path, predictions.assign(**{"truth:valence": float("nan")}))
    assert problem(path).reason == "column 'truth:valence' of the predictions has empty entries"


def test_dimensions_may_be_nan_after_a_failed_training(tmp_path: Path):
    predictions = rated(0.5).assign(**{"prediction:valence": float("nan")})
    path = store.save(record(AFFECT), predictions, tmp_path)
    assert store.load_result(path).predictions["prediction:valence"].isna().all()


def test_voices_of_a_corpus_of_any_size_are_read_and_a_strangers_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reading._WIDEST >= 4 * 4096, "wider than what any head makes of several large encoders"
    monkeypatch.setattr(reading, "_WIDEST", 1000)
    path = tmp_path / "x.voices.parquet"
    two = {"speaker": ["a", "b"], "fold": ["1", "1"], "seed": [0, 0], "clips": [2, 3]}
    pd.DataFrame(two | {"v0": [0.5, 1.0]}).to_parquet(path, index=False)
    assert read_voices(path, 10**7)["v0"].tolist() == [0.5, 1.0]
    with pytest.raises(store.BrokenResultError, match="has 2 rows; its record promises 1"):
        read_voices(path, 1)
    wide = {f"v{number}": [0.0, 0.0] for number in range(1001)}
    pd.DataFrame(two | wide).to_parquet(path, index=False)
    with pytest.raises(store.BrokenResultError, match="have 1005 columns"):
        read_voices(path, 10**7)
