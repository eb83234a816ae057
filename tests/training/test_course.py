"""A training that is killed goes on from its last epoch, to the same bits."""

from __future__ import annotations

import copy
import importlib
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from serbench.benchmarks import Classification, Fold
from serbench.downstreams import mlp, speaker_mlp
from serbench.training.course import Keeping
from serbench.training.fit import Fitted, fit
from serbench.training.learning import Learner
from serbench.training.objectives import objective_of
from serbench.training.settings import Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.training.trial import Trial
from serbench.upstreams import Clips, Features, Upstream, stack

COUNT = 72
LABELS = np.arange(COUNT) % 2
FOLD = Fold("first", np.arange(40), np.arange(40, 56), np.arange(56, COUNT))
TASK = Classification(("quiet", "loud"))
RATES = (1e-2, 1e-3)


class Gated(Upstream):
    """Loudness of blocks of 10 samples, times gates that learn."""

    sample_rate, depth, dim = 1000, 1, 3

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.tensor([0.5, 1.0, -1.0]))
        self.requires_grad_(False)

    def frames(self, samples: int) -> int:
        return samples // 10

    def forward(self, clips: Clips) -> Features:
        loud = [wave.view(-1, 10).square().mean(1) for wave in clips.waves]
        return stack([part[None, :, None] * self.gates for part in loud])


class Waves:
    """Noise that is hardly louder where the label says so."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.waves = [
            rng.normal(0, 1 + 0.2 * label, 50 + 10 * (i % 9)).astype(np.float32)
            for i, label in enumerate(LABELS)
        ]
        self.lengths = np.array([len(wave) for wave in self.waves])

    def batch(self, rows: np.ndarray) -> Clips:
        waves = [torch.from_numpy(self.waves[row]) for row in rows]
        return Clips(waves, ["a"] * len(rows), [None] * len(rows))


class Mortal:
    """Progress that ends after some calls, and watches a folder."""

    def __init__(self, left: float = np.inf, folder: Path | None = None) -> None:
        self.left, self.folder, self.done = left, folder, 0.0
        self.most, self.notes = 0, 0

    def advance(self, amount: float = 1.0) -> None:
        self.done += amount
        self._live()

    def note(self, text: str) -> None:
        self.notes += 1
        if self.folder is not None:
            for rate in self.folder.glob("rate-*"):
                self.most = max(self.most, len(list(rate.glob("[!.]*"))))
        self._live()

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def trained(
    step: Mortal, folder: Path | None, speaker: Any = None, every: float = 0.0, /, **more: Any
) -> Fitted:
    """Train, with a head that looks at who speaks if it is said by what."""
    settings = {"learning_rates": RATES, "batch": 10, "epochs": 5, "finetune": True, "warmup": 6}
    training = Training(**settings | {"schedule": "linear", "upstream_rate": 1e-3} | more)
    objective = objective_of(TASK, training)
    cpu, people = torch.device("cpu"), np.arange(COUNT) // 10
    heard = np.random.default_rng(1).normal(size=(COUNT, 13)).astype(np.float32)
    voices = heard if speaker == "mfcc" else None
    trial = Trial((Waves(),), LABELS, people, FOLD, objective, training, 3, cpu, voices)
    loaded = Gated()

    def make() -> System:
        stream = Stream(1, 3, upstream=copy.deepcopy(loaded))
        plain = mlp.make(3, dropout=0.5)
        head = plain if speaker is None else speaker_mlp.make(3, speaker=speaker)
        return System([stream], [head], 2)

    return fit(trial, make, step, Keeping.of(folder, every) if folder else None)


@pytest.mark.parametrize(
    "more", [{"average": 2}, {"refit": True}, {"patience": 1, "weight_decay": 0.1}]
)
def test_it_may_be_killed_at_any_time(tmp_path: Path, more: dict[str, Any]) -> None:
    whole = trained(Mortal(), None, **more)
    calls = 1
    while True:  # one step further each time, until it gets through
        step = Mortal(calls, tmp_path)
        try:
            again = trained(step, tmp_path, **more)
            break
        except KeyboardInterrupt:
            calls += calls < 6  # in the end each go has an epoch or two
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert again.history == whole.history
    assert again.valid_scores == whole.valid_scores
    assert (again.epoch, again.averaged) == (whole.epoch, whole.averaged)
    assert again.state.keys() == whole.state.keys()
    assert all(torch.equal(again.state[name], whole.state[name]) for name in whole.state)
    assert step.done == 5 * (3 if "refit" in more else 2)


class Slow(Mortal):
    """Each epoch that is trained takes ten seconds, by a clock that all of them share."""

    now = 0.0

    def advance(self, amount: float = 1.0) -> None:
        Slow.now += 10 * (amount == 1)
        super().advance(amount)


class Hours:
    """A clock that shows how often it was looked at."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.parametrize(("every", "more"), [(2, {"average": 2}), (5, {"refit": True})])
