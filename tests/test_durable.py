"""Files are there whole, tell if they were damaged, and what cannot be written is told."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from serbench import durable
from serbench.encoders.tensors import keep_tensors, read_tensors
from serbench.errors import SerbenchError

from .damage import HARM


@pytest.mark.parametrize("how", HARM)
def test_a_damaged_file_is_told_and_removed(tmp_path: Path, how: Callable[[Path], None]) -> None:
    path, told = tmp_path / "a.txt", list[str]()
    with durable.kept(path) as fresh:
        fresh.write_text("some words" * 10)
    assert durable.usable(path, "words in", told.append, Path.read_bytes)
    how(path)
    assert not durable.usable(path, "words in", told.append, Path.read_bytes)
    assert told == [f"damaged and made anew: words in {path}"]
    assert list(tmp_path.iterdir()) == []
    assert not durable.usable(path, "words in", told.append, Path.read_bytes), (
        "it is gone, which is no damage"
    )
    assert len(told) == 1


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with durable.kept(path) as fresh:
        fresh.write_bytes(bytes(range(40)))
    for bit in range(8 * 40):
        content = bytearray(range(40))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        assert not durable.intact(path)


def test_the_version_before_is_whole_until_the_next_is_there(tmp_path: Path) -> None:
    """A checksum is noted before its file: a kill between the two loses nothing."""
    path, twin = tmp_path / "a.txt", tmp_path / "twin" / "a.txt"
    for place in (path, twin):
        with durable.kept(place) as fresh:
            fresh.write_text("old")
    with durable.kept(twin) as fresh:
        fresh.write_text("new")
    for sums in twin.parent.glob(".*.sum"):
        sums.replace(tmp_path / sums.name)
    assert durable.intact(path)


def test_what_an_exception_stops_leaves_the_older_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with durable.kept(path) as fresh:
        fresh.write_text("old")
    with pytest.raises(KeyboardInterrupt), durable.kept(path) as fresh:
        fresh.write_text("half of the n")
        raise KeyboardInterrupt
    assert durable.intact(path)
    assert {file.name for file in tmp_path.iterdir()} == {"a.txt", ".a.txt.sum"}


def test_what_the_killed_leave_is_removed_and_what_others_write_is_not(tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "pass"])
    killed.wait()
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    host = socket.gethostname()
    names = [f".a.txt.{host}.{process.pid}.0123abcd" for process in (killed, sleeping)]
    names.append(".a.txt.another-host.1.0123abcd")
    for name in names:
        (tmp_path / name).touch()
    try:
        with durable.replacing(tmp_path / "a.txt") as fresh:
            fresh.write_text("new")
    finally:
        sleeping.kill()
        sleeping.wait()
    assert {file.name for file in tmp_path.iterdir()} == {"a.txt", *names[1:]}


def test_what_a_kill_left_beside_a_whole_file_is_removed(tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "pass"])
    killed.wait()
    path = tmp_path / "index.json"
    with durable.kept(path) as fresh:
        fresh.write_text("{}")
    for name in (path.name, f".{path.name}.sum"):
        (tmp_path / f".{name}.{socket.gethostname()}.{killed.pid}.0123abcd").touch()
    durable.tidy(path)
    assert {file.name for file in tmp_path.iterdir()} == {"index.json", ".index.json.sum"}


def test_what_lost_its_checksum_is_read_if_it_can_be_and_else_made_anew(tmp_path: Path) -> None:
    path, told = tmp_path / "going" / "a.json", list[str]()

    def read(file: Path) -> int:
        return len(json.loads(file.read_text())["words"])

    for harmed in (False, True):
        with durable.kept(path) as fresh:
            fresh.write_text('{"words": [1, 2]}')
        path.with_name(".a.json.sum").unlink()
        if harmed:
            path.write_text('{"words": ')
        assert durable.usable(path, "words in", told.append, read) is not harmed
    path.write_text('{"other": 1}')
    assert not durable.sound(path.parent, "words in", told.append, read)
    assert told == [
        f"damaged and made anew: words in {path}",
        f"damaged and made anew: words in {path.parent} ({path.name})",
    ]
    assert not path.parent.exists()


@pytest.mark.parametrize("name", ["a.json", ".a.json.sum"])
def test_a_folder_in_the_place_of_a_file_is_to_be_deleted(tmp_path: Path, name: str) -> None:
    path, told = tmp_path / "a.json", list[str]()
    with durable.kept(path) as fresh:
        fresh.write_text("{}")
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    said = rf"'{tmp_path / name}': a folder is in its place; delete that folder"
    with pytest.raises(SerbenchError, match=said):
        durable.usable(path, "words in", told.append, Path.read_bytes)
    with pytest.raises(SerbenchError, match=said), durable.kept(path) as fresh:
        fresh.write_text("{}")
    assert told == []


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("how", [*HARM, Path.unlink, _emptied])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "SHA256SUMS"])
def test_harm_to_any_file_of_a_sealed_folder_is_seen(
    tmp_path: Path, name: str, how: Callable[[Path], None]
) -> None:
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_text(file * 9)
    durable.seal(tmp_path)
    assert durable.harm(tmp_path) is None
    how(tmp_path / name)
    assert durable.harm(tmp_path) is not None


def test_what_the_killed_leave_in_a_folder_is_not_sealed(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    name = f".{durable.SUMS}.{socket.gethostname()}.{int(gone.stdout)}.00000000"
    for left in (name, ".tmpA1b2C3"):
        (tmp_path / left).write_text("half of it")
    durable.seal(tmp_path)
    assert durable.harm(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [durable.SUMS, "card.json"]


def test_the_checksums_of_a_folder_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("words")
    durable.seal(tmp_path)
    subprocess.run(["sha256sum", "--check", "--quiet", durable.SUMS], cwd=tmp_path, check=True)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_is_one_sentence_and_keeps_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    keep_tensors(path, {"a": torch.ones(2)})
    with (
        files_of_at_most(4096),
        pytest.raises(SerbenchError, match=r"cannot write '.*a\.safetensors' \(File too large\)"),
    ):
        keep_tensors(path, {"a": torch.zeros(5000)})
    assert durable.intact(path)
    assert torch.equal(read_tensors(path)["a"], torch.ones(2))
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f".{path.name}.sum"}


@pytest.mark.parametrize("place", ["/proc/none", "a file/below"])
def test_a_folder_that_cannot_be_written_is_known_before(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").touch()
    folder = tmp_path / place
    with pytest.raises(SerbenchError, match=r"cannot write '.*' .*give another folder"):
        durable.writable(folder)
    durable.writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_below_the_home_the_remedy_is_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(SerbenchError, match=r"in the way of a folder.*set SERBENCH_HOME to a"):
        durable.writable(tmp_path / "file")
