"""Digests name content: what a download leaves beside it is none, anything else is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serbench.digests import digest_json, digest_path, local_path, rows_of
from serbench.durable import seal
from serbench.runs import recipe

LEFT = (
    ".cache/huggingface/download/model.safetensors.metadata",
    ".cache/huggingface/.gitignore",
    ".git/objects/ab/cd",
    ".gitattributes",
    "sub/.huggingface/token",
    "README.md",
    "LICENSE",
    "model.safetensors.lock",
    "__MACOSX/model.safetensors",
    "__pycache__/modeling.pyc",
    ".msc",
    "SHA256SUMS",
    "sub/SHA256SUMS",
    "configuration.json",
    "refs/main",
    "config.json.bak",
    "notes~",
)


def folder(place: Path) -> Path:
    """Return a folder of weights."""
    (place / "sub").mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "vocab.txt", "sub/part.bin"):
        (place / name).write_text(name)
    return place


@pytest.mark.parametrize("name", LEFT)
def test_what_a_download_leaves_does_not_count(tmp_path: Path, name: str) -> None:
    plain, downloaded = folder(tmp_path / "a"), folder(tmp_path / "b")
    (downloaded / name).parent.mkdir(parents=True, exist_ok=True)
    (downloaded / name).write_text("today, 12:03")
    assert digest_path(plain) == digest_path(downloaded)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt", "sub/part.bin", "new.json"])
def test_any_other_file_counts(tmp_path: Path, name: str) -> None:
    plain, other = folder(tmp_path / "a"), folder(tmp_path / "b")
    (other / name).write_text("other")
    assert digest_path(plain) != digest_path(other)


def test_the_digest_of_a_folder_that_serbench_wrote_is_what_it_always_was(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("weights")
    seal(tmp_path)
    names = ("SHA256SUMS", "card.json", "model.safetensors")
    sums = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names}
    assert digest_path(tmp_path) == digest_json(sums)


def test_a_hidden_folder_itself_may_hold_weights(tmp_path: Path) -> None:
    assert digest_path(folder(tmp_path / "a")) == digest_path(folder(tmp_path / ".cache" / "a"))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(), st.floats() | st.integers() | st.booleans() | st.none())))
def test_a_row_is_written_as_json_has_it(rows) -> None:
    columns = [[*column] for column in zip(*rows, strict=True)] or [[], []]
    assert rows_of(*columns) == [json.dumps(row) for row in rows]


def test_nothing_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_path("") is None
    assert local_path(".") == Path()
    asked = {"upstream": "fbank", "downstream": "mean_pool", "benchmark": "cameo"}
    part = recipe.resolve(asked).plain()["benchmark"]
    assert part["options"] == {"dataset": ""}, "and not the working folder, with its digest"
    assert "contents" not in part
