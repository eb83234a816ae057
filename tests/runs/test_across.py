"""Recipes that name several corpora: what they mean, what names them, what they run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import serbench
from serbench.benchmarks import demo
from serbench.errors import SerbenchError
from serbench.runs import recipe as recipes
from serbench.runs.corpus import _typed

SAME = ["angry=anger", "sad=sadness", "happy=happiness"]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two corpora, the speakers of two sessions of the demo each, with other labels."""
    table = demo.make().read(None)
    found = {}
    for name, sessions in (("first", "123"), ("second", "45")):
        folder = tmp_path_factory.mktemp(name)
        rows = table[table.session.isin(list(sessions))].groupby(["speaker", "emotion"]).head(3)
        renamed = dict(line.split("=") for line in SAME) if name == "second" else {}
        rows = rows.assign(emotion=rows.emotion.replace(renamed))
        rows[["utterance", "path", "speaker", "emotion"]].to_csv(folder / "t.csv", index=False)
        labels = sorted(set(rows.emotion))
        found[name] = folder / f"{name}.toml"
        found[name].write_text(
            f'name = "{name}"\nversion = "1"\ntable = "t.csv"\ntask = "classification"\n'
            f"labels = {json.dumps(labels)}\n"
        )
    return found


def recipe(corpora: dict[str, Path], **benchmark: Any) -> Any:
    asked = {"test": [str(corpora["second"])], "train": [str(corpora["first"])], "map": SAME}
    return recipes.resolve(
        {"upstream": "fbank", "downstream": "mean_pool", "benchmark": asked | benchmark}
    )


def test_a_run_across_corpora_has_its_result_under_both_names(
    corpora: dict[str, Path], tmp_path: Path
) -> None:
    asked = {"test": [str(corpora["second"])], "train": [str(corpora["first"])], "map": SAME}
    outcome = serbench.run(
        upstream="fbank",
        downstream="mean_pool",
        benchmark=asked,
        training={"epochs": 1, "learning_rates": [1e-3]},
        results=tmp_path,
    )
    assert outcome.path.parent.name == "first_to_second"
    assert [fold.name for fold in outcome.result.split.folds] == ["second"]
    predictions = pd.read_parquet(outcome.path.with_suffix(".parquet"))
    assert predictions.utterance.str.startswith("second/").all()
    assert set(predictions.truth) == {"anger", "happiness", "neutral", "sadness"}
    told = outcome.path.read_text()
    assert str(corpora["first"].parent) not in told
    assert "first.toml" in told


def test_what_the_corpora_are_counts_and_where_they_lie_does_not(
    corpora: dict[str, Path], tmp_path: Path
) -> None:
    before = recipe(corpora).digest()
    moved = {name: tmp_path / path.parent.name / path.name for name, path in corpora.items()}
    for name, path in corpora.items():
        shutil.copytree(path.parent, moved[name].parent)
    assert recipe(moved).digest() == before
    assert recipe(corpora, map=[*SAME[:2], "happy=", "happiness="]).digest() != before
    text = moved["first"].read_text()
    moved["first"].write_text(text.replace('version = "1"', 'version = "2"'))
    assert recipe(moved).digest() != before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"test": []}, "say what is tested"),
        ({"test": ["demo"], "train": ["demo"]}, "named twice; .*--benchmark emodb,crema_d"),
        ({"test": ["demo:task=dimension"]}, "dimension"),
        ({"test": ["demo"], "tran": ["emodb"]}, "did you mean 'train'"),
        (["demo", "emodd"], "did you mean 'emodb'"),
    ],
)
def test_corpora_that_cannot_be_are_refused(asked: Any, message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        recipes.benchmark_part(asked)


def test_files_that_are_called_alike_go_by_the_names_in_them(
    corpora: dict[str, Path], tmp_path: Path
) -> None:
    """As all that `data import` writes are called benchmark.toml."""
    for name, path in corpora.items():
        shutil.copytree(path.parent, tmp_path / name)
        (tmp_path / name / path.name).rename(tmp_path / name / "benchmark.toml")
    files = {name: tmp_path / name / "benchmark.toml" for name in corpora}
    made = recipes.make_benchmark(recipe(files).benchmark)
    named = {path.read_text().split('name = "')[1].split('"')[0] for path in files.values()}
    assert {*made.read(None)["corpus"]} == named != {"benchmark"}
    for path in files.values():
        path.write_text(re.sub('name = ".*"', 'name = "same"', path.read_text()))
    with pytest.raises(SerbenchError, match="both called 'same'; give one another `name`"):
        recipe(files)


def test_a_protocol_does_not_split_what_the_recipe_has_split() -> None:
    across = {"test": ["emodb"], "train": ["crema_d"], "map": ["boredom="]}
    with pytest.raises(SerbenchError, match="splits what --train-on has split already"):
        recipes.resolve_data({"benchmark": across, "protocol": "speaker_folds"})
    _, split = recipes.resolve_data({"benchmark": across})
    assert split.options["tests"] == ("emodb",)


@pytest.mark.parametrize(
    ("asked", "typed"),
    [
        ("demo", "demo"),
        ({"name": "crema_d", "labels": "voice"}, "crema_d --set benchmark.labels=voice"),
        ({"test": ["emodb"], "train": ["crema_d", "demo"]}, "emodb --train-on crema_d,demo"),
        (["emodb", "demo"], "emodb,demo"),
        (
            {"test": ["emodb"], "train": ["crema_d"], "map": ["boredom="]},
            """emodb --train-on crema_d --set 'benchmark.map=["boredom="]'""",
        ),
    ],
)
def test_the_remedy_for_a_corpus_can_be_typed(asked: Any, typed: str) -> None:
    assert _typed(recipes.benchmark_part(asked)) == typed


def test_what_is_not_joined_is_counted(corpora: dict[str, Path], tmp_path: Path) -> None:
    for name, path in corpora.items():
        shutil.copytree(path.parent, tmp_path / name)
    first = tmp_path / "first" / "t.csv"
    rows = pd.read_csv(first)
    rows["split"] = ["unlabelled", *["train"] * (len(rows) - 1)]
    rows.loc[0, "emotion"] = None
    rows.to_csv(first, index=False)
    files = {name: tmp_path / name / path.name for name, path in corpora.items()}
    joined = recipe(files, map=[*SAME[:2], "happy=", "happiness="]).benchmark
    counted = recipes.make_benchmark(joined).read(None).attrs["left_out"]
    assert counted["first unlabelled"] == 1
    assert {word.partition(" ")[2] for word in counted} == {"unlabelled", "happy", "happiness"}
