"""Recipes that say what corrects their predictions: trained once, corrected without test truths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pandas import DataFrame, read_csv
from typer.testing import CliRunner

import serbench
from serbench.cli import app
from serbench.cli.terminal import show
from serbench.errors import SerbenchError
from serbench.leaderboard import beside, store
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
        (["pldc", "plcd"], "no post-processor 'plcd'; did you mean 'pldc'"),
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


def test_validation_is_predicted_before_a_refit(tmp_path: Path) -> None:
    """What a post-processor fits there never comes from weights that were trained on it."""
    for kind, step in (("regression", "pldc"), ("classification", "class_means")):
        folder = tmp_path / kind
        folder.mkdir()
        benchmark, tables = write_corpus(folder, kind), []
        for refit in (False, True):
            training = {**QUICK["training"], "refit": refit}
            made = serbench.run(
                **{**QUICK, "training": training},
                benchmark=benchmark,
                results=folder / "results",
                postprocess=step,
            )
            assert made.result.corrected is not None
            run = store.look_up(folder / "results", made.result.corrected.digest)
            entry = store.load_result(run)
            parts = [beside.load_part(run, entry.result, part) for part in ("valid", "train")]
            voices = beside.load_voices(run, entry.result)
            tables.append((entry.predictions, *parts, voices))
        (tested, *known), (tested_anew, *known_anew) = tables
        assert not tested.equals(tested_anew)
        assert all(map(DataFrame.equals, known, known_anew))


def test_embeddings_are_kept_of_classes_alone_and_are_small(rated: Path, tmp_path: Path) -> None:
    made = serbench.run(**QUICK, benchmark=rated, results=tmp_path)
    assert not made.path.with_suffix(".embedded.parquet").exists()
    labelled = serbench.run(
        **QUICK, benchmark=write_corpus(tmp_path, "classification"), results=tmp_path
    )
    kept = beside.load_embedded(labelled.path, labelled.result)
    assert kept.shape == (48, 3 + 32)
    assert kept.dtypes.iloc[3:].eq("float16").all()
    corrected = serbench.postprocess(labelled.path, "em_prior", tmp_path)
    assert beside.load_embedded(corrected.path, corrected.result).equals(kept)
    # of the training part the first component has spread 1, and no other has more
    rows = kept.set_index("utterance")
    train = beside.load_part(labelled.path, labelled.result, "train")["utterance"]
    spreads = rows.loc[train].filter(regex="^e").astype(float).std(ddof=0)
    assert spreads["e0"] == pytest.approx(1, abs=1e-2)
    assert spreads.is_monotonic_decreasing
    labelled.path.with_suffix(".embedded.parquet").unlink()
    with pytest.raises(SerbenchError, match="has no embeddings of its utterances"):
        serbench.postprocess(labelled.path, "class_means", tmp_path)


def test_damaged_embeddings_are_one_sentence(tmp_path: Path) -> None:
    made = serbench.run(
        **QUICK, benchmark=write_corpus(tmp_path, "classification"), results=tmp_path
    )
    # an older record has no checksums, by which a change would be noticed first
    older = made.result.model_copy(update={"tables": {}, "checksum": ""})
    made.path.write_text(older.model_dump_json())
    file = made.path.with_suffix(".embedded.parquet")
    kept = beside.load_embedded(made.path, made.result)
    for wrong, message in (
        (kept.assign(e1=np.inf), "the embeddings are not finite"),
        (kept.rename(columns={"e0": "f0"}), "the embeddings have other columns"),
        (kept.assign(utterance=kept["utterance"].iloc[0]), "an utterance has two embeddings"),
    ):
        wrong.to_parquet(file, index=False)
        with pytest.raises(SerbenchError, match=message):
            serbench.postprocess(made.path, "class_means", tmp_path)


def test_a_corpus_that_does_not_say_who_speaks_is_refused(tmp_path: Path) -> None:
    benchmark = write_corpus(tmp_path, "regression")
    table = read_csv(tmp_path / "utterances.csv")
    table.drop(columns="speaker").to_csv(tmp_path / "utterances.csv", index=False)
    with pytest.raises(SerbenchError, match="speaker"):
        serbench.run(**QUICK, benchmark=benchmark, results=tmp_path, postprocess="pldc")


@pytest.mark.parametrize("kind", [*TASKS])
def test_speakers_of_one_clip_go_through_every_post_processor(kind: str, tmp_path: Path) -> None:
    """They have no spread, and hardly a prior; who is heard little is moved little."""
    benchmark = write_corpus(tmp_path, kind)
    table = read_csv(tmp_path / "utterances.csv")
    first = (table["split"] != "test") | ~table["speaker"].duplicated()
    more = table["speaker"] == "s7"
    table[first | more].to_csv(tmp_path / "utterances.csv", index=False)
    plain = serbench.run(**QUICK, benchmark=benchmark, results=tmp_path)
    before = store.load_result(plain.path).predictions
    numbers = [n for n in before if n.startswith(("prediction:", "score:"))]
    alone = before["speaker"] == "s6"
    assert alone.sum() == 1
    for name in honest(kind):
        made = serbench.postprocess(plain.path, name, tmp_path)
        after = store.load_result(made.path).predictions
        assert np.isfinite(after[numbers].to_numpy()).all()
        if name == "pldc":
            assert after[alone].equals(before[alone])


def test_a_board_is_asked_for_by_the_file_of_its_benchmark(rated: Path, tmp_path: Path) -> None:
    serbench.run(**QUICK, benchmark=rated, results=tmp_path)
    line = ["leaderboard", "--results", str(tmp_path), "--benchmark"]
    named, filed = (CliRunner().invoke(app, [*line, each]) for each in ("permuted", str(rated)))
    assert named.exit_code == filed.exit_code == 0
    assert "permuted 1" in named.output == filed.output
    with pytest.raises(
        SerbenchError, match=r"no results of demo in .*; there are some of permuted"
    ):
        serbench.load_results(tmp_path, benchmark="demo")


def _louder(folder: Path) -> None:
    for path in folder.glob("*.wav"):
        wave, rate = soundfile.read(path)
        soundfile.write(path, wave / 2, rate)


def test_what_was_corrected_of_other_audio_is_neither_compared_nor_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "corpus").mkdir()
    corpus, results = write_corpus(tmp_path / "corpus", "regression"), tmp_path / "results"
    asked: dict[str, Any] = {**QUICK, "benchmark": corpus, "results": results}
    made = serbench.run(**asked, postprocess="pldc")
    show(made)
    assert "before" in capsys.readouterr().out
    _louder(corpus.parent)
    run = serbench.run(**asked, overwrite="always")
    show(made)
    told = capsys.readouterr()
    assert "before" not in told.out
    assert "computed again on other data: not the same audio" in " ".join(told.err.split())
    content = made.path.read_bytes()
    for again in (
        lambda: serbench.postprocess(run.path, "pldc", results),
        lambda: serbench.run(**asked, postprocess="pldc"),
    ):
        with pytest.raises(SerbenchError, match="already, of a run on other data: not the same"):
            again()
    assert made.path.read_bytes() == content
    anew = serbench.run(**asked, postprocess="pldc", overwrite="always")
    assert anew.path == made.path
    assert made.path.read_bytes() != content


def test_a_result_is_shown_without_its_audio_where_nothing_is_computed(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, "regression")
    asked: dict[str, Any] = {**QUICK, "benchmark": corpus, "results": tmp_path / "results"}
    made = serbench.run(**asked)
    (tmp_path / "s0_0.wav").unlink()
    corpus.write_text(corpus.read_text().replace('audio = "."', 'audio = "gone"'))
    with pytest.raises(SerbenchError, match=r"'audio': folder .* does not exist"):
        serbench.run(**asked)
    assert made.path.exists()