def test_it_may_be_killed_between_two_times_that_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, more: dict[str, Any]
) -> None:
    """The best epochs may be newer than the course that it goes on from, or no longer the best."""
    more = {"epochs": 6, "learning_rates": (1e-2,)} | more
    whole = trained(Mortal(), None, **more)
    monkeypatch.setattr("serbench.training.course.monotonic", Hours())
    took_up = 0
    for calls in range(1, 20):
        folder = tmp_path / f"{calls}"
        with suppress(KeyboardInterrupt):
            trained(Mortal(calls, folder), folder, None, every, **more)
        rest = Mortal()
        again = trained(rest, folder, None, every, **more)
        np.testing.assert_array_equal(again.scores, whole.scores)
        assert (again.history, again.averaged) == (whole.history, whole.averaged)
        assert all(torch.equal(again.state[name], whole.state[name]) for name in whole.state)
        took_up += rest.notes < 6
    assert took_up > 6


def test_it_may_be_killed_between_two_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: dict[str, Any] = {"epochs": 6, "learning_rates": (1e-2,), "average": 2}
    whole = trained(Mortal(), None, **more)
    monkeypatch.setattr("serbench.training.course.monotonic", Hours())
    left = math.inf

    def mortal(write: Any) -> Any:
        def written(*given: Any) -> None:
            nonlocal left
            write(*given)
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        return written

    for name in ("course.keep_tensors", "averaging.keep_tensors", "averaging.drop"):
        module, function = name.split(".")
        path = f"serbench.training.{name}"
        write = getattr(importlib.import_module(f"serbench.training.{module}"), function)
        monkeypatch.setattr(path, mortal(write))
    for files in range(1, 40):
        left = files
        try:
            trained(Mortal(), tmp_path / f"{files}", None, 3, **more)
            break
        except KeyboardInterrupt:
            again = trained(Mortal(), tmp_path / f"{files}", None, 3, **more)
        np.testing.assert_array_equal(again.scores, whole.scores)
        assert all(torch.equal(again.state[name], whole.state[name]) for name in whole.state)
    assert files > 6


@pytest.mark.parametrize("more", [{"average": 2}, {"refit": True}])
def test_where_it_is_made_again_another_rate_may_be_the_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    """A GPU gives other bits each time: what it chose before, and did not keep, decides nothing."""
    score, worse, fast, second = Learner.valid_score, False, False, False
    now = 0

    def clock() -> float:
        nonlocal now
        now += 9 * fast
        return now

    def scored(learner: Learner, scores: Any) -> float:
        return score(learner, scores) - (2 * second or 4 * worse)

    class Timed(Mortal):
        """Keeps nothing of the first rate, but the second, and epochs of a refit."""

        def note(self, text: str) -> None:
            nonlocal fast, second
            fast = text.startswith(("rate 0.001, epoch 1,", "training and validation"))
            second |= text.startswith("rate 0.01, epoch 5,")
            super().note(text)

    monkeypatch.setattr("serbench.training.course.monotonic", clock)
    monkeypatch.setattr(Learner, "valid_score", scored)
    first = trained(Timed(), tmp_path, None, 4, **more)
    assert first.learning_rate == RATES[0]
    assert {path.name for path in tmp_path.glob("rate-*")} == {"rate-1"}
    fast, second, worse = False, False, True
    again = trained(Timed(), tmp_path, None, 4, **more)
    worse = second = False
    whole = trained(Timed(), None, learning_rates=RATES[1:], **more)
    assert again.learning_rate == RATES[1]
    np.testing.assert_array_equal(again.scores, whole.scores)


