"""A stopped run goes on where it was only if nothing that decides its numbers has changed."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serbench import devices
from serbench.home import home
from serbench.progress import Step
from serbench.runs import finished

from .changing import Listening, Moods

FIRST = ("fold 1, seed 0", "fold 2, seed 0")


class Stopping(Listening):
    """Interrupts a run once two of its folds are finished."""

    def tell(self, text: str) -> None:
        """Keep a line."""
        super().tell(text)
        if text.startswith(FIRST[-1]):
            raise KeyboardInterrupt


class Counting(Listening):
    """Counts the epochs that are trained, not those that are found."""

    epochs = 0

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Step]:
        """Open a piece of work."""
        with super().step(title, total) as quiet:
            yield _Counted(self) if title == "train" else quiet


class _Counted:
    def __init__(self, owner: Counting) -> None:
        self.owner = owner

    def advance(self, amount: float = 1.0) -> None:
        self.owner.epochs += amount == 1

    def note(self, text: str) -> None:
        """Say nothing."""


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moods:
    """Return a corpus whose run was stopped after two of three folds."""
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    moods, stopping = Moods(tmp_path), Stopping()
    with pytest.raises(KeyboardInterrupt):
        moods.run(progress=stopping)
    assert stopping.heard(FIRST[0])
    return moods


def test_the_same_run_goes_on_with_the_last_fold(stopped: Moods) -> None:
    counting = Counting()
    stopped.run(progress=counting)
    assert counting.epochs == 2, "one fold of two epochs"
    assert not counting.heard("computed anew")


def test_what_folds_took_before_is_in_the_time_of_training(stopped: Moods) -> None:
    [state] = (home() / "runs").iterdir()
    first = finished.find(state, 0, 0, pytest.fail)
    assert first is not None
    finished.save(state, 0, 0, first._replace(seconds=5000.0))
    outcome = stopped.run(progress=Counting())
    assert 5000 < outcome.result.seconds["train"] < 5100


def test_no_fold_keeps_ratings_from_before_they_changed(stopped: Moods) -> None:
    table = stopped.table()
    table["valence"] = 6 - table["valence"]
    stopped.write(table)
    counting = Counting()
    outcome = stopped.run(progress=counting)
    assert counting.epochs == 3 * 2
    assert counting.heard("all folds are computed anew")
    found = stopped.predictions(outcome).set_index("utterance")["truth:valence"]
    assert found.to_dict() == table.set_index("utterance")["valence"].to_dict()
    elsewhere = stopped.results.with_name("elsewhere")
    whole = stopped.run(results=elsewhere, overwrite="always")
    assert stopped.predictions(outcome).equals(stopped.predictions(whole))


def speak_otherwise(moods: Moods, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the speakers otherwise, in the same order, so that the folds stay."""
    table = moods.table()
    moods.write(table.assign(speaker="t" + table["speaker"]))


def update_torch(moods: Moods, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that torch is a newer one."""
    known = devices.versions()
    monkeypatch.setattr(devices, "versions", lambda: known | {"torch": "2.99"})


@pytest.mark.parametrize("alter", [speak_otherwise, update_torch])
def test_trials_of_other_speakers_or_versions_are_not_taken(
    stopped: Moods, alter: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alter(stopped, monkeypatch)
    counting = Counting()
    stopped.run(progress=counting)
    assert counting.epochs == 3 * 2
    assert counting.heard("all folds are computed anew")


def test_trials_on_other_threads_are_not_mixed(stopped: Moods) -> None:
    counting = Counting()
    outcome = stopped.run(progress=counting, threads=2)
    assert counting.epochs == 3 * 2
    assert counting.heard("another device or other threads: all folds are computed anew")
    assert outcome.result.threads["train"] == 2


def test_trials_of_another_processor_are_not_mixed(
    stopped: Moods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "described", lambda _: "cpu x86_64 OTHER")
    counting = Counting()
    stopped.run(progress=counting)
    assert counting.epochs == 3 * 2


def test_locks_that_do_nothing_are_told_before_the_work(
    stopped: Moods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)  # as on a mount with nolock
    counting = Counting()
    stopped.run(progress=counting)
    assert counting.heard("gives one lock to two at once; run one process at a time")
