"""Recordings that were damaged after they were made: what a decoder or a file's own sums can tell.

Of bits that flip among the samples of a WAV nothing can; that is what lists of checksums are for.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from serbench.benchmarks import Classification
from serbench.benchmarks.auditing.audio import check_audio
from serbench.benchmarks.auditing.recordings import Measured, measure
from serbench.benchmarks.reading.audio import read_audio
from serbench.benchmarks.reading.mp3 import crc16, is_altered
from serbench.errors import SerbenchError
from serbench.progress import Silent

NAN = float("nan")
FORMATS = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "flac": ("FLAC", "PCM_16"),
}


def speech(path: Path, seed: int = 0) -> Path:
    """Write two seconds of noise that swells and fades."""
    draw = np.random.default_rng(seed)
    wave = draw.normal(0, 0.1, 32_000) * np.sin(np.arange(32_000) / 2_000)
    kind, subtype = FORMATS[path.suffix[1:]]
    soundfile.write(path, wave, 16_000, format=kind, subtype=subtype)
    return path


def damage(content: bytes, kind: str, draw: random.Random) -> bytes:
    data = bytearray(content)
    at = draw.randrange(len(data) // 10, len(data))
    match kind:
        case "flip":
            data[at] ^= 1 << draw.randrange(8)
        case "zeros":
            data[at : at + 512] = bytes(len(data[at : at + 512]))
        case "noise":
            data[at : at + 64] = draw.randbytes(len(data[at : at + 64]))
        case "gone":
            del data[at : at + 512]
        case "cut":
            del data[at:]
    return bytes(data)


def measured(paths: list[Path]) -> list[Measured]:
    table = pd.DataFrame({"path": list(map(str, paths)), "start": NAN, "end": NAN})
    rows = measure("damaged", table, Silent())
    return [Measured(*row) for row in rows.itertuples(index=False)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_damage_is_found_or_does_no_harm(tmp_path, suffix):
    draw = random.Random(suffix)
    whole = speech(tmp_path / f"whole.{suffix}")
    paths = [whole]
    for kind in ("flip", "zeros", "noise", "gone", "cut"):
        for number in range(10):
            path = tmp_path / f"{kind}{number}.{suffix}"
            path.write_bytes(damage(whole.read_bytes(), kind, draw))
            paths.append(path)

    sound, *broken = measured(paths)

    assert (sound.problem, sound.doubt) == ("", "")
    unseen = [
        path.name
        for path, found in zip(paths[1:], broken, strict=True)
        if not found.problem and not found.doubt and found.recording != sound.recording
    ]
    assert not unseen


def test_a_flipped_bit_of_an_mp3_is_a_warning_that_names_the_file(tmp_path):
    path = speech(tmp_path / "a.mp3")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    table = pd.DataFrame({"utterance": ["u"], "path": [str(path)], "start": NAN, "end": NAN})
    table["speaker"], table["emotion"] = "s", "anger"
    facts = measure("flipped", table, Silent())
    table = table.assign(recording=facts["recording"], seconds=facts["seconds"])

    (found,) = check_audio(Classification(("anger", "calm")), table, facts)

    assert (found.kind, found.severity, found.utterance) == ("altered", "warning", "u")
    assert f"'{path}' holds other frames than" in found.message
    assert len(read_audio(path, NAN, NAN, 16_000)) == 32_000


def test_an_mp3_that_was_cut_or_tagged_afterwards_is_not_called_altered(tmp_path):
    whole = speech(tmp_path / "a.mp3").read_bytes()
    for name, content in {
        "id3v1": whole + b"TAG" + bytes(125),
        "id3v2": b"ID3\4\0\0\0\0\1\1" + bytes(129) + whole,
        "cut": whole[: len(whole) // 2],
        "no tag": whole.replace(b"Info", b"Nope").replace(b"Xing", b"Nope"),
        "empty": b"",
        "text": b"speaker,emotion\n",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert not is_altered(path), name


def test_the_checksum_of_a_tag_is_checked_by_its_own(tmp_path):
    content = bytearray(speech(tmp_path / "a.mp3").read_bytes())
    lame = content.index(b"LAME")
    content[lame + 32] ^= 1  # the CRC itself
    (tmp_path / "a.mp3").write_bytes(content)
    assert not is_altered(tmp_path / "a.mp3")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 9, 100, 1001])
def test_the_checksum_is_crc_16(size):
    assert crc16(b"123456789") == 0xBB3D  # the check value of CRC-16/ARC
    data, slow = np.random.default_rng(size).bytes(size), 0
    for byte in data:
        slow ^= byte
        for _ in range(8):
            slow = slow >> 1 ^ (0xA001 if slow & 1 else 0)
    assert crc16(data) == slow
    assert crc16(data[size // 3 :], crc16(data[: size // 3])) == slow


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_a_page_of_ogg_that_is_lost_names_the_file(tmp_path, suffix):
    path = speech(tmp_path / f"a.{suffix}")
    content = bytearray(path.read_bytes())
    content[-500] ^= 1
    path.write_bytes(content)
    with pytest.raises(SerbenchError, match=rf"a\.{suffix}' is damaged \(.*\); get it again"):
        read_audio(path, NAN, NAN, 16_000)
