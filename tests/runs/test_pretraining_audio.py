"""A benchmark's audio as something to train encoders on."""

from __future__ import annotations

import pandas as pd
import pytest

from serbench.encoders.pretraining.audio import Audio
from serbench.errors import SerbenchError
from serbench.runs import recipe
from serbench.runs.pretraining_audio import benchmark_audio, recordings_of


def test_all_utterances_of_a_benchmark_are_taken() -> None:
    collection = benchmark_audio("demo", None)
    benchmark = recipe.make_benchmark(recipe.resolve_data({"benchmark": "demo"})[0])
    table = benchmark.read(None)
    assert [str(r.path) for r in collection.recordings] == table["path"].tolist()
    assert [r.speaker for r in collection.recordings] == table["speaker"].tolist()
    assert collection.licence == benchmark.licence
    assert Audio(collection.recordings).hours > 0


def test_segments_of_files_keep_their_times() -> None:
    nan = float("nan")
    table = pd.DataFrame(
        {
            "path": ["a.wav", "b.wav"],
            "speaker": ["x", "y"],
            "start": [1.5, nan],
            "end": [2.5, nan],
        }
    )
    first, second = recordings_of(table)
    assert (first.start, first.end, first.speaker) == (1.5, 2.5, "x")
    assert second.start == 0.0
    assert second.end != second.end
    assert [each.digest for each in recordings_of(table.assign(recording=["c", "d"]))] == ["c", "d"]


def test_a_corpus_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(SerbenchError):
        benchmark_audio("emodb", tmp_path)
