"""Training on planted truth: what it finds, what it chooses by, and that it repeats."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import audmetric
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from serbench.benchmarks import Classification, Fold, Regression, Task
from serbench.downstreams import Downstream, attention, ecapa, mean_pool, mlp
from serbench.errors import SerbenchError
from serbench.training.fit import Fitted, fit
from serbench.training.objectives import objective_of
from serbench.training.settings import Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.training.trial import Trial
from serbench.upstreams import Features

EMOTIONS = Classification(("anger", "boredom", "joy"))
MOODS = Regression(("arousal", "valence"), low=1.0, high=7.0)
CPU = torch.device("cpu")
COUNT = 240
LABELS = np.arange(COUNT) % 3
FOLD = Fold("first", np.arange(120), np.arange(120, 180), np.arange(180, 240))
QUICK = Training(learning_rates=(1e-2,), epochs=8)


class Source:
    """Features in memory: (L, T, D) an utterance."""

    def __init__(self, blocks: list[Tensor]) -> None:
        self.blocks = blocks
        self.lengths = np.array([block.shape[1] for block in blocks], np.int64)
        self.depth, _, self.dim = blocks[0].shape

    def batch(self, rows: np.ndarray) -> Features:
        lengths = self.lengths[rows]
        layers = torch.zeros(self.depth, len(rows), int(lengths.max()), self.dim)
        for i, row in enumerate(rows):
            layers[:, i, : lengths[i]] = self.blocks[row]
        return Features(layers, torch.from_numpy(lengths))


class Watched:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.done = 0.0
        self.notes: list[str] = []

    def advance(self, amount: float = 1.0) -> None:
        self.done += amount

    def note(self, text: str) -> None:
        self.notes.append(text)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def means(signal: Tensor, *, depth: int = 1, layer: int = 0, spread: float = 0.3) -> Source:
    """Return means over time that carry (N, K) `signal` in one layer, and noise in all."""
    layers = spread * noise(len(signal), depth, 1, 10)
    layers[:, layer, 0, : signal.shape[1]] += signal
    return Source(list(layers))


def classes(labels: np.ndarray = LABELS, **options: Any) -> Source:
    return means(torch.eye(3)[torch.from_numpy(labels)], **options)


Head = Callable[[int], Downstream]


def single(head: Downstream, source: Source, outputs: int) -> System:
    return System([Stream(source.depth, source.dim)], [head], outputs)


def train(
    source: Source,
    targets: np.ndarray = LABELS,
    *,
    head: Head = mean_pool.make,
    fold: Fold = FOLD,
    task: Task = EMOTIONS,
    training: Training = QUICK,
    seed: int = 0,
    step: Watched | None = None,
    make_system: Callable[[], System] | None = None,
    **about: Any,
) -> Fitted:
    nobody = np.zeros(len(targets), np.int64)
    objective = objective_of(task, training)
    return fit(
        Trial((source,), targets, nobody, fold, objective, training, seed, CPU, **about),
        make_system or (lambda: single(head(source.dim), source, len(task.outputs))),
        step or Watched(),
    )


def accuracy(fitted: Fitted, targets: np.ndarray = LABELS, fold: Fold = FOLD) -> float:
    return float((fitted.scores.argmax(1) == targets[fold.test]).mean())


# --- planted truth ---


@pytest.mark.parametrize("head", [mean_pool.make, mlp.make])
def test_separable_classes_are_learnt(head: Head) -> None:
    fitted = train(classes(spread=0.2), head=head)
    assert accuracy(fitted) > 0.95 < fitted.valid_score
    np.testing.assert_allclose(fitted.scores.sum(1), 1)
    assert fitted.history[-1].loss < fitted.history[0].loss


def test_labels_without_a_cause_are_not_learnt() -> None:
    shuffled = np.random.default_rng(0).permutation(LABELS)
    fitted = train(classes(), shuffled)
    # 60 test clips: chance is 0.33 with a standard error of 0.06
    assert accuracy(fitted, shuffled) < 0.52


def test_the_layer_that_tells_is_found() -> None:
    source = classes(depth=4, layer=2, spread=1.0)
    fitted = train(source, training=Training(learning_rates=(3e-2,), epochs=20))
    weights = fitted.state["streams.0.mix.logits"].softmax(0)
    assert weights.argmax() == 2
    assert weights[2] > 0.4


def moods() -> tuple[Source, np.ndarray]:
    signal = noise(COUNT, 2, seed=1)
    values = 4 + (signal @ torch.tensor([[1.0, 0.5], [-0.5, 1.0]])).clamp(-3, 3).double().numpy()
    return means(signal), values


def test_dimensions_are_learnt_on_the_benchmarks_scale() -> None:
    source, values = moods()
    fitted = train(source, values, task=MOODS, training=Training(epochs=40))
    truth = values[FOLD.test]
    for dimension in (0, 1):
        ccc = audmetric.concordance_cc(truth[:, dimension], fitted.scores[:, dimension])
        assert ccc > 0.85
    assert fitted.valid_score == max(epoch.valid for epoch in fitted.history) > 0.85


@pytest.mark.parametrize("head", [mean_pool.make, attention.make])
def test_a_dimension_with_more_weight_is_learnt_first(head: Head) -> None:
    source, values = moods()
    training = Training(epochs=4)
    first, second = (
        train(
            source,
            values,
            head=head,
            task=MOODS,
            training=training.model_copy(update={"dimension_weights": weights}),
        )
        for weights in ((1.0, 1e-12), (1e-12, 1.0))
    )
    truth = values[FOLD.test]
    for dimension, (more, less) in enumerate(((first, second), (second, first))):
        assert audmetric.concordance_cc(
            truth[:, dimension], more.scores[:, dimension]
        ) > 0.1 + audmetric.concordance_cc(truth[:, dimension], less.scores[:, dimension])


def rising_or_falling() -> Source:
    """Return clips of several lengths whose mean says nothing: the class is the direction."""
    blocks = []
    for i, label in enumerate(LABELS % 2):
        length = 12 + i % 9
        ramp = torch.linspace(-1, 1, length) * (1 if label else -1)
        blocks.append(0.3 * noise(1, length, 6, seed=i) + ramp[None, :, None])
    return Source(blocks)


def test_what_only_time_tells_is_learnt_by_ecapa_and_not_from_the_mean() -> None:
    two = Classification(("falling", "rising"))
    training = Training(learning_rates=(3e-3,), epochs=4, batch=16)
    found, missed = (
        train(rising_or_falling(), LABELS % 2, head=head, task=two, training=training)
        for head in (ecapa.make, mean_pool.make)
    )
    assert accuracy(found, LABELS % 2) > 0.95
    assert accuracy(missed, LABELS % 2) < 0.75


# --- what is chosen, and by what ---


def test_the_best_epoch_by_validation_is_used() -> None:
    fitted = train(classes(spread=1.5), training=Training(learning_rates=(1e-2,), epochs=25))
    valid = [epoch.valid for epoch in fitted.history]
    assert len(valid) == 25
    assert fitted.epoch == int(np.argmax(valid)) + 1 < 25
    assert fitted.valid_score == max(valid)
    stopped = Training(learning_rates=(1e-2,), epochs=fitted.epoch)
    np.testing.assert_array_equal(
        train(classes(spread=1.5), training=stopped).scores, fitted.scores
    )


def test_the_learning_rate_is_chosen_by_validation_alone() -> None:
    rates = Training(learning_rates=(1e-9, 1e-2), epochs=8)
    wrong = LABELS.copy()
    wrong[FOLD.valid] = (wrong[FOLD.valid] + 1) % 3
    honest, misled = train(classes(), training=rates), train(classes(), wrong, training=rates)
    assert honest.learning_rate == 1e-2
    assert accuracy(honest) > 0.95
    # the truth of the validation part was turned round: learning nothing looks better there
    assert misled.learning_rate == 1e-9
    assert accuracy(misled) < 0.8
    assert misled.valid_score == misled.valid_scores[1e-9] > misled.valid_scores[1e-2]


def test_the_truth_of_the_test_part_is_not_read() -> None:
    other = LABELS.copy()
    other[FOLD.test] = 0
    assert_same(train(classes()), train(classes(), other))


@pytest.mark.parametrize("task", [EMOTIONS, MOODS])
def test_patience_ends_training_and_progress_still_adds_up(task: Task) -> None:
    source, targets = (classes(), LABELS) if task is EMOTIONS else moods()
    training = Training(learning_rates=(1e-2, 1e-3), epochs=60, patience=3)
    step = Watched()
    fitted = train(source, targets, task=task, training=training, step=step)
    assert len(fitted.history) == fitted.epoch + 3 < 60
    assert step.done == 2 * 60
    assert len(step.notes) < 2 * 60
    assert "rate 0.001" in step.notes[-1]


def test_refit_is_training_on_both_parts() -> None:
    tested = np.arange(210, 240)
    chosen = Fold("validation chooses", np.arange(120), np.arange(120, 180), tested)
    whole = Fold("all there is", np.arange(180), np.arange(180, 210), tested)
    step, training = Watched(), Training(learning_rates=(1e-2,), epochs=1, refit=True)
    refitted = train(classes(), fold=chosen, training=training, step=step)
    expected = train(classes(), fold=whole, training=Training(learning_rates=(1e-2,), epochs=1))
    assert all(torch.equal(refitted.state[name], expected.state[name]) for name in expected.state)
    np.testing.assert_array_equal(refitted.scores, expected.scores)
    assert step.done == training.most_epochs == 2


def test_refit_lasts_as_long_as_validation_chose() -> None:
    training = Training(learning_rates=(1e-2, 1e-3), epochs=30, patience=3, refit=True)
    step = Watched()
    fitted = train(classes(), training=training, step=step)
    assert step.done == training.most_epochs == 90
    assert f"training and validation part, epoch {fitted.epoch}," in step.notes[-1]


def test_refit_starts_from_the_weights_of_its_seed() -> None:
    training = Training(learning_rates=(1e-2,), epochs=3, refit=True)
    runs = [train(classes(), training=training, seed=seed) for seed in (3, 3, 4)]
    assert_same(runs[0], runs[1])
    assert not np.array_equal(runs[0].scores, runs[2].scores)


def test_validation_is_predicted_by_what_it_chose_and_never_by_a_refit() -> None:
    training = Training(learning_rates=(1e-2,), epochs=3)
    plain = train(classes(), training=training)
    recall = audmetric.unweighted_average_recall(
        LABELS[FOLD.valid], plain.validation.argmax(axis=1)
    )
    assert recall == pytest.approx(plain.valid_score)
    refitted = train(classes(), training=training.model_copy(update={"refit": True}))
    assert not np.array_equal(refitted.scores, plain.scores)
    np.testing.assert_array_equal(refitted.validation, plain.validation)
    np.testing.assert_array_equal(refitted.training, plain.training)
    np.testing.assert_array_equal(refitted.embeddings, plain.embeddings)


def test_embeddings_are_the_means_of_standardised_frames_in_the_order_of_the_parts() -> None:
    blocks = [5 + 2 * noise(1, 3 + row % 4, 2, seed=row) for row in range(COUNT)]
    fold = replace(FOLD, train=FOLD.train[::-1].copy())
    fitted = train(Source(blocks), fold=fold, training=Training(learning_rates=(1e-2,), epochs=1))
    frames = [block[0].double().numpy() for block in blocks]
    trained = np.concatenate([frames[row] for row in fold.train])
    means = np.array([frames[row].mean(0) for row in [*fold.train, *fold.valid, *fold.test]])
    expected = (means - trained.mean(0)) / trained.std(0)
    np.testing.assert_allclose(fitted.embeddings, expected, atol=1e-4)


# --- randomness ---


def assert_same(one: Fitted, other: Fitted) -> None:
    np.testing.assert_array_equal(one.scores, other.scores)
    assert one.history == other.history
    assert one.state.keys() == other.state.keys()
    assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)


def dropping(dim: int) -> Downstream:
    return mlp.make(dim, dropout=0.5)


@pytest.mark.parametrize("head", [mean_pool.make, dropping, ecapa.make])
def test_one_seed_repeats_bit_for_bit_and_two_differ(head: Head) -> None:
    source, training = classes(), Training(epochs=2)
    runs = [train(source, head=head, training=training, seed=seed) for seed in (3, 3, 4)]
    assert_same(runs[0], runs[1])
    assert not np.array_equal(runs[0].scores, runs[2].scores)


def test_seeds_reach_the_first_weights_whatever_the_place_in_the_grid() -> None:
    source = classes()

    def first_weights(seed: int, *rates: float) -> list[Tensor]:
        made: list[Tensor] = []

        def make_system() -> System:
            system = single(mean_pool.make(10), source, 3)
            made.append(system.output.weight.detach().clone())
            return system

        training = Training(learning_rates=rates, epochs=1)
        train(classes(), training=training, seed=seed, make_system=make_system)
        return made

    one, two, three = first_weights(0, 1e-2, 1e-3, 1e-4)
    assert torch.equal(one, two) and torch.equal(two, three)
    (other,) = first_weights(1, 1e-2)
    assert not torch.isclose(one, other).any()


def test_a_learning_rate_gives_the_same_alone_and_in_a_grid() -> None:
    grid = train(classes(), head=dropping, training=Training(learning_rates=(1e-4, 1e-2), epochs=3))
    alone = train(classes(), head=dropping, training=Training(learning_rates=(1e-2,), epochs=3))
    assert grid.learning_rate == 1e-2
    assert_same(grid, alone)


def test_no_global_randomness_is_read_or_changed() -> None:
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = train(classes(), head=dropping, training=Training(epochs=2))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        assert_same(first, train(classes(), head=dropping, training=Training(epochs=2)))


class DrawsInEvaluation(Downstream):
    """A head with dropout that also draws, in vain, when it is evaluated."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = dim
        self.dropout = nn.Dropout(0.5)

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        if not self.training:
            torch.rand(7)
        return self.dropout(frames[:, 0])


