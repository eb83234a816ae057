"""A table made on another system: what is wrong is told once, and one command mends it."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serbench.benchmarks.reading.custom import read_benchmark
from serbench.benchmarks.reading.mending import mend
from serbench.cli import app

TOML = """name = "mine"
version = "1"
table = "utterances.csv"
audio = "wav"
task = "classification"
labels = ["x", "y"]
columns = {path = "file"}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a description; its files are a.wav, b.wav and deep/J\u00fcrgen.wav, decomposed."""
    (tmp_path / "benchmark.toml").write_text(TOML)
    (tmp_path / "wav" / "deep").mkdir(parents=True)
    for name in ("a.wav", "b.wav", unicodedata.normalize("NFD", "deep/J\u00fcrgen.wav")):
        (tmp_path / "wav" / name).touch()
    return tmp_path / "benchmark.toml"


def write(description: Path, paths: list[str], separator: str = ";") -> Path:
    table = description.with_name("utterances.csv")
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = [[str(n), path, "s", "x", "he said; no"] for n, path in enumerate(paths)]
        header = ["utterance", "file", "speaker", "emotion", "text"]
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return table


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize(
    "written",
    [
        "..\\wav\\a.wav",
        "A.WAV",
        "..\\WAV\\A.wav",
        "DEEP/J\u00fcrgen.wav",
        "deep\\j\u00fcrgen.WAV",
    ],
)
def test_a_path_is_written_as_the_file_is_called(mine: Path, written: str, separator: str) -> None:
    table = write(mine, [written, "b.wav", "gone.wav"], separator)
    before = table.read_bytes()

    found = mend(mine)

    assert (found.changed, found.missing) == (1, 1)
    assert found.kept is not None
    assert found.kept.read_bytes() == before
    rows = read_benchmark(mine).read(None)
    there = [Path(path) for path in rows["path"]]
    assert [path.exists() for path in there] == [True, True, False]
    assert there[0].stem == ("Ju\u0308rgen" if "rgen" in written else "a")
    assert [*rows["text"]] == ["he said; no"] * 3
    assert mend(mine).changed == 0


def test_check_names_the_command_and_it_works_as_typed(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    write(mine, ["..\\wav\\a.wav", "B.WAV"])

    told = CliRunner().invoke(app, ["data", "check", "benchmark.toml"]).output
    command = told.partition("`serbench ")[2].partition("`")[0]

    assert command == "data mend benchmark.toml"
    mended = CliRunner().invoke(app, command.split())
    assert mended.exit_code == 0
    assert "2 paths are written anew" in mended.output
    assert "not found" not in CliRunner().invoke(app, ["data", "check", "benchmark.toml"]).output
