"""A stored result is shown for the data that it was computed from, and for no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from serbench.errors import SerbenchError
from serbench.leaderboard import beside, store
from serbench.leaderboard.reading import read_record

from .changing import RATE, Listening, Moods


@pytest.fixture
def moods(tmp_path: Path) -> Moods:
    """Return a small corpus with ratings."""
    return Moods(tmp_path)


def replace_audio(moods: Moods) -> None:
    """Make every recording noise."""
    rng = np.random.default_rng(1)
    for path in moods.root.glob("*.wav"):
        soundfile.write(path, rng.normal(0, 0.1, RATE // 2), RATE)


def shuffle_audio(moods: Moods) -> None:
    """Give two utterances of a speaker each other's recordings: the set of audio stays."""
    first, second = moods.root / "0.wav", moods.root / "6.wav"
    other = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(other)


def change(column: str, row: int, value: Any) -> Callable[[Moods], None]:
    """Return what changes one cell of the table."""

    def changing(moods: Moods) -> None:
        table = moods.table()
        table.loc[row, column] = value
        moods.write(table)

    return changing


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (replace_audio, "not the same audio."),
        (shuffle_audio, "not the same audio."),
        (change("valence", 3, 1.5), "not the same labels."),
        (change("speaker", 0, "s1"), "not the same speakers and folds."),
        (change("text", 2, "other words"), "not the same transcripts."),
        (change("utterance", 5, "another"), "not the same utterances."),
    ],
)
def test_a_result_is_not_shown_for_other_data(
    moods: Moods, alter: Callable[[Moods], None], named: str
) -> None:
    before = moods.run()
    held = before.path.read_bytes(), before.path.with_suffix(".parquet").read_bytes()
    alter(moods)
    with pytest.raises(SerbenchError) as refused:
        moods.run()
    assert named in str(refused.value)
    assert "--overwrite always" in str(refused.value)
    assert held == (before.path.read_bytes(), before.path.with_suffix(".parquet").read_bytes())
    elsewhere = moods.run(results=moods.results.with_name("elsewhere"))
    assert elsewhere.result.digest == before.result.digest
    assert elsewhere.result.split != before.result.split


def test_a_result_is_shown_for_the_same_data_alone_where_they_are(moods: Moods) -> None:
    before, listening = moods.run(), Listening()
    again = moods.run(progress=listening)
    assert again.result == before.result
    assert listening.heard("on the same data")
    with pytest.raises(SerbenchError, match="moods"):
        moods.run(data=moods.data.with_name("nothing"))


def test_a_finished_result_is_read_once(moods: Moods, monkeypatch: pytest.MonkeyPatch) -> None:
    moods.run()
    read: list[Path] = []
    monkeypatch.setattr(store, "read_record", lambda path: read.append(path) or read_record(path))
    for overwrite in ("only-missing", "never"):
        read.clear()
        moods.run(overwrite=overwrite)
        assert len(read) == 1


def test_only_a_look_up_shows_a_result_without_its_corpus_and_says_so(moods: Moods) -> None:
    before, listening = moods.run(), Listening()
    replace_audio(moods)
    gone = moods.data.with_name("nothing")
    found = moods.run(data=gone, overwrite="never", progress=listening)
    assert found.result == before.result
    assert listening.heard("nobody looked at the corpus")


def test_a_new_version_of_the_benchmark_is_other_data(moods: Moods) -> None:
    stored = moods.run()
    rewrite(stored.path, lambda record: record["benchmark"].update(version="0"))
    with pytest.raises(SerbenchError, match=r"version 0 of the benchmark \(now 1\)"):
        moods.run()


def rewrite(path: Path, alter: Callable[[dict[str, Any]], None]) -> None:
    """Change the record of a result as another serbench might have written it."""
    record = json.loads(path.read_text())
    del record["checksum"]
    alter(record)
    path.write_text(json.dumps(record))


def test_an_older_record_is_compared_by_what_it_tells(moods: Moods) -> None:
    def older(record: dict[str, Any]) -> None:
        for key in ("ids", "audio", "speakers", "labels", "texts"):
            del record["split"][key]
        for fold in record["split"]["folds"]:
            del fold["truths"]

    stored, listening = moods.run(), Listening()
    rewrite(stored.path, older)
    shown = moods.run(progress=listening)
    assert shown.result.created == stored.result.created
    assert listening.heard("does not say of which labels, speakers, transcripts: not compared")
    replace_audio(moods)
    with pytest.raises(SerbenchError, match="not the same audio"):
        moods.run()


def test_an_incomplete_result_goes_on(moods: Moods) -> None:
    stored, listening = moods.run(), Listening()
    last = stored.result.split.folds[-1].name
    kept = moods.predictions(stored)
    rewrite(stored.path, lambda record: record.update(complete=False))
    table = stored.path.with_suffix(".parquet")
    kept[kept["fold"] != last].to_parquet(table, index=False)
    again = moods.run(progress=listening)
    assert listening.heard("incomplete; the run goes on")
    assert again.result.complete
    assert moods.predictions(again).equals(kept)


def test_the_truths_of_each_part_are_those_of_the_predictions(moods: Moods) -> None:
    from serbench.digests import digest_rows, rows_of

    outcome = moods.run()
    tables = {
        "test": moods.predictions(outcome),
        "valid": beside.load_part(outcome.path, outcome.result, "valid"),
    }
    for part, table in tables.items():
        for fold in outcome.result.split.folds:
            rows = table[table["fold"] == fold.name]
            columns = [rows[name] for name in ("utterance", "speaker", "truth:valence")]
            assert digest_rows(rows_of(*columns)) == fold.truths[part]
            columns[2] = columns[2] + 1e-9
            assert digest_rows(rows_of(*columns)) != fold.truths[part]


def test_again_uses_no_stored_features(moods: Moods, monkeypatch: pytest.MonkeyPatch) -> None:
    home = moods.data.parent / "home"
    monkeypatch.setenv("SERBENCH_HOME", str(home))
    first = moods.predictions(moods.run())
    (shard,) = home.glob("features/*/00000.npy")
    np.save(shard, np.zeros_like(np.load(shard)))
    again = moods.predictions(moods.run(overwrite="always"))
    assert again.equals(first)
