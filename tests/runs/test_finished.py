"""Finished trials on disk: whole, or trained once more."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from serbench.leaderboard.record import Fit
from serbench.runs import finished
from serbench.runs.finished import Tables, Trial

TRIAL = Trial(
    Fit(fold="1", seed=0, learning_rate=1e-3, epoch=3, valid_score=0.5),
    Tables(*(pd.DataFrame({"utterance": [name], "truth": [1.5]}) for name in Tables._fields)),
)


@pytest.mark.parametrize("name", ["0000-0000000000.json", "0000-0000000000.tested.parquet"])
def test_a_trial_that_cannot_be_parsed_and_lost_its_checksum_is_none(
    tmp_path: Path, name: str
) -> None:
    told: list[str] = []
    finished.save(tmp_path, 0, 0, TRIAL)
    (tmp_path / f".{name}.sum").unlink()
    found = finished.find(tmp_path, 0, 0, told.append)
    assert found is not None
    assert found.fit == TRIAL.fit
    assert all(map(pd.DataFrame.equals, found.tables, TRIAL.tables))
    assert told == []
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert finished.find(tmp_path, 0, 0, told.append) is None
    assert told == [f"damaged and made anew: trial {file}"]
