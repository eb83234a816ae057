"""Digests name content: what a download leaves beside it is none, anything else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench.digests import digest_path

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


def test_a_hidden_folder_itself_may_hold_weights(tmp_path: Path) -> None:
    assert digest_path(folder(tmp_path / "a")) == digest_path(folder(tmp_path / ".cache" / "a"))
