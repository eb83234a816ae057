"""Groups by number are those of pandas, in the order of appearance."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from serbench.scoring.numbering import numbered, trials

ROWS = st.lists(
    st.tuples(st.sampled_from("1ab"), st.integers(-2, 2), st.sampled_from([0.0, -0.0, 0.1, 3.0])),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.permutations(["fold", "seed", "x"]), st.integers(1, 3))
def test_rows_are_numbered_as_pandas_numbers_them(rows, order, count):
    table = DataFrame(rows, columns=["fold", "seed", "x"])
    keys = order[:count]
    groups, first = numbered(table, keys)
    assert groups.tolist() == table.groupby(keys, sort=False).ngroup().tolist()
    assert first.tolist() == [*table.drop_duplicates(keys).index]


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_trials_are_those_of_pandas(rows):
    table = DataFrame(rows, columns=["fold", "seed", "x"])
    each = table.groupby(["fold", "seed"], sort=False)
    expected = [(name, [*own.index]) for name, own in each]
    assert [(name, own.tolist()) for name, own in trials(table)] == expected


def test_a_table_without_rows_has_no_groups():
    empty = DataFrame({"fold": np.array([], object), "seed": np.array([], int)})
    assert [len(each) for each in numbered(empty, ["fold", "seed"])] == [0, 0]
