"""Runs whose vectors no half precision holds: they end with a result all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pandas import read_csv

import serbench
from serbench.errors import SerbenchError
from serbench.leaderboard import beside
from serbench.progress import Silent
from serbench.runs.recipe import resolve
from serbench.runs.run import run_recipe
from serbench.scoring.voices import vectors

from .test_postprocessed_runs import QUICK, write_corpus

LOUD = '''"""The level of blocks, in units that make large numbers."""

import torch

from serbench.upstreams import Upstream, stack


class Loud(Upstream):
    sample_rate, depth, dim = 16_000, 1, 2

    def frames(self, samples):
        return samples // 320

    def forward(self, clips):
        return stack([self._levels(wave) for wave in clips.waves])

    def _levels(self, wave):
        count = self.frames(len(wave))
        if count == 0:
            from serbench.errors import SerbenchError

            raise SerbenchError(f"a clip of {len(wave)} samples is too short")
        level = wave[: count * 320].reshape(count, 320).square().mean(dim=1).sqrt()
        return 1e8 * torch.stack([level, level.square()], dim=1)[None]


def make():
    return Loud()
'''

OVERFLOWING = '''"""The mean of frames, in small numbers; what is loud, in large ones."""

import torch

from serbench.downstreams import Downstream
from serbench.downstreams._pooling import masked_mean


class Overflowing(Downstream):
    def __init__(self, dim):
        super().__init__()
        self.embedding_dim = dim
        self.project = torch.nn.Linear(dim, dim)

    def forward(self, frames, lengths, speakers):
        mean = masked_mean(frames, lengths)
        far = mean.amax(dim=1, keepdim=True) > 4
        return torch.where(far, 1e25, 1e-20) * self.project(mean)


def make(dim):
    return Overflowing(dim)
'''


class Told(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


def test_voices_beyond_half_precision_are_kept_and_corrected_by(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    made = serbench.run(
        upstream=str(tmp_path / "loud.py"),
        downstream="mean_pool",
        training={**QUICK["training"], "standardize": False},
        precision="float32",
        benchmark=write_corpus(tmp_path, "regression"),
        results=tmp_path / "results",
        postprocess={"name": "pldc", "k": 2},
    )
    heard = vectors(beside.load_voices(made.path, made.result))
    assert np.isfinite(heard).all()
    assert heard.max() > 1e5


def test_embeddings_that_nothing_holds_cost_their_table_and_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "overflowing.py").write_text(OVERFLOWING)
    benchmark = write_corpus(tmp_path, "classification")
    names = read_csv(tmp_path / "utterances.csv").query("speaker == 's7'")["path"]
    random = np.random.default_rng(1)
    for name in names:  # at full scale, ten times as loud as the others
        soundfile.write(tmp_path / name, random.uniform(-0.99, 0.99, 6000), 16000)
    raw: dict[str, Any] = {**QUICK, "downstream": str(tmp_path / "overflowing.py")}
    told, results = Told(), tmp_path / "results"
    made = run_recipe(
        resolve({**raw, "benchmark": str(benchmark)}), data=None, results=results, progress=told
    )
    assert made.result.complete
    assert any("the embeddings are not finite: they are not kept" in line for line in told.lines)
    assert beside.load_embedded(made.path, made.result).empty
    with pytest.raises(SerbenchError, match="has no embeddings of its utterances"):
        serbench.postprocess(made.path, "class_means", results)
