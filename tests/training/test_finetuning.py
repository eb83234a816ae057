"""Training an upstream with the head: what only it can learn, and that all promises hold."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from torch import Tensor, nn

from serbench.benchmarks import Classification, Fold
from serbench.benchmarks.reading.audio import read_audio
from serbench.downstreams import mean_pool, mlp
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.training import store as features
from serbench.training import waveforms
from serbench.training.fit import Fitted, fit
from serbench.training.objectives import objective_of
from serbench.training.prefetching import ahead
from serbench.training.settings import FineTuning, Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.training.trial import Source, Trial
from serbench.training.waves import DecodedClips, decode, decode_to_train
from serbench.upstreams import Clips, Features, Upstream, cpc, fbank, stack

COUNT = 90
LABELS = np.arange(COUNT) % 2
FOLD = Fold("first", np.arange(50), np.arange(50, 70), np.arange(70, COUNT))
TWO = Classification(("quiet", "loud"))
CPU = torch.device("cpu")
QUICK = Training(learning_rates=(3e-2,), epochs=6, batch=10, finetune=True)
RATE = 1000  # Hz


class Gated(Upstream):
    """Loudness behind gates that are shut; dropout and a scale, which must not act and learn."""

    sample_rate, depth, dim = RATE, 1, 3

    def __init__(self, gates: float = 0.0) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.full((3,), gates))
        self.scale = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(0.9)
        self.provenance = {"id": "gated"}
        self.requires_grad_(False)
        self.eval()

    def frames(self, samples: int) -> int:
        return samples // 10

    def trainable(self) -> list[nn.Parameter]:
        return [self.gates]

    def forward(self, clips: Clips) -> Features:
        parts = [w.view(-1, 10).square().mean(1) for w in clips.waves]
        return stack(
            [self.dropout(part[None, :, None] * self.gates * self.scale) for part in parts]
        )


class Costly(Gated):
    """One whose gates cost something."""

    def auxiliary_loss(self, clips: Clips, features: Features) -> Tensor:
        assert features.layers.requires_grad == self.gates.requires_grad
        return 5.0 + 100 * self.gates.square().sum() * len(clips.waves)


def clips(labels: np.ndarray = LABELS) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.normal(0, 2.0 if label else 1.0, 300 + 10 * (i % 7)).astype(np.float32)
        for i, label in enumerate(labels)
    ]


def corpus(upstream: Upstream) -> DecodedClips:
    return held(upstream, clips())


def held(upstream: Upstream, waves: list[np.ndarray]) -> DecodedClips:
    lengths = np.array([len(wave) for wave in waves])
    return DecodedClips(upstream, waves, lengths, ["a"] * COUNT, [None] * COUNT)


class Frozen:
    """The features of an upstream, in single precision."""

    def __init__(self, waves: DecodedClips) -> None:
        self.waves, self.lengths = waves, waves.lengths

    def batch(self, rows: np.ndarray) -> Features:
        with torch.no_grad():
            return self.waves.upstream(self.waves.batch(rows))


def train(
    upstream: Upstream,
    training: Training = QUICK,
    *,
    seed: int = 0,
    head: Any = mean_pool.make,
    source: Source | None = None,
    fold: Fold = FOLD,
) -> Fitted:
    """Train with the upstream, or over the features that `source` gives."""

    def system() -> System:
        trained = None if source else copy.deepcopy(upstream)
        return single(head(upstream.dim), upstream, trained)

    return fit(trial(source or corpus(upstream), fold, training, seed), system, Watched())


def single(head: Any, like: Upstream, upstream: Upstream | None = None) -> System:
    return System([Stream(like.depth, like.dim, upstream=upstream)], [head], 2)


def trial(source: Source, fold: Fold, training: Training, seed: int = 0) -> Trial:
    objective = objective_of(TWO, training)
    nobody = np.zeros(COUNT, np.int64)
    return Trial((source,), LABELS, nobody, fold, objective, training, seed, CPU)


class Watched:
    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def accuracy(fitted: Fitted) -> float:
    return float((fitted.scores.argmax(1) == LABELS[FOLD.test]).mean())


def assert_same(one: Fitted, other: Fitted) -> None:
    np.testing.assert_array_equal(one.scores, other.scores)
    assert one.history == other.history
    assert one.state.keys() == other.state.keys()
    assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)


# --- what it learns ---


def test_what_a_frozen_upstream_hides_is_found_by_training_it() -> None:
    shut = Gated()
    frozen = train(shut, QUICK.model_copy(update={"finetune": False}), source=Frozen(corpus(shut)))
    tuned = train(shut)
    assert len(set(map(tuple, frozen.scores.round(9)))) == 1, "all clips look the same"
    assert accuracy(tuned) > 0.95 < tuned.valid_score
    assert tuned.state["streams.0.upstream.gates"].abs().min() > 0.01


def test_only_what_is_trainable_learns() -> None:
    assert torch.equal(train(Gated()).state["streams.0.upstream.scale"], torch.ones(1))


def test_the_upstream_that_was_loaded_stays_as_it_is() -> None:
    loaded = Gated()
    train(loaded)
    assert not loaded.gates.any()
    assert not loaded.gates.requires_grad


def test_every_weight_of_a_cpc_learns() -> None:
    upstream = cpc.make(weights="random", contrastive=0.1)
    before = {f"streams.0.upstream.{name}": v.clone() for name, v in upstream.state_dict().items()}
    waves = [np.resize(wave, 4000) for wave in clips()]
    source = held(upstream, waves)
    few = Fold("few", np.arange(4), np.arange(4, 8), np.arange(8, 12))
    training = Training(learning_rates=(1e-3,), epochs=1, batch=4, finetune=True)
    tuned = fit(
        trial(source, few, training),
        lambda: single(mean_pool.make(256), upstream, copy.deepcopy(upstream)),
        Watched(),
    )
    assert all(not torch.equal(tuned.state[name], value) for name, value in before.items())


def test_the_test_part_is_predicted_by_what_was_trained() -> None:
    tuned = train(Gated())
    system = single(mean_pool.make(3), Gated(), Gated()).eval()
    system.load_state_dict(tuned.state)
    with torch.no_grad():
        given = system.encode((corpus(Gated()).batch(FOLD.test),))
        logits = system(given, torch.zeros(len(FOLD.test), dtype=torch.int64))
    np.testing.assert_allclose(logits.softmax(1), tuned.scores, rtol=1e-4, atol=1e-7)


def test_an_upstream_that_hardly_learns_is_as_good_as_frozen() -> None:
    opened = Gated(gates=0.5)
    common = {"learning_rates": (1e-2,), "epochs": 3, "batch": 10, "clip_norm": 1e9}
    frozen = train(opened, Training(**common), source=Frozen(corpus(opened)))
    tuned = train(opened, Training(**common, finetune=True, upstream_rate=1e-30))
    assert frozen.history[-1].loss < frozen.history[0].loss
    np.testing.assert_allclose(tuned.scores, frozen.scores, rtol=1e-6)


# --- the update ---


@pytest.mark.parametrize(("own", "decay"), [(None, 0.0), (1e-3, 0.0), (1e-3, 0.3)])
def test_full_batches_give_what_plain_torch_gives(own: float | None, decay: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        plain = single(mean_pool.make(3), Gated(), Costly(0.1))
    upstream = plain.streams[0].upstream
    head = [p for name, p in plain.named_parameters() if "upstream" not in name]
    groups = [{"params": head}, {"params": [upstream.gates], "lr": own or 1e-2}]
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    optimizer = kind(groups, lr=1e-2, weight_decay=decay)
    batch, truth = corpus(upstream).batch(FOLD.train), torch.from_numpy(LABELS[FOLD.train])
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        given = upstream(batch)
        loss = nn.functional.cross_entropy(plain([given], torch.zeros_like(truth)), truth)
        loss = loss + 5 + 100 * upstream.gates.square().sum() * len(truth)
        loss.backward()
        nn.utils.clip_grad_norm_([*head, upstream.gates], 0.5)
        optimizer.step()
        losses.append(loss.item())
    training = Training(
        learning_rates=(1e-2,),
        epochs=4,
        batch=500,
        weight_decay=decay,
        clip_norm=0.5,
        finetune=True,
        upstream_rate=own,
        standardize=False,
    )
    tuned = train(Costly(0.1), training, seed=7)
    np.testing.assert_allclose([epoch.loss for epoch in tuned.history], losses, rtol=1e-4)


# --- promises ---


def test_one_seed_repeats_bit_for_bit_and_two_differ() -> None:
    runs = [train(Gated(), head=mlp.make, seed=seed) for seed in (3, 3, 4)]
    assert_same(runs[0], runs[1])
    assert not np.array_equal(runs[0].scores, runs[2].scores)


def test_a_learning_rate_gives_the_same_alone_and_in_a_grid() -> None:
    grid = train(Gated(), QUICK.model_copy(update={"learning_rates": (1e-9, 3e-2)}))
    assert grid.learning_rate == 3e-2
    assert_same(grid, train(Gated()))


def test_refit_starts_from_the_upstream_as_it_was_loaded() -> None:
    tested = np.arange(80, COUNT)
    chosen = Fold("validation chooses", np.arange(50), np.arange(50, 70), tested)
    whole = Fold("all there is", np.arange(70), np.arange(70, 80), tested)
    once = QUICK.model_copy(update={"epochs": 1})
    refitted = train(Gated(), once.model_copy(update={"refit": True}), fold=chosen)
    expected = train(Gated(), once, fold=whole)
    np.testing.assert_array_equal(refitted.scores, expected.scores)
    assert all(torch.equal(refitted.state[name], expected.state[name]) for name in expected.state)


def test_a_rate_that_diverges_is_out() -> None:
    tuned = train(Gated(), QUICK.model_copy(update={"learning_rates": (1e18, 3e-2)}))
    assert tuned.valid_scores[1e18] == -math.inf
    assert_same(tuned, train(Gated()))
    with pytest.raises(SerbenchError, match="not finite at each of the learning rates"):
        train(Gated(), QUICK.model_copy(update={"learning_rates": (1e18,)}))


def test_clips_need_an_upstream() -> None:
    with pytest.raises(TypeError, match="takes features, not clips"):
        single(mean_pool.make(3), Gated()).encode((corpus(Gated()).batch(FOLD.test),))


# --- the waveforms ---


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Three utterances of 0.5 s, one of them a segment, one with a text, at twice the rate."""
    rows = []
    for i in range(3):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.random.default_rng(i).normal(0, 0.1, 32000), 32000)
        start, end = (0.25, 0.75) if i == 1 else (math.nan, math.nan)
        seconds = 0.5 if i == 1 else 1.0
        rows.append((f"u{i}", str(path), start, end, f"s{i}", "hello" if i else None, seconds, i))
    columns = ["utterance", "path", "start", "end", "speaker", "text", "seconds", "recording"]
    return pd.DataFrame(rows, columns=columns).astype({"recording": str})


