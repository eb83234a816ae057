"""Lists of checksums as coreutils write them, and files that are not as listed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serbench.benchmarks.auditing.checksums import beside, check_files, read_list
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs.looking import look_at

DESCRIPTION = """
name = "mine"
version = "1"
table = "clips.csv"
audio = "wav"
task = "classification"
labels = ["anger", "neutral"]
[protocol]
name = "leave_one_speaker_out"
"""
TOOLS = ("sha256sum", "sha512sum", "b2sum", "b2sum -l 256", "md5sum", "sha1sum")
needs_coreutils = pytest.mark.skipif(shutil.which("b2sum") is None, reason="needs coreutils")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write a corpus of twelve clips of three speakers; return its description."""
    (tmp_path / "wav").mkdir()
    rows = ["path,speaker,emotion"]
    for i in range(12):
        wave = np.random.default_rng(i).uniform(-0.3, 0.3, 1600)
        soundfile.write(tmp_path / "wav" / f"{i}.wav", wave, 16_000)
        rows.append(f"{i}.wav,{i % 3},{('anger', 'neutral')[i % 2]}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    (tmp_path / "mine.toml").write_text(DESCRIPTION)
    return tmp_path / "mine.toml"


def listed(folder: Path, tool: str, name: str) -> Path:
    command = f"{tool} wav/* > {name}"
    subprocess.run(command, shell=True, check=True, cwd=folder)
    return folder / name


def found(corpus: Path, checksums: Path | None = None) -> list[tuple[str, str, str]]:
    raw = {"benchmark": str(corpus)}
    findings = look_at(raw, data=None, progress=Silent(), checksums=checksums).findings
    # that so small a corpus has few speakers is another matter
    about = [finding for finding in findings if finding.kind != "few_speakers"]
    return [(f.severity, f.kind, f.path.name if f.path else "") for f in about]


@needs_coreutils
@pytest.mark.parametrize("tag", ["", " --tag"])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_flipped_bit_is_found_by_a_list_of_any_tool(corpus, tool, tag):
    place = listed(corpus.parent, tool + tag, f"{tool.split()[0]}s.txt")
    assert beside([corpus.parent]) == [place]
    assert found(corpus) == []
    path = corpus.parent / "wav" / "7.wav"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)

    assert found(corpus) == [("error", "differs", "7.wav")]


@needs_coreutils
def test_a_list_that_is_named_is_taken_and_no_other(corpus):
    listed(corpus.parent, "sha256sum", "SHA256SUMS")
    own = listed(corpus.parent, "b2sum", "mine.list")
    soundfile.write(corpus.parent / "wav" / "0.wav", np.ones(1600) / 2, 16_000)
    own.write_text("".join(own.read_text().splitlines(keepends=True)[1:]))

    assert ("error", "differs", "0.wav") in found(corpus)
    assert ("error", "differs", "0.wav") not in found(corpus, own)
    assert ("warning", "not_listed", "") in found(corpus, own)


@needs_coreutils
def test_what_is_listed_and_not_there_is_named(corpus):
    listed(corpus.parent, "sha256sum", "SHA256SUMS")
    place = corpus.parent / "SHA256SUMS"
    lines = [f"{'0' * 64}  {name}\n" for name in ("wav/gone.wav", "wav", "pipe", "/dev/zero")]
    place.write_text(place.read_text() + "".join(lines))
    os.mkfifo(corpus.parent / "pipe")

    kinds = [("error", "not_there", name) for name in ("gone.wav", "wav", "pipe", "zero")]
    assert found(corpus) == kinds


@needs_coreutils
def test_names_of_any_kind(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("a b.wav", "a\nb.wav", "a\\b.wav", "*a.wav", "(a) = b.wav", "ä.wav"):
        (tmp_path / "wav" / name).write_text(name)
    for tool in ("sha256sum", "sha256sum --tag", "sha256sum -b"):
        place = listed(tmp_path, tool, "SHA256SUMS")
        paths = [str(entry.path) for entry in read_list(place)]
        assert len(paths) == 6
        assert check_files(place, paths, Silent()) == []


@pytest.mark.parametrize(
    "text",
    ["", "\n", "speaker,emotion\n", "root:x:0:0:secret\n", "abc  a.wav\n", f"{'0' * 33}  a.wav\n"],
)
def test_what_is_no_list_is_refused_and_not_shown(tmp_path, text):
    (tmp_path / "list").write_text(text)
    with pytest.raises(SerbenchError, match="list") as caught:
        read_list(tmp_path / "list")
    assert "secret" not in str(caught.value)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(SerbenchError, match=r"nowhere' cannot be read"):
        read_list(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        *[(name, True) for name in ("SHA256SUMS", "sha256sum.txt", "B2SUMS", "md5sums.md5")],
        *[(name, True) for name in ("checksums.txt", "manifest-sha256.txt", "Checksum.sha256")],
        *[(name, False) for name in ("a.wav.sha256", "checksums.csv", "sums", "manifest.txt")],
    ],
)
def test_usual_names(tmp_path, name, usual):
    (tmp_path / name).touch()
    assert bool(beside([tmp_path, tmp_path / "nowhere"])) is usual
