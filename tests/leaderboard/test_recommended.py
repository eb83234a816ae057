"""Settings that are not the recommended ones are named, and no others, whoever wrote the record."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serbench import plugins
from serbench.leaderboard import notes
from serbench.leaderboard.differing import differing
from serbench.leaderboard.identity import corrected_by, corrected_labels
from serbench.leaderboard.record import Corrected, Result
from serbench.runs import recipe
from serbench.runs.recommended import recommended

from .result_samples import classified, record, score


def stored(raw: dict[str, Any]) -> Result:
    """Return the record of a recipe."""
    made = recipe.resolve({"upstream": "fbank", "downstream": "mean_pool"} | raw)
    return record(recipe=made.plain(), labels=made.labels, seeds=made.seeds)


def named(raw: dict[str, Any]) -> str:
    """Return the settings that a lone row of a recipe shows."""
    (text,) = differing([stored(raw)], recommended)
    return text


@pytest.mark.parametrize("name", plugins.names("downstreams"))
def test_a_head_as_recommended_names_nothing(name: str):
    assert named({"downstream": name}) == ""


@pytest.mark.parametrize(
    "raw",
    [
        {"upstream": "papt_hubert"},
        {"upstream": {"name": "hubert", "weights": "base"}},
        {"downstream": {"name": "ecapa", "size": "full"}},
        {"upstream": ["hubert", "cpc"], "fusion": "late"},
        {"seeds": [0, 1, 2], "protocol": {"name": "speaker_folds", "k": 4}},
        {"benchmark": {"name": "demo", "task": "dimensions"}},
    ],
)
def test_what_the_row_or_the_board_is_called_by_is_not_named_again(raw: dict[str, Any]):
    assert named(raw) == ""


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"training": {"epochs": 3}}, "epochs=3"),
        (
            {"training": {"learning_rates": [0.1], "refit": True}},
            "learning_rates=[0.1], refit=true",
        ),
        ({"training": {"finetune": True}}, "finetune=together"),
        ({"training": {"finetune": {"front_end": True}}}, "finetune=together"),
        ({"finetune": True}, "finetune=first"),
        ({"finetune": {"epochs": 2}}, "finetune=first, epochs=2"),
        ({"training": {"average": 5, "standardize": False}}, "average=5"),
        ({"upstream": {"name": "fbank", "normalize": True}}, "normalize=true"),
        ({"upstream": {"name": "hubert", "layers": "last"}}, "layers=last"),
        ({"upstream": {"name": "papt_hubert", "layers": "all"}}, "layers=all"),
        ({"precision": "bfloat16"}, "precision=bfloat16"),
        ({"upstream": ["hubert", {"name": "fbank", "mels": 40}], "fusion": "early"}, "mels=40"),
        ({"downstream": {"name": "mean_pool", "width": 8}}, "width=8"),
    ],
)
def test_what_is_not_as_recommended_is_named_in_a_lone_row(raw: dict[str, Any], text: str):
    assert text in named(raw)


def test_each_row_names_its_own_and_what_sets_its_like_apart():
    rows = [{}, {"training": {"epochs": 3}}, {"finetune": True}, {"downstream": "mlp"}]
    assert differing([stored(raw) for raw in rows], recommended) == [
        "epochs=200, finetune=no",
        "epochs=3, finetune=no",
        "epochs=200, finetune=first",
        "",
    ]


def test_a_file_that_is_called_like_a_built_in_upstream_is_told_from_it(tmp_path: Path):
    source = plugins.find("upstreams", "fbank").source
    (tmp_path / "fbank.py").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    assert "origin=file" in named({"upstream": str(tmp_path / "fbank.py")})


HEAD = """
TRAINING = {"epochs": 7}