def test_waveforms_are_those_that_a_frozen_upstream_gets(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    upstream = fbank.make()
    stored = features.encode(table, {"name": "fbank"}, lambda: upstream, "mean", Silent())
    rows = np.array([2, 1])
    waves = decode(table, upstream)
    batch = waves.batch(rows)
    assert waves.lengths.tolist() == [16000, 8000, 16000]
    assert (batch.speakers, batch.texts) == (["s2", "s1"], ["hello", "hello"])
    assert waves.texts[0] is None
    means = upstream(batch).layers.sum(2) / upstream(batch).lengths[:, None]
    torch.testing.assert_close(stored.batch(rows).layers[:, :, 0], means, atol=1e-5, rtol=1e-4)


def test_nothing_to_train_is_told(table: pd.DataFrame) -> None:
    with pytest.raises(
        SerbenchError, match=r"this upstream has no parameters.* nothing to fine-tune; leave"
    ):
        decode_to_train(table, fbank.make(), Silent())


def test_a_clip_without_a_frame_is_told(table: pd.DataFrame) -> None:
    table.loc[1, "end"] = 0.26
    with pytest.raises(SerbenchError, match=r"too short for one frame .* 'u1' \(160\)"):
        decode_to_train(table, cpc.make(weights="random"), Silent())


def test_audio_is_read_as_it_is_needed_and_little_of_it_kept(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: Path, *rest: Any) -> np.ndarray:
        read.append(path.stem)
        return read_audio(path, *rest)

    monkeypatch.setattr(waveforms, "read_audio", counted)
    bytes_of_second = 4 * 16000
    waves = waveforms.Waveforms(table, 16000, FineTuning(), kept_bytes=bytes_of_second + 4 * 8000)
    whole = decode(table, fbank.make()).waves
    read.clear()
    for row in (0, 1, 0, 1, 2, 0, 1):  # 0 and 1 fit, 2 sends 0 out, and 0 sends 1 out, and so on
        np.testing.assert_array_equal(waves[row], whole[row])
    assert read == ["0", "1", "2", "0", "1"]
    assert waves._bytes <= bytes_of_second + 4 * 8000


@pytest.mark.parametrize("keep", ["end", "beginning"])
def test_of_long_utterances_one_end_is_kept(table: pd.DataFrame, keep: Any) -> None:
    upstream = cpc.make(weights="random")
    tuning = FineTuning(longest_seconds=0.75, keep=keep)
    source = decode_to_train(table, upstream, Silent(), tuning)
    assert source.lengths.tolist() == [12000, 8000, 12000]
    whole = decode(table, upstream).waves
    cut = slice(-12000, None) if keep == "end" else slice(12000)
    for row in range(3):
        np.testing.assert_array_equal(source.waves[row], whole[row][cut])


def test_batches_come_in_their_order_one_ahead_of_use_and_errors_where_they_are_due() -> None:
    fetched: list[int] = []

    def fetch(number: int) -> int:
        fetched.append(number)
        return 12 // (3 - number)

    coming = ahead(fetch, range(5))
    assert next(coming) == (0, 4)
    assert [next(coming) for _ in range(2)] == [(1, 6), (2, 12)]
    assert set(fetched) <= {0, 1, 2, 3}
    with pytest.raises(ZeroDivisionError):
        next(coming)
    assert list(ahead(fetch, [])) == []
