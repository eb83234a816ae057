"""What a record keeps of a training: its course, and what the layers came to weigh."""

from __future__ import annotations

import torch

from serbench.runs.chosen import curve, fit_of
from serbench.training.attempt import Epoch
from serbench.training.fit import Trained

LONG = [Epoch(loss=1 / number, valid=number / 1_000) for number in range(1, 201)]


def test_a_long_training_is_kept_at_its_ends_and_at_what_was_chosen() -> None:
    kept = curve(LONG, 137)
    assert {1, 137, 200} <= {*kept.epochs}
    assert len(kept.epochs) <= 31
    steps = [b - a for a, b in zip(kept.epochs, kept.epochs[1:], strict=False)]
    assert max(steps) <= 7
    assert kept.valid_scores == tuple(number / 1_000 for number in kept.epochs)
    assert kept.losses == tuple(round(1 / number, 4) for number in kept.epochs)


def test_a_short_training_is_kept_whole() -> None:
    assert curve(LONG[:5], 2).epochs == (1, 2, 3, 4, 5)


def test_the_weights_of_layers_are_those_of_each_stream_with_several() -> None:
    state = {
        "streams.0.mix.logits": torch.log(torch.tensor([1.0, 3.0])),
        "streams.1.mix.logits": torch.zeros(1),
        "streams.2.mix.logits": torch.zeros(4),
        "output.bias": torch.zeros(2),
    }
    trained = Trained(
        valid_score=0.5, learning_rate=0.1, epoch=1, history=(*LONG[:1],), valid_scores={},
        state=state,
    )  # fmt: skip
    assert fit_of("a", 0, trained).layers == ((0.25, 0.75), (0.25,) * 4)
