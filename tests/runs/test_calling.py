"""`serbench.run`: the recipe that its arguments mean, which is that of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import serbench
from serbench.cli.options import assign
from serbench.errors import SerbenchError
from serbench.runs import recipe as recipes
from serbench.runs.calling import recipe_of

from .. import commands  # noqa: TID252

PLAIN: dict[str, Any] = {"upstream": "fbank", "downstream": "mlp"}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A recipe with a table for each part."""
    path = tmp_path / "own.toml"
    path.write_text(
        'upstream = {name = "fbank", mels = 40}\ndownstream = {name = "ecapa", size = "full"}\n'
        'protocol = "speaker_folds"\nseeds = [1, 2]\ntraining = {epochs = 7, batch = 16}\n'
    )
    return path


def test_a_run_is_that_of_the_command_line(own: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    flags = ["--recipe", own, "--upstream", "fbank", "--downstream", "mlp", "--seeds", "1"]
    flags += ["--set", "training.epochs=1", "--set", "protocol.k=3", "--results", results]
    ended = commands.serbench("run", *flags)
    assert ended.returncode == 0, ended.stderr
    (record,) = results.glob("demo/*.json")
    outcome = serbench.run(
        recipe=own,
        upstream="fbank",
        downstream={"name": "mlp"},
        protocol={"k": 3},
        training={"epochs": 1},
        seeds=range(1),
        results=results,
        overwrite="never",
    )
    assert outcome.path == record
    predictions = pd.read_parquet(outcome.path.with_suffix(".parquet"))
    right = (predictions["truth"] == predictions["prediction"]).mean()
    assert outcome.scores.by_fold["wa"].pooled == pytest.approx(right)


def command_line(start: Path | None, given: dict[str, Any], settings: list[str]) -> str:
    """Return the digest of what `serbench run --recipe START --KEY NAME --set KEY=VALUE` runs."""
    raw = ({} if start is None else recipes.read_recipe(start)) | given
    assign(raw, settings)
    return recipes.resolve(raw).digest()


@pytest.mark.parametrize(
    ("keys", "given", "settings"),
    [
        (PLAIN, PLAIN, []),
        (
            {"upstream": {"name": "fbank", "mels": 30}, "downstream": "ecapa"},
            {"upstream": "fbank", "downstream": "ecapa"},
            ["upstream.mels=30"],
        ),
        (
            PLAIN | {"benchmark": {"task": "dimensions"}, "training": {"learning_rates": (0.1,)}},
            PLAIN,
            ["benchmark.name=demo", "benchmark.task=dimensions", "training.learning_rates=[0.1]"],
        ),
        (
            PLAIN | {"seeds": (0, 3), "leave_out_broken": True},
            PLAIN | {"leave_out_broken": True},
            ["seeds=[0,3]"],
        ),
    ],
)
def test_the_digest_is_that_of_the_command_line(
    keys: dict[str, Any], given: dict[str, Any], settings: list[str]
) -> None:
    assert recipe_of(None, keys).digest() == command_line(None, given, settings)


@pytest.mark.parametrize(
    ("keys", "given", "settings"),
    [
        ({}, {}, []),
        ({"upstream": "fbank"}, {"upstream": "fbank"}, []),
        ({"upstream": {"name": "mfcc"}}, {"upstream": "mfcc"}, []),
        (
            {"upstream": {"deltas": 0}, "protocol": {"k": 3}, "training": {"epochs": 1}},
            {},
            ["upstream.deltas=0", "protocol.k=3", "training.epochs=1"],
        ),
        ({"seeds": range(2)}, {}, ["seeds=[0,1]"]),
    ],
)
def test_a_name_replaces_and_a_table_without_one_changes_what_a_recipe_says(
    own: Path, keys: dict[str, Any], given: dict[str, Any], settings: list[str]
) -> None:
    digest = recipe_of(own, keys).digest()
    assert digest == command_line(own, given, settings)
    assert (digest == recipe_of(own, {}).digest()) == (not keys)


def test_shipped_recipes_are_known_by_name() -> None:
    keys = {"benchmark": "demo", "upstream": "fbank"}
    expected = command_line(recipes.path_of("superb"), keys, [])
    assert recipe_of("superb", keys).digest() == expected


def test_paths_are_taken_as_paths(pretrained_hubert: Path) -> None:
    given = {"name": "hubert", "weights": pretrained_hubert}
    made = recipe_of(None, PLAIN | {"upstream": given})
    assert made == recipe_of(None, PLAIN | {"upstream": given | {"weights": str(given["weights"])}})
    assert made.upstreams[0].contents


def test_it_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    training = {"epochs": 1, "learning_rates": [1e-2]}
    run = {**PLAIN, "protocol": {"name": "speaker_folds", "k": 3}, "training": training}
    outcome = serbench.run(**run, results=tmp_path)
    again = serbench.run(**run, results=str(tmp_path))
    assert again.result == outcome.result
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"upstrem": "fbank"}, "did you mean 'upstream'?"),
        ({"upstream": "fbnk"}, "did you mean 'fbank'?"),
        ({"downstream": None}, "no downstream is given"),
        ({"seeds": 3}, "recipe key 'seeds'"),
        ({"overwrite": "nevr"}, "did you mean 'never'?"),
        ({"recipe": "suberb"}, "did you mean 'superb'?"),
        ({"device": "gpu"}, "device 'gpu' cannot be used"),
        ({"overwrite": "never"}, "there is no result of this recipe in"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SerbenchError) as caught:
        serbench.run(**PLAIN | {"results": tmp_path} | arguments)
    assert message in str(caught.value)
