"""A corpus on which upstreams are adapted and fine-tuned in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

BENCHMARK = """
name = "voices"
version = "1"
table = "table.csv"
task = "classification"
labels = ["low", "high"]
licence = "CC0-1.0"
citation = "Us (2026)"

[protocol]
name = "speaker_folds"
k = 4
"""
RATE, SPEAKERS, CLIPS = 16_000, 4, 4


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a corpus: each speaker has a pitch of his own, each label a loudness."""
    return written(tmp_path)


def written(folder: Path, speakers: int = SPEAKERS, clips: int = CLIPS) -> Path:
    """Write that corpus into a folder, of so many clips a speaker."""
    rng = np.random.default_rng(0)
    lines = ["path,speaker,emotion"]
    for number in range(speakers * clips):
        speaker, label = number % speakers, number // speakers % 2
        time = np.arange(RATE + 800 * number) / RATE
        tone = np.sin(2 * np.pi * (90 + 60 * speaker) * time + 3 * np.sin(5 * time))
        wave = (0.05 + 0.2 * label) * (tone + 0.1 * rng.normal(size=len(time)))
        soundfile.write(folder / f"{number}.wav", wave, RATE)
        lines.append(f"{number}.wav,s{speaker},{['low', 'high'][label]}")
    (folder / "table.csv").write_text("\n".join(lines))
    (folder / "voices.toml").write_text(BENCHMARK)
    return folder / "voices.toml"