def test_the_time_of_all_starts_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def known() -> float:
        return Keeping.of(tmp_path).seconds

    monkeypatch.setattr(Slow, "now", 0.0)
    monkeypatch.setattr("serbench.training.course.monotonic", lambda: Slow.now)
    assert known() == 0
    with pytest.raises(KeyboardInterrupt):
        trained(Slow(6), tmp_path)  # in the third epoch, which was kept
    assert known() == 30
    Slow.now = 5.0  # of another start, or another machine
    assert known() == 30
    trained(Slow(), tmp_path)
    assert known() == 100


def test_short_rates_are_kept_once_all_together_are_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 30 seconds, and a minute may be lost: the first alone, whose time is not told."""
    more: dict[str, Any] = {"epochs": 3, "learning_rates": (1e-2, 3e-3, 1e-3, 3e-4)}
    whole = trained(Slow(), None, **more)
    monkeypatch.setattr(Slow, "now", 0.0)
    monkeypatch.setattr("serbench.training.course.monotonic", lambda: Slow.now)
    with pytest.raises(KeyboardInterrupt):
        trained(Slow(3 * 8), tmp_path, None, 60, **more)  # in the last rate
    assert {path.name for path in tmp_path.iterdir()} == {"rate-1", "rate-2"}
    assert Keeping.of(tmp_path).seconds == 60
    step = Slow()
    again = trained(step, tmp_path, None, 60, **more)
    assert step.notes == 6
    np.testing.assert_array_equal(again.scores, whole.scores)


def test_a_short_one_is_not_kept_at_all(tmp_path: Path) -> None:
    trained(Mortal(), tmp_path, None, 3600, refit=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("speaker", ["id", "mfcc"])
def test_so_may_one_whose_head_knows_speakers(tmp_path: Path, speaker: str) -> None:
    """Killed in the first rate, in the second, whose first is over by then, and in the refit."""
    more: dict[str, Any] = {"refit": True, "epochs": 2}
    whole = trained(Mortal(), None, speaker, **more)
    for _ in range(6):
        with pytest.raises(KeyboardInterrupt):
            trained(Mortal(4, tmp_path), tmp_path, speaker, **more)
        if any(tmp_path.glob("refit-*")):
            break
    again = trained(Mortal(), tmp_path, speaker, **more)
    np.testing.assert_array_equal(again.scores, whole.scores)
    np.testing.assert_array_equal(again.validation, whole.validation)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    first = trained(Mortal(), tmp_path)
    step = Mortal()
    assert trained(step, tmp_path).history == first.history
    assert (step.done, step.notes) == (10, 0)


def test_as_many_states_are_on_disk_as_it_takes(tmp_path: Path) -> None:
    """The two best and the last, and in the end the two best of the best rate alone."""
    step = Mortal(folder=tmp_path)
    fitted = trained(step, tmp_path, average=2)
    assert step.most == 3
    left = sorted(path.name for path in tmp_path.rglob("epoch-*"))
    assert left == [f"epoch-{epoch:05d}.safetensors" for epoch in fitted.averaged]
    assert all(path.stat().st_size < 5000 for path in tmp_path.rglob("last.safetensors"))
