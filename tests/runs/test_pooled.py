"""Upstreams that pool over time themselves, and heads that look at frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs.recipe import resolve
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe

POOLED = '''"""Loudness of an utterance: one frame each."""

import torch

from serbench.upstreams import Upstream, stack


class Loudness(Upstream):
    sample_rate, depth, dim = 16_000, 1, 1

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1), requires_grad=False)

    def frames(self, samples):
        return min(samples, 1)

    def forward(self, clips):
        return stack([self.gain * wave.square().mean().view(1, 1, 1) for wave in clips.waves])


def make():
    """Return the upstream."""
    return Loudness()
'''


def run(corpus: Path, head: str, **training: object) -> Outcome:
    upstream = corpus.with_name("loudness.py")
    upstream.write_text(POOLED)
    raw = {"upstream": str(upstream), "downstream": head, "benchmark": str(corpus)}
    short = {"epochs": 1, "learning_rates": [1e-2], "batch": 4}
    made = resolve(raw | {"training": short | training})
    return run_recipe(made, data=None, results=corpus.with_name("results"), progress=Silent())


@pytest.mark.parametrize("finetune", [False, True])
def test_a_head_that_needs_frames_is_refused_pooled_features(corpus: Path, finetune: bool) -> None:
    with pytest.raises(
        SerbenchError,
        match=r"loudness.py' gives one frame an utterance.* head 'ecapa' needs frames",
    ):
        run(corpus, "ecapa", finetune=finetune)


def test_a_head_that_needs_means_takes_them(corpus: Path) -> None:
    assert run(corpus, "mean_pool").result.complete
