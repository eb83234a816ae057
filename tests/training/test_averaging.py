"""Averaging of epochs: which, of what, and that it is what one gets by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from serbench.benchmarks import Classification, Fold
from serbench.downstreams import Downstream
from serbench.training.averaging import BestEpochs, State, mean_of
from serbench.training.fit import fit
from serbench.training.objectives import objective_of
from serbench.training.settings import Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.training.trial import Trial
from serbench.upstreams import Features

COUNT = 150
LABELS = np.arange(COUNT) % 3
FOLD = Fold("first", np.arange(80), np.arange(80, 120), np.arange(120, COUNT))
TASK = Classification(("anger", "boredom", "joy"))
CPU = torch.device("cpu")


class Source:
    """Means over time that tell the class, hardly."""

    lengths = np.ones(COUNT, np.int64)

    def __init__(self) -> None:
        drawn = torch.randn(COUNT, 6, generator=torch.Generator().manual_seed(0))
        self.means = 1.5 * drawn
        self.means[:, :3] += torch.eye(3)[torch.from_numpy(LABELS)]

    def batch(self, rows: np.ndarray) -> Features:
        return Features(self.means[rows][None, :, None], torch.ones(len(rows), dtype=torch.int64))


class Normalised(Downstream):
    """Dense and batch normalisation."""

    embedding_dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8))

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return self.layers(frames[:, 0])


class Looking:
    """Progress that keeps the system after each epoch."""

    def __init__(self, made: list[System]) -> None:
        self.made, self.states = made, []

    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        state = self.made[-1].state_dict()
        self.states.append({name: value.clone().numpy() for name, value in state.items()})


def trial(training: Training) -> Trial:
    objective = objective_of(TASK, training)
    return Trial((Source(),), LABELS, LABELS * 0, FOLD, objective, training, 0, CPU)


def system() -> System:
    return System([Stream(1, 6)], [Normalised()], 3)


def test_averaging_by_validation_is_averaging_by_hand() -> None:
    training = Training(learning_rates=(3e-2,), batch=20, epochs=9, average=4)
    made: list[System] = []
    step = Looking(made)
    fitted = fit(trial(training), lambda: made.append(system()) or made[-1], step)
    valid = [epoch.valid for epoch in fitted.history]
    best = sorted(range(9), key=lambda i: -valid[i])[:4]  # stable: of equal ones the earlier
    assert fitted.averaged == tuple(sorted(i + 1 for i in best))
    assert fitted.epoch == best[0] + 1
    for name, value in fitted.state.items():
        each = np.stack([step.states[i][name] for i in best])
        assert value.numpy().dtype == each.dtype
        if each.dtype == np.float32:
            np.testing.assert_array_equal(value, each.astype(np.float64).mean(0).astype("f4"))
        else:
            np.testing.assert_array_equal(value, each[0], err_msg=name)
    assert len({state["output.bias"].tobytes() for state in step.states}) == 9

    by_hand = system().eval()
    by_hand.load_state_dict(fitted.state)
    with torch.no_grad():
        for rows, check in ((FOLD.valid, "valid"), (FOLD.test, "test")):
            outputs = by_hand([Source().batch(rows)], torch.zeros(len(rows), dtype=torch.int64))
            scores = outputs.double().softmax(1).numpy()
            if check == "test":
                np.testing.assert_allclose(fitted.scores, scores, rtol=1e-5, atol=1e-8)
            else:
                right = scores.argmax(1) == LABELS[rows]
                uar = np.mean([right[LABELS[rows] == label].mean() for label in range(3)])
                assert fitted.valid_score == pytest.approx(uar)


def test_fewer_epochs_than_asked_for_are_not_padded() -> None:
    training = Training(learning_rates=(1e-2,), epochs=3, average=5)
    fitted = fit(trial(training), system, Looking([system()]))
    assert fitted.averaged == (1, 2, 3)


def test_one_epoch_is_the_best_itself() -> None:
    plain = Training(learning_rates=(1e-2,), epochs=4)
    one, other = (
        fit(trial(plain.model_copy(update={"average": k})), system, Looking([system()]))
        for k in (1, 1)
    )
    assert one.averaged == ()
    assert one.valid_score == max(epoch.valid for epoch in one.history)
    assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_best_are_kept_and_of_equal_ones_the_earlier(tmp_path: Path, on_disk: bool) -> None:
    kept = BestEpochs(3, tmp_path if on_disk else None)
    most = 0
    for epoch, score in enumerate([0.2, 0.5, 0.1, 0.5, 0.4, 0.4, math.nan], start=1):
        kept.note(epoch, score)
        kept.settle(epoch, lambda epoch=epoch: {"w": torch.tensor([float(epoch)])})
        kept.prune()
        kept.store()
        most = max(most, len(list(tmp_path.glob("*.safetensors"))))
    assert kept.epochs == [2, 4, 5]
    assert kept.mean()["w"].item() == pytest.approx(11 / 3, rel=1e-7)
    assert most == (3 if on_disk else 0)


def test_whole_numbers_are_those_of_the_best_and_sums_are_exact() -> None:
    def state(weight: float, count: int) -> State:
        return {"w": torch.tensor([weight]), "n": torch.tensor(count)}

    mean = mean_of([state(1e8, 7), state(1.0, 3), state(-1e8, 4)])
    assert mean["n"].item() == 7
    # in single precision 1e8 + 1 is 1e8, and the mean 0
    assert mean["w"].item() == pytest.approx(1 / 3, rel=1e-6)
