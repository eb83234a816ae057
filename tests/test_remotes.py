"""Results and what is made once, at a URL: memory:// within a process, file:// between two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from serbench import remotes
from serbench.durable import SUMS, harm, seal
from serbench.errors import SerbenchError
from serbench.leaderboard.store import read_all, save
from serbench.remotes import ADDED

from .leaderboard.result_samples import classified, record

URL = "memory://lab/results"


@pytest.fixture(autouse=True)
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what goes to another machine: one with a home of its own."""

    def go(name: str) -> Path:
        monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / name))
        return tmp_path / name

    return go


@pytest.fixture
def save_here_alone(memory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return what saves a result while the URL cannot be reached, and returns its record."""

    def saved(predictions: pd.DataFrame, folder: Path) -> Path:
        with monkeypatch.context() as patch:
            patch.setattr(type(memory), "put_file", lambda *_: 1 / 0)
            with pytest.raises(SerbenchError, match="kept on this machine"):
                save(record(), predictions, folder)
        (path,) = folder.glob("*/*.json")
        return path

    return saved


def test_a_result_is_on_the_board_of_every_machine_that_names_the_url(at) -> None:
    at("first")
    save(record(), classified(1.0), remotes.results_folder(URL))
    at("second")
    (entry,) = read_all(remotes.results_folder(URL)).entries
    assert entry.result.digest == record().digest


def test_what_is_being_written_is_not_put_there(at, memory) -> None:
    at("first")
    path = save(record(), classified(1.0), remotes.results_folder(URL))
    path.with_name(f".{path.name}.host.7.abc").write_text("half of a rec")
    path.parents[1].joinpath(".sweep-1").touch()
    remotes.results_folder(URL)
    assert sorted(Path(name).name for name in memory.find("/lab/results")) == sorted(
        (path.name, path.with_suffix(".parquet").name)
    )


def test_a_result_that_was_computed_anew_takes_the_place_of_the_old_one(at) -> None:
    at("first")
    first = remotes.results_folder(URL)
    path = save(record(), classified(1.0), first)
    path.with_suffix(".old.parquet").write_bytes(b"of an older serbench")
    remotes.publish(path)
    at("second")
    second = remotes.results_folder(URL)
    save(record(), classified(3.0), second)
    at("first")
    (entry,) = read_all(remotes.results_folder(URL)).entries
    assert entry.predictions.equals(read_all(second).entries[0].predictions)
    assert not path.with_suffix(".old.parquet").exists()


def test_what_is_not_there_any_more_is_kept_told_and_put_there_again(at, memory) -> None:
    at("first")
    folder = remotes.results_folder(URL)
    path = save(record(), classified(1.0), folder)
    there = dict(memory.store)
    memory.store.clear()  # an emptied bucket, a folder that is not mounted
    told: list[str] = []
    remotes.results_folder(URL, told.append)
    assert len(told) == 1
    assert f"{len(there)} files of results are not at '{URL}' any more" in told[0]
    assert read_all(folder).entries
    assert memory.store.keys() == there.keys()
    lost = next(name for name in there if name.endswith(f"{path.stem}.parquet"))
    memory.rm(lost)
    remotes.results_folder(URL, told.append)
    assert lost in memory.store
    assert read_all(folder).entries
    remotes.results_folder(URL, told.append)
    assert len(told) == 2


def test_what_could_not_be_put_there_goes_with_the_next_command(at, memory, monkeypatch) -> None:
    at("first")
    folder = remotes.results_folder(URL)

    def refuse(*_: object) -> None:
        raise ConnectionError("no route")

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "put_file", refuse)
        with pytest.raises(SerbenchError, match=r"no route.*kept on this machine"):
            save(record(), classified(1.0), folder)
    assert not memory.store
    remotes.results_folder(URL)
    assert any(name.endswith(f"{record().digest}.json") for name in memory.store)


def test_what_could_not_be_put_there_is_not_lost_to_what_came_there_meanwhile(
    at, save_here_alone
) -> None:
    at("first")
    folder = remotes.results_folder(URL)
    save_here_alone(classified(1.0), folder)
    (own,) = read_all(folder).entries
    at("second")
    other = save(record(), classified(3.0), remotes.results_folder(URL))
    other.with_suffix(ADDED).write_text("verified\n")
    remotes.publish(other)
    at("first")
    for _ in range(2):
        (entry,) = read_all(remotes.results_folder(URL)).entries
        assert entry.predictions.equals(own.predictions)
    at("third")
    theirs = remotes.results_folder(URL)
    assert read_all(theirs).entries[0].predictions.equals(own.predictions)
    assert not [*theirs.rglob(f"*{ADDED}")], "it is a run, and was not sent in"


def test_a_run_takes_the_place_of_what_was_sent_in_while_it_went_on(at) -> None:
    at("first")
    folder = remotes.results_folder(URL)
    at("second")
    other = save(record(), classified(3.0), remotes.results_folder(URL))
    other.with_suffix(ADDED).write_text("verified\n")
    remotes.publish(other)
    at("first")
    save(record(), classified(1.0), folder)
    (own,) = read_all(folder).entries
    for machine in ("first", "second"):
        at(machine)
        here = remotes.results_folder(URL)
        assert read_all(here).entries[0].predictions.equals(own.predictions)
        assert not [*here.rglob(f"*{ADDED}")]


@pytest.mark.parametrize("skill", [1.0, 3.0])
def test_what_was_sent_in_and_could_not_be_put_there_takes_no_place_of_a_run(
    at, save_here_alone, skill: float
) -> None:
    at("second")
    theirs = remotes.results_folder(URL)
    other = save_here_alone(classified(skill), theirs)
    other.with_suffix(ADDED).write_text("verified\n")
    other.with_suffix(".voices.parquet").write_text("theirs")
    at("first")
    save(record(), classified(1.0), remotes.results_folder(URL))
    (own,) = read_all(remotes.results_folder(URL)).entries
    for machine in ("second", "first", "third"):
        at(machine)
        here = remotes.results_folder(URL)
        (entry,) = read_all(here).entries
        assert entry.predictions.equals(own.predictions)
        assert not [*here.rglob(f"*{ADDED}")], "it is a run, and was not sent in"


def test_a_record_comes_last_so_that_none_is_without_its_predictions(at, memory, monkeypatch):
    put: list[str] = []
    real = type(memory).put_file

    def noted(self, here: str, there: str, **more: object) -> None:
        put.append(there)
        real(self, here, there, **more)

    monkeypatch.setattr(type(memory), "put_file", noted)
    at("first")
    save(record(), classified(1.0), remotes.results_folder(URL))
    assert put[-1].endswith(".json")
    assert len(put) > 1


def test_what_is_made_once_is_fetched_elsewhere_whole_or_not_at_all(at, memory, monkeypatch):
    monkeypatch.setenv(remotes.SHARED, "memory://lab/store")
    told: list[str] = []
    folder = at("first") / "checkpoints" / "abc"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    seal(folder)
    remotes.share(folder, told.append)
    other = at("second") / "checkpoints" / "abc"
    assert remotes.fetch(other, SUMS, told.append)
    assert harm(other) is None
    memory.rm(f"/lab/store/checkpoints/abc/{SUMS}")
    third = at("third") / "checkpoints" / "abc"
    assert not remotes.fetch(third, SUMS, told.append)
    assert not third.exists()
    assert told == ["fetched from memory://lab/store/checkpoints/abc"]


@pytest.mark.parametrize("url", ["s3://lab/results", "nonsense://lab"])
def test_a_url_that_nothing_here_knows_is_one_sentence(at, url: str) -> None:
    at("first")
    with pytest.raises(SerbenchError, match=f"'{url}' cannot be reached"):
        remotes.results_folder(url)


@pytest.mark.parametrize("url", ["s3://lab/results", "nonsense://lab", "file://lab/results"])
def test_of_a_url_that_is_of_no_use_nothing_is_left_and_nothing_is_said_to_be_kept(
    at, url: str
) -> None:
    home = at("first")
    with pytest.raises(SerbenchError, match=f"'{url}'") as caught:
        remotes.results_folder(url)
    assert "is kept" not in str(caught.value)
    assert not home.exists()


def test_a_url_that_answers_no_more_is_told_with_the_folder_that_is_like_it(
    at, memory, monkeypatch
) -> None:
    at("first")
    folder = remotes.results_folder(URL)

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(type(memory), "find", refuse)
    with pytest.raises(SerbenchError) as caught:
        remotes.results_folder(URL)
    assert str(caught.value) == (
        f"'{URL}' cannot be reached (ConnectionError: no route); give --results a URL that can "
        f"be, or a folder of this machine, such as '{folder}', which has what was there last"
    )


@pytest.mark.parametrize("given", ["", "file:results", "local:results"])
def test_what_is_neither_a_folder_nor_a_url_is_refused(given: str) -> None:
    with pytest.raises(SerbenchError, match="is no folder; give its path, or a URL such as file:"):
        remotes.results_folder(given)


@pytest.mark.parametrize("url", ["file://rel/x", "local://rel/x", "rel/x"])
def test_a_relative_url_is_refused_with_the_whole_one(
    at, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("first")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(remotes.SHARED, url)
    scheme = url.split("://")[0] if ":" in url else "file"
    with pytest.raises(SerbenchError) as caught:
        remotes.check_store()
    whole = f"{scheme}://{tmp_path}/rel/x"
    assert str(caught.value) == f"'{url}' is relative; write the path in full, such as '{whole}'"
    monkeypatch.setenv(remotes.SHARED, whole)
    remotes.check_store()
    assert not (tmp_path / "rel").exists()


@pytest.mark.parametrize("act", ["put_file", "rm_file"])
def test_a_url_that_takes_no_file_is_refused_and_a_trial_leaves_none(
    at, memory, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    at("first")
    folder = remotes.results_folder(URL)
    monkeypatch.setenv(remotes.SHARED, "memory://lab/store")
    remotes.check_urls(folder)
    assert not memory.store

    def refuse(_: object, path: str, *there: str) -> None:
        raise PermissionError(13, "Permission denied", "/a/bucket")

    monkeypatch.setattr(type(memory), act, refuse)
    said = r"cannot be used \(Permission denied\); give .* a URL that can be, or"
    with pytest.raises(SerbenchError, match=f"'{URL}' {said} a folder of this machine"):
        remotes.check_urls(folder)
    with pytest.raises(SerbenchError, match=f"'memory://lab/store' {said} unset it"):
        remotes.check_store()


def test_what_a_store_does_not_take_is_told_in_equal_words(at, memory, monkeypatch) -> None:
    monkeypatch.setenv(remotes.SHARED, "memory://lab/store")
    home, told = at("first"), list[str]()

    def refuse(_: object, path: str, there: str) -> None:
        raise PermissionError(13, "Permission denied", there)

    monkeypatch.setattr(type(memory), "put_file", refuse)
    for name in ("abc", "def"):
        (home / "features" / name).mkdir(parents=True)
        (home / "features" / name / "index.json").write_text("{}")
        remotes.share(home / "features" / name, told.append)
    said = "'memory://lab/store' takes no files (Permission denied)"
    assert told == [f"warning: {said}; what was made is in '{home}' alone"] * 2


def test_a_path_is_left_as_it_is(tmp_path: Path) -> None:
    assert remotes.results_folder(str(tmp_path)) == tmp_path


def test_a_place_that_is_full_has_nothing_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the half would be taken for a newer one, and fetched in the place of the whole."""
    from fsspec.implementations.local import LocalFileSystem

    def half(_: object, path: str, there: str, **__: object) -> None:
        Path(there).write_bytes(Path(path).read_bytes()[:3])
        raise OSError(28, "No space left on device")

    (tmp_path / "record.json").write_bytes(b"whole")
    place = remotes._Place.at((tmp_path / "there").as_uri())
    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "put_file", half)
        with pytest.raises(OSError, match="No space"):
            place.upload(tmp_path / "record.json", "demo/record.json")
    assert place.found() == {}
    assert not [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    place.upload(tmp_path / "record.json", "demo/record.json")
    assert (tmp_path / "there" / "demo" / "record.json").read_bytes() == b"whole"
