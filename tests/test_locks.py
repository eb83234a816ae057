"""Locks: whoever has one keeps others out, and a file system that does not is found out."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from serbench.locks import honest, if_free


def test_an_honest_file_system_leaves_nothing(tmp_path: Path) -> None:
    assert honest(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_lock_is_one_handles_alone(tmp_path: Path) -> None:
    with if_free(tmp_path / "a") as first, if_free(tmp_path / "a") as second:
        assert (first, second) == (True, False)
    with if_free(tmp_path / "a") as again:
        assert again


def test_a_file_system_whose_locks_do_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)  # as on a mount with nolock
    assert not honest(tmp_path)