def make(dim, *, width: int = 4): ...
"""


def test_a_head_of_ones_own_names_what_is_not_as_it_recommends(tmp_path: Path):
    (tmp_path / "mine.py").write_text(HEAD)
    path = str(tmp_path / "mine.py")
    assert named({"downstream": path}) == ""
    assert named({"downstream": path, "training": {"epochs": 3}}) == "epochs=3"
    assert named({"downstream": {"name": path, "width": 8}}) == "width=8"


def test_a_plugin_that_is_not_installed_hides_no_setting():
    result = stored({"training": {"epochs": 3}})
    plain = copy.deepcopy(result.recipe)
    plain["upstreams"][0] |= {"name": "theirs", "options": {"k": 2, "n": 1}, "defaults": {"k": 1}}
    elsewhere = result.model_copy(update={"recipe": plain})
    assert differing([elsewhere], recommended) == ["k=2, epochs=3"]


def test_no_file_that_a_record_names_is_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.py")
    part = {"name": str(tmp_path / "pipe.py"), "options": {}, "origin": "file 0"}
    plain = {"upstreams": [part], "downstream": part, "training": {"epochs": 3}}
    assert recommended(plain)["upstreams"] == [part]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("fbank"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "options", "layers", "training"]), inner)
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["upstreams", "downstream", "training", "finetune"]), json_values)
def test_recipes_of_strangers_end_in_no_exception(key: str, value: Any):
    plain = recipe.resolve({"upstream": "fbank", "downstream": "mlp", "finetune": True}).plain()
    differing([record(recipe=plain | {key: value})], recommended)


def corrected(*steps: dict[str, Any]) -> Result:
    """Return the record of a run after some post-processors."""
    parts = recipe.steps_of(list(steps))
    made = corrected_by([part.identity() for part in parts], "0" * 64)
    names = [Path(part.name).stem for part in parts]
    labels = corrected_labels(record().labels, names)
    return record(
        recipe=made, labels=labels, corrected=Corrected(digest="0" * 64, steps=tuple(names))
    )


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([{"name": "pldc"}], ""),
        ([{"name": "pldc", "k": 15}], ""),
        ([{"name": "pldc", "k": 1}], "k=1"),
        ([{"name": "pldc", "k": 3, "neighbours": "random"}], "k=3, neighbours=random"),
        ([{"name": "em_prior"}, {"name": "prior_shift", "strength": 0.5}], "strength=0.5"),
    ],
)
def test_a_correction_names_the_options_that_are_not_the_defaults(
    steps: list[dict[str, Any]], text: str
):
    assert differing([corrected(*steps)], recommended) == [text]


@pytest.mark.parametrize("recommend", [None, recommended])
def test_corrections_of_one_name_are_told_apart(recommend: Any):
    rows = [corrected({"name": "pldc", **more}) for more in ({"k": 1}, {"k": 50}, {})]
    assert differing(rows, recommend) == ["k=1", "k=50", ""]


def test_a_control_says_that_it_is_one():
    for neighbours, words in (("random", "drawn at random"), ("all", "all that there are")):
        result = corrected({"name": "pldc", "neighbours": neighbours})
        told = notes.about_result(result, score(result, classified(1.0)))
        assert any(f"A control: neighbours are {words}" in each for each in told)
    honest = corrected({"name": "pldc", "k": 3})
    told = notes.about_result(honest, score(honest, classified(1.0)))
    assert not any("control" in each for each in told)


@settings(deadline=None, max_examples=50)
@given(json_values)
def test_corrections_of_strangers_end_in_no_exception(value: Any):
    for said in (value, [value], [{"origin": "serbench", "options": value}]):
        result = record(recipe={"postprocess": said, "of": {"digest": "0" * 64}})
        differing([result], recommended)
        notes.about_result(result, score(result, classified(1.0)))


def test_a_corrected_row_names_the_settings_of_its_run():
    run = stored({"training": {"epochs": 3}})
    steps = [{"name": "pldc", "origin": "serbench", "options": {}}]

    def corrected(of: Result, digest: str) -> Result:
        made = {"digest": digest, "recipe": corrected_by(steps, of.digest)}
        return of.model_copy(
            update=made | {"corrected": Corrected(digest=of.digest, steps=("pldc",))}
        )

    once = corrected(run, "1" * 64)
    twice = corrected(once, "2" * 64)
    texts = differing([run, once, twice], recommended)
    assert all("epochs=3" in text for text in texts)
    circle = once.model_copy(update={"corrected": Corrected(digest=twice.digest, steps=("pldc",))})
    assert len(differing([circle, twice], recommended)) == 2
    assert "epochs" not in differing([once], recommended)[0]
