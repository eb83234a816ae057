"""What only fine-tuning needs: parts of batches, schedules, precision, memory, what learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from serbench.benchmarks import Classification, Fold, Regression, Task
from serbench.devices import has_bf16
from serbench.downstreams import mean_pool
from serbench.encoders.waveform import WaveformEncoder
from serbench.encoders.weights import find
from serbench.errors import SerbenchError
from serbench.training import learning
from serbench.training.batching import parts_of
from serbench.training.fit import Fitted, fit
from serbench.training.learning import Learner
from serbench.training.losses import ccc_loss
from serbench.training.objectives import objective_of
from serbench.training.optimizing import schedule
from serbench.training.settings import FineTuning, Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.training.trial import Trial
from serbench.upstreams import Clips, Features, Upstream, cpc, stack

COUNT = 60
LABELS = np.arange(COUNT) % 2
MOODS = np.random.default_rng(1).uniform(0, 1, (COUNT, 2))
FOLD = Fold("first", np.arange(30), np.arange(30, 45), np.arange(45, COUNT))
TWO = Classification(("quiet", "loud"))
DIMENSIONS = Regression(("arousal", "valence"), low=0.0, high=1.0)
CPU = torch.device("cpu")


class Blocks(Upstream):
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
    """Noise, loud or quiet, of several lengths."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.waves = [
            rng.normal(0, 1.0 + label, 200 + 10 * (i % 9)).astype(np.float32)
            for i, label in enumerate(LABELS)
        ]
        self.lengths = np.array([len(wave) for wave in self.waves])
        self.sizes: list[int] = []

    def batch(self, rows: np.ndarray) -> Clips:
        self.sizes.append(len(rows))
        waves = [torch.from_numpy(self.waves[row]) for row in rows]
        return Clips(waves, ["a"] * len(rows), [None] * len(rows))


def trial(training: Training, task: Task = TWO, **more: Any) -> Trial:
    targets = LABELS if task is TWO else MOODS
    objective = objective_of(task, training)
    return Trial((Waves(),), targets, LABELS * 0, FOLD, objective, training, 0, CPU, **more)


def system(upstream: Upstream | None = None, **tuning: Any) -> System:
    made = upstream or Blocks()
    stream = Stream(made.depth, made.dim, upstream=made, tuning=FineTuning(**tuning))
    return System([stream], [mean_pool.make(made.dim, width=4)], 2)


class Quiet:
    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def tuned(task: Task = TWO, *, budget: float = np.inf, **tuning: Any) -> tuple[Fitted, Trial]:
    whole = Training(learning_rates=(1e-2,), batch=10, epochs=3, finetune=FineTuning(**tuning))
    made = trial(whole, task, budget=budget)
    return fit(made, system, Quiet()), made


# --- parts of a batch ---


