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
    rng = np.random.default_rng(0)
    lines = ["path,speaker,emotion"]
    for number in range(SPEAKERS * CLIPS):
        speaker, label = number % SPEAKERS, number // SPEAKERS % 2
        time = np.arange(RATE + 800 * number) / RATE
        tone = np.sin(2 * np.pi * (90 + 60 * speaker) * time + 3 * np.sin(5 * time))
        wave = (0.05 + 0.2 * label) * (tone + 0.1 * rng.normal(size=len(time)))
        soundfile.write(tmp_path / f"{number}.wav", wave, RATE)
        lines.append(f"{number}.wav,s{speaker},{['low', 'high'][label]}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    (tmp_path / "voices.toml").write_text(BENCHMARK)
    return tmp_path / "voices.toml"
