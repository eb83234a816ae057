"""What is no file, or asks for more than it should, is one sentence, at once."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from serbench import bounds
from serbench.benchmarks.reading import custom, layout
from serbench.benchmarks.reading.audio import AudioError, open_audio
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.sources import read_collections
from serbench.errors import SerbenchError
from serbench.runs.recipe import read_recipe
from serbench.upstreams import Recording

DESCRIPTION = """
name = "mine"
version = "1"
table = "clips.csv"
task = "classification"
labels = ["anger", "neutral"]
"""


def no_file(path: Path, kind: str) -> Path:
    path.unlink(missing_ok=True)
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
    return path


def described(folder: Path, table: str = "path,speaker,emotion\na.wav,1,anger\n") -> Path:
    (folder / "clips.csv").write_text(table)
    path = folder / "mine.toml"
    path.write_text(DESCRIPTION)
    return path


def read_table(folder: Path) -> object:
    return custom.read_benchmark(folder / "mine.toml").read(None)


def open_sound(folder: Path) -> None:
    with open_audio(folder / "a.wav"):
        pass


READERS = {
    "mine.toml": read_table,
    "clips.csv": read_table,
    "a.wav": open_sound,
    "b.wav": lambda folder: Audio([Recording(folder / "b.wav", "x")]),
    "recipe.toml": lambda folder: read_recipe(folder / "recipe.toml"),
    "corpora.toml": lambda folder: read_collections(folder / "corpora.toml"),
    "votes.csv": lambda folder: layout.read_csv(folder / "votes.csv", ["a"], ["b"]),
}


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path, name, kind):
    described(tmp_path)
    no_file(tmp_path / name, kind)
    start = time.monotonic()

    with pytest.raises(SerbenchError, match=f"{name}' is {kind}, not a file"):
        READERS[name](tmp_path)

    assert time.monotonic() - start < 1


def test_a_limit_is_raised_as_its_message_says(tmp_path, monkeypatch):
    path = described(tmp_path)
    path.write_text(DESCRIPTION + "#" * bounds.TOML.most)
    with pytest.raises(SerbenchError, match=f"{path}' has 1,048,6.. bytes of TOML") as caught:
        custom.read_benchmark(path)

    name, factor = re.search(r"set (\w+)=(\d+)", str(caught.value)).groups()
    monkeypatch.setenv(name, factor)

    assert custom.read_benchmark(path).name == "mine"
    monkeypatch.setenv(name, "much")
    with pytest.raises(SerbenchError, match=f"{name}='much' is no factor"):
        custom.read_benchmark(path)


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="needs Linux's /proc")
def test_a_file_that_calls_itself_empty_is_read_no_further_than_its_limit():
    with pytest.raises(SerbenchError, match="has 101 bytes"):
        bounds.read_text(Path("/proc/self/smaps"), bounds.Limit(100, "bytes"))


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a directory", "No such file"])
def test_a_table_that_is_no_file_is_called_what_it_is(tmp_path, kind):
    path = described(tmp_path)
    table = no_file(tmp_path / "clips.csv", kind)
    if kind == "a directory":
        table.mkdir()

    for read in (custom.files, custom.read_benchmark):
        with pytest.raises(SerbenchError) as caught:
            read(path)
        missing = "does not exist" in str(caught.value)
        assert kind in str(caught.value) or (missing and kind == "No such file")
        assert not (missing and kind != "No such file")


@pytest.mark.parametrize("text", ["", "\n", "\ufeff"])
def test_an_empty_table_is_called_empty(tmp_path, text):
    path = described(tmp_path, text)
    with pytest.raises(SerbenchError, match=r"is empty, or its first row is; .*path, speaker, emo"):
        custom.read_benchmark(path)


def test_toml_that_is_no_text_is_to_be_saved_as_text(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes('name = "café"'.encode("latin-1"))
    for read in (custom.read_benchmark, read_recipe):
        with pytest.raises(SerbenchError, match=r"not UTF-8 text \(byte 12: .*save it as UTF-8"):
            read(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 100_000, "nested too deep"),
        ("a = " + "[" * 80 + "]" * 80, "has 8. levels of nesting"),
        ("a" + ".a" * 100_000 + " = 1", "100,000 dots in a line"),
        ("a = " + "1" * 10_000, "not valid TOML"),
    ],
)
def test_toml_of_any_depth_is_read_or_refused_in_no_time(tmp_path, text, words):
    path = tmp_path / "a.toml"
    path.write_text(text)
    start = time.monotonic()

    for read in (custom.read_benchmark, read_recipe):
        with pytest.raises(SerbenchError, match=words):
            read(path)

    assert time.monotonic() - start < 2


def test_json_that_is_nested_deep_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deep"):
        bounds.read_json(path)
    path.write_text(json.dumps({"a": {"b": [1]}}))
    assert bounds.read_json(path) == {"a": {"b": [1]}}


def test_a_hundred_thousand_columns_are_refused_in_no_time(tmp_path, monkeypatch):
    header = ",".join(["path", "speaker", "emotion", *(f"c{i}" for i in range(100_000))])
    path = described(tmp_path, f"{header}\n{'a.wav,1,anger' + ',' * 100_000}\n")
    start = time.monotonic()
    with pytest.raises(SerbenchError, match="has 100,003 columns, 10,000 are the most"):
        custom.read_benchmark(path)
    monkeypatch.setenv(bounds.RAISED_BY, "11")
    assert custom.read_benchmark(path).name == "mine"
    assert time.monotonic() - start < 5


def test_more_cells_than_a_table_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "CELLS", bounds.Limit(100, "cells"))
    described(tmp_path, "path,speaker,emotion\n" + "a.wav,1,anger\n" * 40)
    with pytest.raises(SerbenchError, match="has 102 cells, 100 are the most"):
        read_table(tmp_path)


def test_a_wrong_table_shows_nothing_of_the_file_that_it_names(tmp_path):
    path = described(tmp_path, "root:x:0:0:secret:/root:/bin/bash\nuser:x:1:1::/:/bin/sh\n")
    with pytest.raises(SerbenchError, match="none of the columns path, speaker, emotion") as caught:
        custom.read_benchmark(path)
    assert "secret" not in str(caught.value)

    (tmp_path / "corpora.toml").write_text('[[corpus]]\nname = "a"\npath = "clips.csv.txt"\n')
    (tmp_path / "clips.csv.txt").write_text("root:x:0:0:secret\n")
    with pytest.raises(SerbenchError, match=r"finds no speaker in line 1 of") as caught:
        read_collections(tmp_path / "corpora.toml")
    assert "secret" not in str(caught.value)


def test_a_pipe_as_audio_can_be_left_out(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(AudioError) as caught:
        open_sound(tmp_path)
    assert caught.value.kind == "unreadable"
