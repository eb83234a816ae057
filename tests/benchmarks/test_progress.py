"""Work on large corpora shows how far it is, to its end."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from serbench.benchmarks import Classification
from serbench.benchmarks.auditing.folds import sound_folds
from serbench.benchmarks.auditing.sharing import shared
from serbench.benchmarks.reading.manifests import segments
from serbench.benchmarks.splitting import protocols
from serbench.progress import Quiet, Silent
from serbench.runs.corpus import in_numbers

SPEAKERS = 6


class Shown(Silent):
    """Counts what each piece of work says that it did."""

    def __init__(self) -> None:
        self.totals: dict[str, float | None] = {}
        self.done: dict[str, float] = {}

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Quiet]:
        """Open a piece of work."""
        self.totals[title], self.done[title] = total, 0

        def advance(amount: float = 1.0) -> None:
            self.done[title] += amount

        step = Quiet()
        step.advance = advance  # type: ignore[method-assign]
        yield step


def test_folds_are_checked_compared_and_hashed_one_by_one() -> None:
    task = Classification(("x", "y"))
    table = pd.DataFrame(
        {
            "utterance": [f"u{i}" for i in range(4 * SPEAKERS)],
            "speaker": [f"s{i // 4}" for i in range(4 * SPEAKERS)],
            "recording": [f"r{i}" for i in range(4 * SPEAKERS)],
            "emotion": ["x", "y"] * 2 * SPEAKERS,
            **dict.fromkeys(("session", "gender", "text")),
        }
    )
    shown = Shown()
    folds, _ = sound_folds(table, protocols.leave_one_speaker_out(), task, shown)
    shared(table, folds, shown)
    in_numbers(table, folds, task, shown)

    assert shown.totals == shown.done
    assert [*shown.done.values()] == [SPEAKERS] * 4


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_manifests_are_read_to_their_last_byte(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cuts{suffix}"
    said = {"id": "", "recording_id": "r", "start": 0, "duration": 1, "speaker": "s"}
    recording = {"id": "r", "sources": [{"source": "r.wav"}]}
    with gzip.open(path, "wt") if suffix.endswith("gz") else path.open("w") as file:
        for i in range(2500):
            cut = {"id": f"c{i}", "start": i, "recording": recording}
            file.write(json.dumps(cut | {"supervisions": [said | {"id": f"s{i}"}]}) + "\n")
    shown = Shown()

    assert len(segments([path], shown)) == 2500
    assert shown.done == {"read manifests": path.stat().st_size} == shown.totals
