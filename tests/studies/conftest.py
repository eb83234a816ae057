"""Corpora of noise with a planted answer: whether labels sound as they do of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

BENCHMARK = """
name = "noises"
version = "1"
table = "table.csv"
task = "classification"
labels = ["low", "high"]
licence = "CC0-1.0"
citation = "Us (2026)"

[protocol]
name = "speaker_folds"
k = 3
"""
RATE, SPEAKERS, CLIPS = 16_000, 9, 20


@pytest.fixture(scope="session")
def write_noises() -> Callable[..., Path]:
    """Return what writes such a corpus: its description in TOML."""
    return _write


def _write(folder: Path, *, own: bool, clips: int = CLIPS) -> Path:
    """Write clips of nine speakers; one label is a little louder, and has another tone.

    Where tones are a speaker's `own`, they say nothing about those of others.
    """
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,speaker,gender,emotion"]
    time = np.arange(int(0.55 * RATE)) / RATE
    for speaker in range(SPEAKERS):
        for clip in range(clips):
            label = clip % 2
            tone = 400 + 350 * label + (700 * speaker if own else 0)
            loud = 0.05 * np.exp(0.1 * label + 0.2 * random.normal())
            wave = random.normal(size=len(time)) + 2 * np.sin(2 * np.pi * tone * time)
            soundfile.write(folder / f"{speaker}_{clip}.wav", loud * wave, RATE)
            gender = ("female", "male")[speaker % 2]
            lines.append(f"{speaker}_{clip}.wav,s{speaker},{gender},{('low', 'high')[label]}")
    (folder / "table.csv").write_text("\n".join(lines))
    (folder / "noises.toml").write_text(BENCHMARK)
    return folder / "noises.toml"