@pytest.mark.parametrize(
    ("accumulate", "budget", "most"), [(5, np.inf, 2), (2, np.inf, 5), (1, 900, 4), (10, 1, 2)]
)
def test_cross_entropy_of_parts_is_that_of_the_whole(
    accumulate: int, budget: float, most: int
) -> None:
    whole, _ = tuned()
    parts, made = tuned(accumulate=accumulate, budget=budget)
    after_standardising = len(FOLD.train) // 10
    assert max(made.sources[0].sizes[after_standardising:]) <= most + 1
    losses = [[epoch.loss for epoch in fitted.history] for fitted in (whole, parts)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    np.testing.assert_allclose(whole.scores, parts.scores, rtol=1e-3)
    assert len(set(losses[0])) == 3


def test_concordance_of_parts_is_their_mean_by_utterances() -> None:
    """And a part of fewer than eight is left out: here 30 utterances go as 13, 12 and 5."""
    training = Training(learning_rates=(1e-30,), batch=30, epochs=1, finetune=True)
    made = trial(training, DIMENSIONS)
    lengths = np.sort(made.lengths[FOLD.train])
    budget = float(13 * lengths[12])
    learner = Learner.of(trial(training, DIMENSIONS, budget=budget))
    parts = learner.parts(FOLD.train)
    every = parts_of(FOLD.train, made.lengths, 30, budget)
    assert [len(part) for part in every if len(part) >= 8] == [len(part) for part in parts]
    assert len(every) > len(parts) > 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        same = learner.start(system)
    count = sum(map(len, parts))
    by_hand = 0.0
    for part in parts:
        outputs = same(same.encode(learner.batch(part)), torch.zeros(len(part), dtype=torch.int64))
        truth = torch.from_numpy(MOODS[part]).float()
        by_hand += ccc_loss(outputs, truth, weights=(1.0, 1.0)).item() * len(part) / count
    (epoch,) = fit(learner.trial, system, Quiet()).history
    assert epoch.loss == pytest.approx(by_hand, rel=1e-5)


def test_parts_that_are_all_too_small_for_a_concordance_are_told() -> None:
    with pytest.raises(SerbenchError, match=r"fewer than the 8 utterances .* lower .*accumulate"):
        tuned(DIMENSIONS, accumulate=5)


@given(
    lengths=st.lists(st.integers(1, 1000), min_size=2, max_size=40),
    size=st.integers(2, 40),
    budget=st.integers(1, 20_000),
)
def test_parts_hold_what_fits_and_two_at_least(lengths: list[int], size: int, budget: int) -> None:
    of, batch = np.array(lengths), np.arange(len(lengths))[::-1]
    parts = parts_of(batch, of, size, budget)
    assert sorted(np.concatenate(parts)) == list(range(len(lengths)))
    for number, part in enumerate(parts):
        last = number == len(parts) - 1  # what would be alone joins it
        assert len(part) >= 2
        assert len(part) <= size + last
        assert len(part) <= 2 + last or of[part[:-1]].max() * (len(part) - 1) <= budget or not last
        assert last or len(part) == 2 or of[part].max() * len(part) <= budget


# --- learning rates ---


def test_a_linear_schedule_rises_and_falls_to_nothing() -> None:
    training = Training(warmup=4, schedule="linear", finetune=True, upstream_rate=1e-3)
    rates = schedule(system(), 1e-2, training, updates=10)
    seen = []
    for _ in range(12):
        seen.append([group["lr"] for group in rates.optimizer.param_groups])
        rates.optimizer.step()
        rates.step()
    head, upstream = np.array(seen).T
    expected = [0.25, 0.5, 0.75, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7, 0, 0]
    np.testing.assert_allclose(head, 1e-2 * np.array(expected), atol=1e-12)
    np.testing.assert_allclose(upstream, head / 10, atol=1e-12)


def test_a_schedule_lasts_as_long_as_all_epochs() -> None:
    """Twelve updates of three batches an epoch, and one more would stand still."""
    rates: list[Any] = []

    def watched(*args: Any) -> Any:
        rates.append(schedule(*args))
        return rates[-1]

    training = Training(learning_rates=(1e-2,), batch=10, epochs=4, schedule="linear")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serbench.training.course.schedule", watched)
        fit(trial(training), system, Quiet())
    assert rates[0].get_last_lr() == [0.0, 0.0]
    assert rates[0].last_epoch == 12


# --- precision and memory ---


def test_bfloat16_is_for_the_upstream_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watching(Blocks):
        def forward(self, clips: Clips) -> Features:
            seen.add(torch.is_autocast_enabled("cpu"))
            made = super().forward(clips)
            return Features(made.layers.bfloat16(), made.lengths)

    for able in (True, False):
        seen: set[bool] = set()
        monkeypatch.setattr(learning, "has_bf16", lambda device, able=able: able)
        learner = Learner.of(trial(Training(finetune=FineTuning(mixed=True))))
        (features,) = learner.encode(system(Watching()), learner.batch(FOLD.valid))
        assert seen == {able}
        assert features.layers.dtype == (torch.float32 if able else torch.bfloat16)
    assert isinstance(has_bf16("cpu"), bool)


@pytest.fixture
def hubert(pretrained_hubert: Path) -> Callable[[], WaveformEncoder]:
    return lambda: WaveformEncoder(find(str(pretrained_hubert), None, {}))


def gradients(upstream: Upstream, **tuning: Any) -> dict[str, Tensor]:
    waves = [torch.randn(n, generator=torch.Generator().manual_seed(n)) for n in (4000, 3000)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = system(upstream, **tuning).train()
        features = made.encode((Clips(waves, ["a", "b"], [None, None]),))
        made(features, torch.zeros(2, dtype=torch.int64)).square().sum().backward()
    return {n: p.grad for n, p in upstream.named_parameters() if p.grad is not None}


def test_checkpointed_gradients_are_the_same(hubert: Callable[[], WaveformEncoder]) -> None:
    plain, saving = hubert(), hubert()
    calls = []
    attention = saving.model.encoder.layers[0].attention
    attention.register_forward_pre_hook(lambda *_: calls.append(1))
    one, other = gradients(plain), gradients(saving, checkpointing=True)
    assert one.keys() == other.keys() != set()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert len(calls) == 2, "once forward, once to compute it again"


def test_the_front_end_learns_where_it_is_asked_to(hubert: Callable[[], WaveformEncoder]) -> None:
    frozen, learning_too = gradients(hubert()), gradients(hubert(), front_end=True)
    convolutions = {name for name in learning_too if "feature_extractor" in name}
    assert convolutions
    assert learning_too.keys() - frozen.keys() == convolutions


def test_what_an_upstream_cannot_do_is_told() -> None:
    with pytest.raises(SerbenchError, match=r"upstream has no front end .*front_end out"):
        system(cpc.make(), front_end=True)
    with pytest.raises(SerbenchError, match=r"upstream cannot compute activations again"):
        system(cpc.make(), checkpointing=True)
