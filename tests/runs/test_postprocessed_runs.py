"""Recipes that say what corrects their predictions: trained once, corrected without test truths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pandas import DataFrame
from typer.testing import CliRunner

import serbench
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.plugins import find as find_plugin
from serbench.plugins import make, names
from serbench.runs.recipe import resolve

QUICK: dict[str, Any] = {
    "upstream": "fbank",
    "downstream": "mean_pool",
    "training": {"learning_rates": [1e-2], "epochs": 2},
}
TASKS = {
    "classification": 'labels = ["loud", "soft", "high"]',
    "regression": 'dimensions = ["arousal", "valence"]\nlow = 1\nhigh = 5',
}


def write_corpus(folder: Path, kind: str, permuted: int | None = None) -> Path:
    """Write noise of eight speakers; the truths of its test part in another order if asked for."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(8):
        part = "test" if number > 5 else "valid" if number > 3 else "train"
        for clip in range(6):
            level = random.uniform(1, 5)
            name = f"s{number}_{clip}.wav"
            soundfile.write(folder / name, random.normal(0, level / 50, 6000), 16000)
            label = ("loud", "soft", "high")[clip % 3]
            truth = {"arousal": level, "valence": random.uniform(1, 5), "emotion": label}
            rows.append({"path": name, "speaker": f"s{number}", "split": part, **truth})
    table = DataFrame(rows)
    if permuted is not None:
        test = table.index[table["split"] == "test"]
        order = np.random.default_rng(permuted).permutation(test)
        for column in ("arousal", "valence", "emotion"):
            table.loc[test, column] = table.loc[order, column].to_numpy()
    table.to_csv(folder / "utterances.csv", index=False)
    text = f"""name = "permuted"
version = "1"
table = "utterances.csv"
audio = "."
task = "{kind}"
{TASKS[kind]}
[protocol]
name = "corpus_split"
"""
    (folder / "benchmark.toml").write_text(text)
    return folder / "benchmark.toml"


def honest(kind: str) -> list[str]:
    """Return the post-processors of a kind that are no oracles."""
    made = {
        name: make(find_plugin("postprocessors", name), options={})
        for name in names("postprocessors")
    }
    return [name for name, step in made.items() if kind in step.serves and not step.oracle]


@pytest.mark.parametrize("kind", [*TASKS])
def test_permuted_test_truths_change_nothing_that_is_predicted(kind: str, tmp_path: Path) -> None:
    """Through the whole run, for each post-processor and for all of them in a chain."""
    steps = [*honest(kind), honest(kind)]
    found: list[list[DataFrame]] = []
    for permuted in (None, 1):
        folder = tmp_path / str(permuted)
        folder.mkdir()
        benchmark = write_corpus(folder, kind, permuted)
        made = [
            serbench.run(**QUICK, benchmark=benchmark, results=folder / "results", postprocess=step)
            for step in steps
        ]
        found.append([store.load_result(each.path).predictions for each in made])
    for one, other in zip(*found, strict=True):
        truths = [name for name in one if name.startswith("truth")]
        assert not one[truths].equals(other[truths])
        assert one.drop(columns=truths).equals(other.drop(columns=truths))


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus of dimensions; nobody writes to it."""
    return write_corpus(tmp_path_factory.mktemp("rated"), "regression")


def test_a_step_does_not_move_the_digest_of_what_is_trained(rated: Path) -> None:
    raw = {**QUICK, "benchmark": str(rated)}
    plain, corrected = resolve(raw), resolve({**raw, "postprocess": "pldc"})
    assert resolve({**raw, "postprocess": []}).digest() == plain.digest()
    assert corrected.trained.digest() == plain.digest() != corrected.digest()
    assert corrected.plain() == plain.plain()
    several = resolve({**raw, "postprocess": ["pldc", {"name": "pldc", "shift": "mu"}]})
    turned = resolve({**raw, "postprocess": [{"name": "pldc", "shift": "mu"}, "pldc"]})
    assert len({each.digest() for each in (plain, corrected, several, turned)}) == 4


def test_a_finished_run_is_corrected_without_training(
    rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = serbench.run(**QUICK, benchmark=rated, results=tmp_path)
    content = before.path.read_bytes()

    def refuse(*_: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr("serbench.runs.run.run_trials", refuse)
    monkeypatch.setattr("serbench.runs.run.encode", refuse)
    step = {"name": "pldc", "k": 2}
    made = serbench.run(**QUICK, benchmark=rated, results=tmp_path, postprocess=step)
    assert before.path.read_bytes() == content
    assert made.path != before.path
    assert made.result.labels.downstream == "mean_pool > pldc"
    assert (
        made.result.digest
        == resolve({**QUICK, "benchmark": str(rated), "postprocess": [step]}).digest()
    )
    alone = serbench.postprocess(before.path, step, tmp_path)
    assert alone.path == made.path
    never = serbench.run(
        **QUICK, benchmark=rated, results=tmp_path, postprocess=step, overwrite="never"
    )
    assert never.path == made.path
    with pytest.raises(SerbenchError, match="no result of this recipe"):
        serbench.run(
            **QUICK, benchmark=rated, results=tmp_path, postprocess="oracle", overwrite="never"
        )


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("em_prior", "'em_prior' corrects classification, not regression; leave it out"),
        (["pldc", "plcd"], "no postprocessor 'plcd'; did you mean 'pldc'"),
        ({"name": "pldc", "k": 0}, "option 'k' of post-processor 'pldc' is 0; give 1 or more"),
        ([{"k": 2}], "`serbench list postprocessors` shows the names"),
    ],
)
def test_what_cannot_be_corrected_is_refused_before_any_work(
    rated: Path, tmp_path: Path, steps: Any, message: str
) -> None:
    with pytest.raises(SerbenchError, match=message):
        serbench.run(**QUICK, benchmark=rated, results=tmp_path, postprocess=steps)
    assert not [*tmp_path.iterdir()]


def test_the_command_line_and_a_recipe_file_mean_the_same(rated: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'''upstream = "fbank"
downstream = "mean_pool"
benchmark = "{rated}"
[training]
learning_rates = [1e-2]
epochs = 2
[[postprocess]]
name = "pldc"
k = 3
[[postprocess]]
name = "pldc"
shift = "mu"
''')
    root = tmp_path / "results"
    made = serbench.run(recipe=recipe, results=root)
    assert made.result.labels.downstream == "mean_pool > pldc > pldc"
    line = ["run", "--upstream", "fbank", "--downstream", "mean_pool", "--benchmark", str(rated)]
    line += ["--set", "training.learning_rates=[0.01]", "--set", "training.epochs=2"]
    line += ["--results", str(root), "--postprocess", "pldc,pldc", "--overwrite", "never"]
    shown = CliRunner().invoke(
        app, [*line, "--set", "postprocess.1.k=3", "--set", "postprocess.2.shift=mu"]
    )
    assert shown.exit_code == 0, shown.output
    assert made.result.digest in shown.output
    assert f"Made of {made.result.corrected.digest[:8]}" in " ".join(shown.output.split())
