"""The published schema of a record says what is written, and what is read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from serbench.leaderboard import schema, store
from serbench.leaderboard.reading import BrokenResultError, read_record
from serbench.leaderboard.record import (
    Adaptation,
    Enrolled,
    Fit,
    LeftOut,
    ProtocolRecord,
    Weighted,
)

from .result_samples import AFFECT, classified, rated, record, rewrite

PUBLISHED = Path(schema.__file__).with_name("record.schema.json")
VALIDATOR = Draft202012Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))
FREE = {"recipe", "scores", "provenance", "shared", "seconds", "threads", "versions", "parameters"}
FREE |= {"tables"}
"""Tables with keys of any name."""


def full() -> dict[str, Any]:
    """Return a record, as JSON values, in which most of what there can be is there."""
    adaptation = Adaptation(
        on="all", transductive=True, utterances=120, hours=0.1, checkpoints=("ab" * 32,)
    )
    result = record(
        AFFECT,
        protocol=ProtocolRecord(name="speaker_folds", enrolled=Enrolled(amount=2, aside=5)),
        training=(Fit(fold="1", seed=0, learning_rate=0.1, epoch=2, valid_score=float("nan")),),
        left_out=(LeftOut(utterance="03_07", reason="silent"),),
        adaptation=adaptation,
        weighted=Weighted(heard="test", functionals="egemaps"),
        parameters={"upstream": 94_371_712, "head": 3_076},
        speed=27.5,
        tables={".parquet": "ab" * 32},
        provenance={"id": "facebook/hubert-base-ls960"},
    )
    return json.loads(store._to_json(result))


def test_the_published_schema_is_that_of_the_code():
    assert PUBLISHED.read_text(encoding="utf-8") == schema.as_text(), (
        "serbench leaderboard schema > serbench/leaderboard/record.schema.json"
    )
    Draft202012Validator.check_schema(schema.schema())


@pytest.mark.parametrize(
    ("result", "predictions"),
    [(record(), classified(1.5)), (record(AFFECT, seeds=(0, 1)), rated(0.5, (0, 1)))],
)
def test_what_is_written_is_valid(result, predictions, tmp_path):
    path = store.save(result, predictions, tmp_path)
    assert [*VALIDATOR.iter_errors(json.loads(path.read_text()))] == []


def changed() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield records with one place changed: left out, of another type, or with one thing more."""
    whole = full()
    for path in _places(whole, ()):
        for what, edit in (
            ("without", lambda at, key: at.pop(key)),
            ("other type", lambda at, key: at.__setitem__(key, {"no": "such"})),
            ("null", lambda at, key: at.__setitem__(key, None)),
            ("one more", lambda at, key: at[key].update(never="heard of")),
        ):
            plain = copy.deepcopy(whole)
            at = plain
            for step in path[:-1]:
                at = at[step]
            if what == "one more" and not isinstance(at[path[-1]], dict):
                continue
            edit(at, path[-1])
            yield f"{'.'.join(map(str, path))} {what}", plain


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for key, entry in entries:
        if path[-1:] and path[-1] in FREE:
            continue
        if isinstance(value, dict):
            yield (*path, key)
        if isinstance(entry, dict | list):
            yield from _places(entry, (*path, key))


def test_it_refuses_what_the_reader_refuses_and_nothing_else(tmp_path):
    path, apart, counts = tmp_path / "record.json", [], {True: 0, False: 0}
    for name, plain in changed():
        rewrite(path, plain)
        valid = VALIDATOR.is_valid(json.loads(path.read_text()))
        try:
            read_record(path)
            read = True
        except BrokenResultError:
            read = False
        counts[read] += 1
        if read != valid:
            apart.append(f"{name}: {'read' if read else 'refused'}")
    assert apart == []
    assert min(counts.values()) > 50


def test_of_another_format_it_says_no():
    assert not VALIDATOR.is_valid(full() | {"format": 2})
