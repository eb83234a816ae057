"""Finished runs, corrected: end to end on the synthetic corpus."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import serbench
from serbench.checks import check_plugin
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import beside, store
from serbench.leaderboard.comparing import compare
from serbench.leaderboard.notes import about_result
from serbench.leaderboard.table import rank
from serbench.leaderboard.verifying import verify
from serbench.plugins import names
from serbench.runs.neighbours import neighbours
from serbench.runs.remaking import remade
from serbench.runs.result import Outcome
from serbench.scoring.scores import score
from serbench.scoring.voices import vectors

QUICK: dict[str, Any] = {
    "upstream": "fbank",
    "downstream": "mean_pool",
    "training": {"learning_rates": [1e-2], "epochs": 3},
    "seeds": (0, 1),
}


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a run on dimensions; nobody writes to its folder but beside it."""
    benchmark = {"name": "demo", "task": "dimensions"}
    results = tmp_path_factory.mktemp("rated")
    return serbench.run(**QUICK, benchmark=benchmark, results=results)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a run on classes."""
    return serbench.run(**QUICK, benchmark="demo", results=tmp_path_factory.mktemp("labelled"))


def test_a_run_keeps_the_voices_of_its_speakers(rated: Outcome) -> None:
    voices = beside.load_voices(rated.path, rated.result)
    assert voices["speaker"].nunique() == 10
    assert len(voices) == 10 * 5 * 2
    assert voices.groupby(["fold", "seed"])["clips"].sum().eq(440).all()
    # the features are standardised by the training part, so nobody's vector is far from zero
    assert np.abs(vectors(voices)).max() < 10


def test_nothing_is_trained_and_both_results_lie_there(rated: Outcome) -> None:
    before = rated.path.read_bytes()
    made = serbench.postprocess(rated.path, {"name": "pldc", "k": 3}, rated.path.parents[1])
    assert rated.path.read_bytes() == before
    assert made.result.corrected is not None
    assert made.result.corrected.digest == rated.result.digest
    assert made.result.labels.downstream == "mean_pool > pldc"
    assert made.result.training == rated.result.training
    assert store.load_result(made.path).result == made.result
    again = serbench.postprocess(rated.path, {"name": "pldc", "k": 3}, rated.path.parents[1])
    assert again.result.digest == made.result.digest
    assert again.scores.rank == made.scores.rank
    other = serbench.postprocess(rated.path, {"name": "pldc", "k": 2}, rated.path.parents[1])
    assert other.result.digest != made.result.digest


def test_what_was_corrected_is_made_again_of_the_run(labelled: Outcome, tmp_path: Path) -> None:
    shutil.copytree(labelled.path.parent, tmp_path / "demo")
    made = serbench.postprocess(labelled.result.digest, "em_prior", tmp_path)
    assert verify(made.path, lambda _: None, remake=remade).problems == ()
    # the run's own predictions under the name of the corrected ones
    before = store.load_result(labelled.path).predictions
    forged = made.result.model_copy(
        update={"scores": score(made.result.benchmark.task, before).to_json(), "tables": {}}
    )
    path = store.save(forged, before, tmp_path)
    assert verify(path, lambda _: None).problems == ()
    (problem,) = verify(path, lambda _: None, remake=remade).problems
    assert "of 880 predictions are not what comes of the runs" in problem
    (tmp_path / "demo" / f"{labelled.result.digest}.valid.parquet").unlink()
    found = verify(path, lambda _: None, remake=remade)
    assert found.problems == ()
    said = "it has no predictions for its validation parts"
    assert found.unmade == f"{labelled.result.digest[:8]}: {said}"


def test_the_command_line_says_what_was_before(
    rated: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(rated.path.parent, tmp_path / "demo")
    asked = ["postprocess", rated.result.digest[:12], "pldc", "--results", str(tmp_path)]
    told = CliRunner().invoke(app, asked).output
    assert "Corrected 880 of 880 predictions." in told
    assert "after - before" in told
    made = Path("".join(told.rpartition("result: ")[2].split()))
    monkeypatch.chdir(made.parent)
    assert "after - before" in CliRunner().invoke(app, ["show", made.name]).output
    (made.parent / rated.path.name).write_text("{")
    shown = CliRunner().invoke(app, ["show", made.name])
    assert shown.exit_code == 0
    assert "before post-processing are not shown" in shown.output


def test_sigma_leaves_the_mean_of_each_speaker_and_mu_the_spread(rated: Outcome) -> None:
    plain = store.load_result(rated.path).predictions
    for shift, kept in (("sigma", "mean"), ("mu", "std")):
        made = serbench.postprocess(
            rated.path, {"name": "pldc", "shift": shift}, rated.path.parents[1]
        )
        frames = [
            frame.groupby(["fold", "seed", "speaker"])["prediction:arousal"].agg(kept)
            for frame in (plain, store.load_result(made.path).predictions)
        ]
        np.testing.assert_allclose(frames[0], frames[1].loc[frames[0].index], atol=1e-9)
        changed = store.load_result(made.path).predictions["prediction:arousal"]
        assert not np.allclose(np.sort(changed), np.sort(plain["prediction:arousal"]))


def test_an_oracle_is_shown_and_never_ranked(rated: Outcome) -> None:
    root = rated.path.parents[1]
    made = serbench.postprocess(rated.path, "oracle", root)
    assert made.scores.by_speaker["a_ccc"].mean_of_speakers > (
        rated.scores.by_speaker["a_ccc"].mean_of_speakers
    )
    (board,) = rank(store.read_all(root).entries)
    row = next(r for r in board.rows if r.result.digest == made.result.digest)
    assert row.rank is None
    assert any("looks at the labels" in board.notes[number - 1] for number in row.notes)


def test_what_is_made_of_an_oracle_is_one(rated: Outcome) -> None:
    """Corrected once more, or fused with others, it has still seen the labels."""
    root = rated.path.parents[1]
    seen = serbench.postprocess(rated.path, "oracle", root)
    other = serbench.postprocess(rated.path, {"name": "pldc", "k": 2}, root)
    again = serbench.postprocess(seen.path, "pldc", root)
    fused = serbench.fuse(seen.path, other.path, results=root)
    both = serbench.postprocess(again.path, {"name": "pldc", "shift": "mu"}, root)
    for made in (again, fused, both, serbench.fuse(fused.path, rated.path, results=root)):
        entry = store.load_result(made.path)
        assert entry.result.saw_truths
        (board,) = rank([entry, store.load_result(other.path)])
        assert [row.rank for row in board.rows] == [1, None]
        assert any("abels of the test part" in note for note in board.notes)
        verdict = compare(entry, store.load_result(other.path)).verdict
        assert any(said.startswith("A is corrected by the labels") for said in verdict)
    assert not other.result.saw_truths


def test_what_is_made_of_a_control_says_so(rated: Outcome) -> None:
    root = rated.path.parents[1]
    control = serbench.postprocess(rated.path, {"name": "pldc", "neighbours": "random"}, root)
    again = serbench.postprocess(control.path, "pldc", root)
    for made in (again, serbench.fuse(control.path, rated.path, results=root)):
        told = about_result(made.result, made.scores)
        said = f"Of {control.result.digest[:8]}: A control: neighbours are drawn at random"
        assert sum(note.startswith(said) for note in told) == 1


def test_neighbours_that_are_shown_are_those_that_correct(rated: Outcome) -> None:
    """Also drawn at random, in a chain, and without those whom a gate leaves alone."""
    root = rated.path.parents[1]
    drawn = {"name": "pldc", "k": 1, "shift": "mu", "neighbours": "random"}
    made = serbench.postprocess(rated.path, [drawn, {**drawn, "neighbours": "nearest"}], root)
    named = neighbours(made.result, rated.path)
    assert [(step, choice) for step, choice, _ in named] == [
        ("1. pldc", "random"),
        ("2. pldc", "nearest"),
    ]
    alone = serbench.postprocess(rated.path, drawn, root)
    ((_, _, heard),) = neighbours(alone.result, rated.path)
    assert heard == named[0].heard
    after = store.load_result(alone.path).predictions.query("seed == 0")
    train = beside.load_part(rated.path, rated.result, "train").query("seed == 0")
    for (fold, who), rows in after.groupby(["fold", "speaker"]):
        own = train[(train["fold"] == fold) & (train["speaker"] == heard[str(who)][0])]
        assert rows["prediction:arousal"].mean() == pytest.approx(own["truth:arousal"].mean())
    gated = serbench.postprocess(rated.path, {**drawn, "gate": -1.0}, root)
    assert neighbours(gated.result, rated.path) == []
    root_of = ["--results", str(root)]
    shown = CliRunner().invoke(app, ["speakers", alone.result.digest, *root_of]).output
    assert "training speakers drawn at random" in shown
    (rated.path.parent / f"{gated.result.digest}.json").unlink()


def test_classes_get_other_priors_in_a_chain(labelled: Outcome) -> None:
    made = serbench.postprocess(
        labelled.path, ["em_prior", {"name": "prior_shift", "k": 3}], labelled.path.parents[1]
    )
    frame = store.load_result(made.path).predictions
    np.testing.assert_allclose(frame.filter(like="score:").sum(axis=1), 1)
    assert made.result.corrected is not None
    assert made.result.corrected.steps == ("em_prior", "prior_shift")
    chained = serbench.postprocess(made.path, "em_prior", labelled.path.parents[1])
    assert chained.result.labels.downstream == "mean_pool > em_prior > prior_shift > em_prior"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("pldc", "'pldc' corrects regression, not classification"),
        ("plcd", "no post-processor 'plcd'; did you mean 'pldc'"),
        (
            {"name": "em_prior", "temperature": 2},
            "'em_prior' has no option 'temp.*has: calibrate, s",
        ),
        ({"name": "em_prior", "strength": 1e300}, "'strength' .*a number of at most 18 digits"),
        ({"name": "class_means", "rounds": 10**9}, "1000000000 rounds; give .* 1 to 1000 rounds"),
        ([], "no post-processor is given"),
        (
            {"name": "em_prior", "strength": "much"},
            "option 'strength' of post-processor 'em_prior'",
        ),
        ({"k": 3}, "must be a name or a table with a name"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(labelled: Outcome, steps: Any, message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        serbench.postprocess(labelled.path, steps, labelled.path.parents[1])


def test_a_result_of_an_older_serbench_says_what_it_lacks(rated: Outcome, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    for suffix in (".json", ".parquet"):
        copy = tmp_path / "demo" / rated.path.with_suffix(suffix).name
        copy.write_bytes(rated.path.with_suffix(suffix).read_bytes())
    with pytest.raises(SerbenchError, match="has no predictions for its validation parts"):
        serbench.postprocess(rated.result.digest[:10], "pldc", tmp_path)


@pytest.mark.parametrize("name", names("postprocessors"))
def test_every_post_processor_keeps_the_contract(name: str) -> None:
    assert check_plugin("postprocessors", name, {}) == []


def test_what_breaks_the_contract_is_told(tmp_path: Path) -> None:
    source = '''"""By the order."""
from serbench.postprocessors import PostProcessor
class Step(PostProcessor):
    serves = frozenset({"regression"})
    def correct(self, predicted, evidence):
        return predicted.values + predicted.values[:1]
def make():
    return Step()
'''
    (tmp_path / "step.py").write_text(source)
    (failure,) = check_plugin("postprocessors", str(tmp_path / "step.py"), {})
    assert "depends on the order" in failure


def test_the_command_line_shows_speakers_before_and_after(rated: Outcome, tmp_path: Path) -> None:
    root = str(rated.path.parents[1])
    runner = CliRunner()
    digest = rated.result.digest[:12]
    done = runner.invoke(
        app,
        ["postprocess", digest, "pldc", "--set", "k=4", "--set", "shift=both", "--results", root],
    )
    assert done.exit_code == 0, done.output
    assert "mean_pool > pldc" in done.output
    made = serbench.postprocess(digest, {"name": "pldc", "k": 4, "shift": "both"}, root)
    shown = runner.invoke(app, ["speakers", "show", made.result.digest[:12], "--results", root])
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("before") == 3
    assert shown.output.count("Gini coefficient") == 3
    assert "training speakers of similar voice" in shown.output
    assert runner.invoke(app, ["speakers", made.result.digest[:12], "--results", root]).output == (
        shown.output
    )
    assert runner.invoke(app, ["speakers", "--results", root, made.result.digest]).exit_code == 0
    ((step, choice, heard),) = neighbours(made.result, rated.path)
    assert (step, choice) == ("pldc", "nearest")
    voices = beside.load_voices(rated.path, rated.result)
    assert len(heard) == 10
    for name in [fold.name for fold in rated.result.split.folds]:
        tested = store.load_result(rated.path).predictions.query(f"fold == {name!r}")
        train = beside.load_part(rated.path, rated.result, "train").query(f"fold == {name!r}")
        known = voices.query(f"fold == {name!r} and seed == 0").set_index("speaker")
        known = known.filter(regex="^v").astype(float)
        known = known.div(np.linalg.norm(known, axis=1), axis=0)
        for who in tested["speaker"].unique():
            cosine = known.loc[train["speaker"].unique()] @ known.loc[who]
            assert heard[who] == cosine.sort_values(ascending=False).index[:4].tolist()
    out = tmp_path / "v.csv"
    kept = runner.invoke(app, ["speakers", "vectors", digest, "--out", str(out), "--results", root])
    assert kept.exit_code == 0, kept.output
    assert out.read_text().startswith("speaker,fold,seed,clips,v0,")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("return predicted.values[1:]", r"step.py line 5\): .* must return an array .* of shape"),
        ("return predicted.values / 0 * 0", "corrected values are not finite"),
        ("return predicted.values + {}", "step.*TypeError"),
        (
            "predicted.values[:] = 3\n        return predicted.values",
            r"read-only \(.*step.py line 8",
        ),
        ("evidence.voices.popitem()[1][:] = 0", r"read-only \(.*step.py line 8, in correct"),
        ("SEEN.append(0)\n        return predicted.values + len(SEEN)", "keeps what it was given"),
    ],
)
def test_what_goes_wrong_in_somebodys_is_one_sentence(
    rated: Outcome, tmp_path: Path, line: str, message: str
) -> None:
    """With the predictions of a run; with those of the check, nothing does."""
    source = f'''"""A broken one."""
from serbench.postprocessors import PostProcessor
class Step(PostProcessor):
    serves = frozenset({{"regression"}})
    def correct(self, predicted, evidence, SEEN=[]):
        if len(evidence.train.values) < 100:
            return predicted.values
        {line}
def make():
    return Step()
'''
    (tmp_path / "step.py").write_text(source)
    with np.errstate(all="ignore"), pytest.raises(SerbenchError, match=message) as caught:
        serbench.postprocess(rated.path, str(tmp_path / "step.py"), rated.path.parents[1])
    assert "is not run" not in str(caught.value), "it is the check that says so"


def test_speakers_are_shown_where_the_voices_are_gone(rated: Outcome, tmp_path: Path) -> None:
    root = tmp_path / "results"
    shutil.copytree(rated.path.parents[1], root)
    made = serbench.postprocess(rated.result.digest, "pldc", root)
    (root / "demo" / rated.path.name).with_suffix(".voices.parquet").unlink()
    shown = CliRunner().invoke(app, ["speakers", made.result.digest, "--results", str(root)])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("before") == 3
    assert "neighbours are not shown" in shown.stderr