def test_evaluation_does_not_advance_the_randomness_of_training() -> None:
    fewer = Fold("fewer", FOLD.train, FOLD.valid[:5], FOLD.test)
    losses = [
        [epoch.loss for epoch in train(classes(), head=DrawsInEvaluation, fold=fold).history]
        for fold in (FOLD, fewer)
    ]
    assert losses[0] == losses[1]


# --- the update, step by step ---


@pytest.mark.parametrize(("decay", "warmup"), [(0.0, 0), (0.3, 0), (0.0, 4)])
def test_full_batches_give_what_plain_torch_gives(decay: float, warmup: int) -> None:
    source = classes()
    training = Training(
        learning_rates=(1e-2,),
        batch=500,
        epochs=6,
        warmup=warmup,
        weight_decay=decay,
        clip_norm=0.05,
        standardize=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        plain = single(mean_pool.make(10), source, 3)
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    optimizer = kind(plain.parameters(), lr=1e-2, weight_decay=decay)
    layers, lengths = source.batch(FOLD.train)
    losses = []
    for update in range(6):
        if update < warmup:
            optimizer.param_groups[0]["lr"] = 1e-2 * (update + 1) / warmup
        optimizer.zero_grad()
        outputs = plain([Features(layers, lengths)], torch.zeros(120, dtype=torch.int64))
        loss = nn.functional.cross_entropy(outputs, torch.from_numpy(LABELS[FOLD.train]))
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.05)
        optimizer.step()
        losses.append(loss.item())
    fitted = train(source, training=training, seed=7)
    np.testing.assert_allclose([epoch.loss for epoch in fitted.history], losses, rtol=1e-4)


