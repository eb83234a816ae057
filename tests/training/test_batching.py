"""Batches: which rows, how many, how much padding, how random."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serbench.training.batching import by_length, shuffled

ROWS = st.lists(st.integers(0, 199), min_size=2, max_size=120, unique=True).map(np.array)
LENGTHS = np.random.default_rng(0).lognormal(5.5, 0.4, 1000).astype(np.int64)


@given(rows=ROWS, size=st.integers(2, 40), seed=st.integers(0, 9), drop=st.booleans())
def test_every_row_once_but_for_a_rest(rows: np.ndarray, size: int, seed: int, drop: bool) -> None:
    batches = shuffled(rows, LENGTHS, size, np.random.default_rng(seed), drop_rest=drop)
    used = np.concatenate(batches)
    rest = len(rows) % size
    dropped = rest if len(rows) > size and (drop or rest == 1) else 0
    assert len(np.unique(used)) == len(used) == len(rows) - dropped
    assert set(used) <= set(rows)
    assert all(1 < len(batch) <= size for batch in batches)
    assert sum(len(batch) != size for batch in batches) <= 1


def padding(batches: list[np.ndarray]) -> float:
    padded = sum(LENGTHS[batch].max() * len(batch) for batch in batches)
    return float(1 - LENGTHS[np.concatenate(batches)].sum() / padded)


def test_little_is_padding() -> None:
    rows, shuffle = np.arange(1000), np.random.default_rng(1)
    ours = padding(shuffled(rows, LENGTHS, 32, shuffle, drop_rest=False))
    random = padding(np.array_split(shuffle.permutation(rows), 32))
    assert ours < 0.12 < 0.45 < random


def test_two_epochs_have_other_batches_in_another_order() -> None:
    rows, shuffle = np.arange(1000), np.random.default_rng(1)
    first, second = (shuffled(rows, LENGTHS, 32, shuffle, drop_rest=True) for _ in range(2))
    shared = [max(len(np.intersect1d(a, b)) for b in second) for a in first]
    assert np.mean(shared) < 16
    assert list(np.argsort([LENGTHS[b].mean() for b in first])) != list(range(len(first)))


def test_equal_lengths_give_a_plain_shuffle() -> None:
    # the rest that is left out comes from anywhere: each row is in about 96 of 100 rows' batches
    rows, ones, shuffle = np.arange(100), np.ones(100, np.int64), np.random.default_rng(2)
    epochs = [shuffled(rows, ones, 32, shuffle, drop_rest=True) for _ in range(2000)]
    used = np.bincount(np.concatenate([row for batches in epochs for row in batches]))
    assert abs(used / 2000 - 0.96).max() < 0.02
    together = sum(any({0, 1} <= set(batch) for batch in batches) for batches in epochs)
    assert abs(together / 2000 - 3 * (32 * 31) / (100 * 99)) < 0.04


@given(rows=ROWS, size=st.integers(1, 40))
def test_results_by_length_are_put_back_in_order(rows: np.ndarray, size: int) -> None:
    batches, places = by_length(rows, LENGTHS, size)
    assert all(len(batch) <= size for batch in batches)
    joined = np.concatenate(batches)
    assert (np.diff(LENGTHS[joined]) >= 0).all()
    np.testing.assert_array_equal(joined[places], rows)
