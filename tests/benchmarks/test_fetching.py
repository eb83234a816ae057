"""Databases of audb, from a repository that audb itself published on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from serbench.benchmarks.reading import custom
from serbench.benchmarks.reading.fetching import fetch, fetched
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.progress import Silent

audb = pytest.importorskip("audb")
pytestmark = [
    pytest.mark.filterwarnings("ignore:The inplace keyword"),  # in audformat
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SPEAKERS = ["ann", "bob", "cid"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a repository with two versions of a database, the second without its last clip."""
    import audformat

    root = tmp_path_factory.mktemp("audb")
    (root / "host" / "own").mkdir(parents=True)
    kept = audb.Repository("own", str(root / "host"), "file-system")
    for version, count in (("1.0.0", 6), ("1.1.0", 5)):
        source = root / version
        (source / "wav").mkdir(parents=True)
        names = [f"wav/{number}.wav" for number in range(count)]
        for number, name in enumerate(names):
            noise = np.random.default_rng(number).normal(0, 0.1, 800)
            soundfile.write(source / name, noise, 8000)
        database = audformat.Database("tiny")
        database.schemes["emotion"] = audformat.Scheme(labels=["calm", "angry"])
        database.schemes["speaker"] = audformat.Scheme("str")
        table = database["all"] = audformat.Table(audformat.filewise_index(names))
        for column, values in (("emotion", ["calm", "angry"] * 3), ("speaker", SPEAKERS * 2)):
            table[column] = audformat.Column(scheme_id=column)
            table[column].set(values[:count])
        database.save(source)
        cache = str(root / "cache")
        audb.publish(
            str(source), version, kept, previous_version=None, cache_root=cache, verbose=False
        )
    return kept


@pytest.fixture(autouse=True)
def _own_repository(repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audb.config, "REPOSITORIES", [repository])
    monkeypatch.setattr(audb.config, "CACHE_ROOT", str(tmp_path / "cache"))
    monkeypatch.setattr(audb.config, "SHARED_CACHE_ROOT", str(tmp_path / "shared"))


def get(folder: Path, version: str | None = None) -> tuple[str, str]:
    return fetch("tiny", folder, version=version, progress=Silent(), bars=False)


def test_what_is_fetched_is_imported_and_names_its_version(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["data", "fetch", "tiny", "--data", str(tmp_path / "data")])
    assert told.exit_code == 0, told.output
    folder = tmp_path / "data" / "tiny"
    assert f"serbench data import {folder} NEW_FOLDER" in told.output
    made = CliRunner().invoke(app, ["data", "import", str(folder), str(tmp_path / "mine")])
    assert made.exit_code == 0, made.output
    benchmark = custom.read_benchmark(tmp_path / "mine" / "benchmark.toml")
    assert benchmark.version == "1.1.0"
    assert benchmark.read(None)["speaker"].tolist() == [*SPEAKERS, *SPEAKERS[:2]]


def test_one_that_was_stopped_goes_on_in_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, load_to = tmp_path / "tiny", audb.load_to

    def stopped(*args: Any, **options: Any) -> None:
        load_to(*args, **options)
        (folder / "wav" / "3.wav").unlink()
        raise ConnectionError("the line is dead")

    with monkeypatch.context() as broken:
        broken.setattr(audb, "load_to", stopped)
        with pytest.raises(
            SerbenchError, match=r"1\.0\.0 was not fetched whole: ConnectionError: the line"
        ):
            get(folder, "1.0.0")
    before = (folder / "wav" / "0.wav").stat().st_mtime_ns
    assert get(folder) == ("tiny", "1.0.0") == fetched(folder)
    assert sorted(path.name for path in (folder / "wav").iterdir()) == [
        f"{number}.wav" for number in range(6)
    ]
    assert (folder / "wav" / "0.wav").stat().st_mtime_ns == before


def test_what_cannot_be_fetched_is_told(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match=r"no version 2\.0\.0; there are 1\.0\.0, 1\.1\.0"):
        get(tmp_path / "tiny", "2.0.0")
    with pytest.raises(SerbenchError, match="no database 'tinny' in own"):
        fetch("tinny", tmp_path / "tinny", version=None, progress=Silent(), bars=False)
    assert not [*tmp_path.glob("tin*")]
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "mine.wav").touch()
    with pytest.raises(SerbenchError, match="holds something that was not fetched"):
        get(tmp_path / "tiny")
    get(tmp_path / "new", "1.0.0")
    with pytest.raises(SerbenchError, match=r"is for tiny 1\.0\.0; name another"):
        get(tmp_path / "new", "1.1.0")