def test_saved_state_gives_the_scores_again() -> None:
    source = classes()
    fitted = train(source, head=mlp.make)
    system = single(mlp.make(10), source, 3).eval()
    system.load_state_dict(fitted.state)
    layers, lengths = source.batch(FOLD.test)
    with torch.no_grad():
        logits = system([Features(layers, lengths)], torch.zeros_like(lengths))
    np.testing.assert_allclose(logits.softmax(1), fitted.scores, rtol=1e-4, atol=1e-7)


class OneOddGradient(Downstream):
    """A head whose first gradient is not finite, though the loss is."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = 16
        self.dense = nn.Linear(dim, 16)
        self.calls = 0
        self.dense.weight.register_hook(self.spoil)

    def spoil(self, gradient: Tensor) -> Tensor:
        self.calls += 1
        return gradient * math.nan if self.calls == 1 else gradient

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return self.dense(frames[:, 0])


def test_an_update_with_a_gradient_that_is_not_finite_is_skipped_and_counted() -> None:
    step = Watched()
    fitted = train(classes(), head=OneOddGradient, step=step)
    assert accuracy(fitted) > 0.95
    assert [epoch.skipped for epoch in fitted.history] == [1] + [0] * 7
    assert "1 batches not finite and left out" in step.notes[0]
    assert "not finite" not in step.notes[1]


class Spoilt(Source):
    """Features of which some batches of training, counted from 0, are not a number."""

    def __init__(self, blocks: list[Tensor], odd: set[int]) -> None:
        super().__init__(blocks)
        self.odd, self.calls = odd, 0

    def batch(self, rows: np.ndarray) -> Features:
        features = super().batch(rows)
        if set(rows.tolist()) <= set(FOLD.train.tolist()):
            if self.calls in self.odd:
                features.layers[0, 0, 0, 0] = math.nan
            self.calls += 1
        return features


PLAIN = Training(learning_rates=(1e-2,), batch=10, epochs=3, standardize=False)


@pytest.mark.parametrize("task", [EMOTIONS, MOODS])
def test_odd_batches_are_left_out_as_if_they_had_not_been(task: Task) -> None:
    """Twelve batches an epoch; batch normalisation forgets the odd ones, too."""
    source, targets = (classes(), LABELS) if task is EMOTIONS else moods()
    odd = {0, 5, *range(12, 21)}  # nine in a row, one less than is borne
    spoilt = Spoilt(source.blocks, odd)
    fitted = train(spoilt, targets, head=mlp.make, task=task, training=PLAIN)
    assert [epoch.skipped for epoch in fitted.history] == [2, 9, 0]
    assert all(math.isfinite(epoch.loss) for epoch in fitted.history)
    assert np.isfinite(fitted.scores).all()
    assert all(value.isfinite().all() for value in fitted.state.values())


def test_the_mean_loss_of_an_epoch_is_that_of_the_batches_that_were_learnt_from() -> None:
    """At a rate of next to nothing, each batch has the loss that it has alone."""
    still = PLAIN.model_copy(update={"learning_rates": (1e-30,), "epochs": 1})
    (whole,) = train(classes(), training=still).history
    (rest,) = train(Spoilt(classes().blocks, {3}), training=still).history
    (only,) = train(Spoilt(classes().blocks, {*range(1, 4), *range(5, 12)}), training=still).history
    assert (rest.skipped, only.skipped) == (1, 10)
    assert rest.loss != whole.loss
    assert rest.loss == pytest.approx(whole.loss, rel=0.1)


@pytest.mark.parametrize("key", ["training", "finetune"])
def test_divergence_names_the_rates_of_its_stage(key: Literal["training", "finetune"]) -> None:
    with pytest.raises(SerbenchError, match=rf"--set {key}\.learning_rates=\[1e-5\]"):
        train(Spoilt(classes().blocks, set(range(1000))), training=PLAIN, key=key)


@pytest.mark.parametrize("odd", [range(2, 12), range(1000)])
def test_too_many_odd_batches_in_a_row_are_divergence(odd: range) -> None:
    with pytest.raises(SerbenchError, match=r"not finite at each of the learning rates .0\.01"):
        train(Spoilt(classes().blocks, set(odd)), training=PLAIN)


def test_an_epoch_of_odd_batches_alone_is_divergence() -> None:
    large = PLAIN.model_copy(update={"batch": 60})
    with pytest.raises(SerbenchError, match="not finite at each"):
        train(Spoilt(classes().blocks, {2, 3}), training=large)


# --- what goes wrong ---


@pytest.mark.parametrize("task", [EMOTIONS, MOODS])
def test_a_rate_that_diverges_is_out(task: Task) -> None:
    source, targets = (classes(), LABELS) if task is EMOTIONS else moods()
    training = Training(learning_rates=(1e18, 1e-2), epochs=4)
    step = Watched()
    fitted = train(source, targets, task=task, training=training, step=step)
    assert fitted.learning_rate == 1e-2
    assert fitted.valid_scores[1e18] == -math.inf
    assert np.isfinite(fitted.scores).all()
    assert step.done == 2 * 4


def test_all_rates_diverging_is_told() -> None:
    training = Training(learning_rates=(1e18, 5e18), epochs=3)
    with pytest.raises(SerbenchError, match=r"'first'.*1e\+18.*learning_rates"):
        train(classes(), training=training)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_utterances_are_told(count: int) -> None:
    fold = Fold("tiny", FOLD.train[:count], FOLD.valid, FOLD.test)
    with pytest.raises(SerbenchError, match=rf"'tiny'.*train {count}, valid 60, test 60"):
        train(classes(), fold=fold)


def test_a_validation_part_that_cannot_choose_is_told() -> None:
    source, values = moods()
    values[FOLD.valid, 1] = 4.0
    with pytest.raises(SerbenchError, match=r"'first'.*same valence"):
        train(source, values, task=MOODS)


@pytest.mark.parametrize("task", [EMOTIONS, MOODS])
@pytest.mark.parametrize("count", [2, 31, 32, 33, 34, 65])
def test_any_number_of_utterances_trains_with_batch_statistics(task: Task, count: int) -> None:
    source, targets = (classes(), LABELS) if task is EMOTIONS else moods()
    fold = Fold("odd", FOLD.train[:count], FOLD.valid[:33], FOLD.test[:1])
    training = Training(epochs=1)
    fitted = train(source, targets, head=mlp.make, fold=fold, task=task, training=training)
    assert fitted.scores.shape == (1, 3 if task is EMOTIONS else 2)


# --- the table ---


def test_targets_are_positions_in_the_labels_or_the_dimensions() -> None:
    table = pd.DataFrame(
        {"emotion": ["joy", "anger"], "valence": [3.0, 4.5], "arousal": [1, 7], "other": "x"}
    )
    np.testing.assert_array_equal(objective_of(EMOTIONS, QUICK).targets(table), [2, 0])
    np.testing.assert_array_equal(objective_of(MOODS, QUICK).targets(table), [[1, 3], [7, 4.5]])
    with pytest.raises(SerbenchError, match=r"'emotion' has \['envy'\].*boredom"):
        objective_of(EMOTIONS, QUICK).targets(table.assign(emotion=["joy", "envy"]))
