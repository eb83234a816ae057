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
    seconds=12.5,
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
    assert (found.fit, found.seconds) == (TRIAL.fit, TRIAL.seconds)
    assert all(map(pd.DataFrame.equals, found.tables, TRIAL.tables))
    assert told == []
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert finished.find(tmp_path, 0, 0, told.append) is None
    assert told == [f"damaged and made anew: trial {file}"]


def test_a_trial_of_an_older_serbench_has_no_time(tmp_path: Path) -> None:
    finished.save(tmp_path, 0, 0, TRIAL)
    file = tmp_path / "0000-0000000000.json"
    (tmp_path / f".{file.name}.sum").unlink()
    file.write_text(TRIAL.fit.model_dump_json())
    found = finished.find(tmp_path, 0, 0, pytest.fail)
    assert found is not None
    assert (found.fit, found.seconds) == (TRIAL.fit, 0)
