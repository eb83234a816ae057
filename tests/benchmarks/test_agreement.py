"""Agreement of raters, by published values; who is how far off in a fold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from pandas import DataFrame

from serbench.benchmarks import Distribution, Fold
from serbench.benchmarks.auditing.agreement import RATERS, agreement, krippendorff_alpha
from serbench.benchmarks.auditing.describing import tables
from serbench.benchmarks.auditing.sharing import imbalance

# example C of Krippendorff (2011): four observers, twelve units, 0 where one says nothing
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]


def votes() -> np.ndarray:
    said = np.array(PUBLISHED)
    return np.stack([(said == label).sum(axis=0) for label in range(1, 6)], axis=1).astype(float)


def rated() -> tuple[DataFrame, Distribution]:
    """Return a table of the published votes, of four speakers."""
    counts, task = votes(), Distribution(tuple("abcde"))
    table = DataFrame(
        dict(zip(task.columns, (counts / counts.sum(1, keepdims=True)).T, strict=True))
    )
    people = [f"s{i % 4}" for i in range(len(table))]
    about = {"speaker": people, "seconds": 1.0, RATERS: counts.sum(1)}
    age = {"s0": "young", "s1": "young", "s2": "old", "s3": "old"}
    table = table.assign(**about, gender=None, age_group=[age[who] for who in people])
    return table, task


def test_alpha_is_the_published_one() -> None:
    assert krippendorff_alpha(votes()) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_those_who_guess_is_zero_and_of_one_label_undefined() -> None:
    guessed = np.random.default_rng(0).multinomial(5, [0.5, 0.3, 0.2], 20_000).astype(float)
    assert abs(krippendorff_alpha(guessed)) < 0.01
    assert np.isnan(krippendorff_alpha(np.array([[3.0, 0.0], [2.0, 0.0]])))


def test_shares_with_their_number_of_raters_are_described() -> None:
    table, task = rated()
    found = agreement(table, task)
    assert found is not None
    assert (found.utterances, found.fewest, found.most) == (11, 2, 4)
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    pairs = [
        np.mean([one == other for one, other in combinations(said[said > 0], 2)])
        for said in np.array(PUBLISHED).T
        if (said > 0).sum() > 1
    ]
    assert found.pairs == pytest.approx(np.mean(pairs))
    assert tables(table, task)["agreement of raters"]["Krippendorff's alpha"][0] == found.alpha
    assert agreement(table.drop(columns=RATERS), task) is None


def test_the_balance_of_a_fold_is_told_for_all_that_is_said_of_people() -> None:
    table, task = rated()
    people = table["speaker"].to_numpy()
    parts = [np.flatnonzero(np.isin(people, who)) for who in (["s0"], ["s1"], ["s2", "s3"])]
    (row,) = imbalance(table, [Fold("f", *parts)], task)
    assert row["age_group"] == pytest.approx(50.0)
    assert "gender" not in row
