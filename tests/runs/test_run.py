"""The main job end to end on the synthetic corpus, and what stops it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from serbench.errors import SerbenchError
from serbench.home import home
from serbench.leaderboard import beside, store
from serbench.leaderboard.notes import about_adaptation
from serbench.progress import Silent, Step
from serbench.runs import recipe
from serbench.runs.job import Job
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe
from serbench.runs.systems import usual_threads
from serbench.upstreams import fbank

from ..damage import HARM  # noqa: TID252

PLAIN: dict[str, Any] = {
    "upstream": {"name": "fbank", "normalize": False},
    "downstream": "mean_pool",
    "training": {"learning_rates": [1e-2], "epochs": 3},
}


def run(raw: dict[str, Any], results: Path, **options: Any) -> Outcome:
    options = {"progress": Silent(), "data": None} | options
    return run_recipe(recipe.resolve(PLAIN | raw), results=results, **options)


def predictions(outcome: Outcome) -> pd.DataFrame:
    frame = store.load_result(outcome.path).predictions
    return frame.sort_values(["fold", "seed", "utterance"], ignore_index=True)


def test_every_utterance_is_tested_once_a_seed(tmp_path: Path) -> None:
    outcome = run({"seeds": [0, 1]}, tmp_path)
    frame = predictions(outcome)
    assert len(outcome.result.split.folds) == 5
    assert frame.groupby(["utterance", "seed"]).size().eq(1).all()
    assert frame.groupby("seed")["utterance"].nunique().tolist() == [440, 440]
    assert outcome.result.benchmark.synthetic
    assert outcome.result.complete


def test_predictions_for_the_validation_parts_lie_beside_it(tmp_path: Path) -> None:
    outcome = run({"seeds": [0, 1]}, tmp_path)
    found = beside.load_part(outcome.path, outcome.result, "valid")
    tested = predictions(outcome)
    for fold, chosen in zip(outcome.result.split.folds, outcome.result.training[::2], strict=True):
        rows = found[(found["fold"] == fold.name) & (found["seed"] == 0)]
        assert len(rows) == fold.valid
        speakers = {*tested.loc[tested["fold"] == fold.name, "speaker"]}
        assert speakers.isdisjoint(rows["speaker"])
        recall = (rows["truth"] == rows["prediction"]).groupby(rows["truth"]).mean()
        assert recall.mean() == pytest.approx(chosen.valid_score)
        course = chosen.curve
        assert course is not None
        assert course.epochs == (1, 2, 3)
        assert course.valid_scores[chosen.epoch - 1] == round(chosen.valid_score, 4)


def test_a_seed_repeats_bit_for_bit_and_another_differs(own: Path, tmp_path: Path) -> None:
    raw = {"benchmark": str(own), "leave_out_broken": True}
    made = run(raw | {"seeds": [3]}, tmp_path / "a")
    first = predictions(made)
    written = made.path.stat().st_mtime_ns
    anew = run(raw | {"seeds": [3]}, tmp_path / "a", overwrite="always")
    again = predictions(anew)
    other = predictions(run(raw | {"seeds": [4]}, tmp_path / "c"))
    assert (anew.path, anew.scores.rank) == (made.path, made.scores.rank)
    assert anew.path.stat().st_mtime_ns > written  # it was computed, not found
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    columns = [c for c in first if c.startswith("score:")]
    assert not np.allclose(first[columns], other[columns])


def test_the_record_says_on_how_many_threads(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()
    raw = {"benchmark": str(own), "leave_out_broken": True}
    usual = run(raw, tmp_path / "usual", overwrite="always")
    assert usual.result.threads == {"encode": 2, "train": 1}
    asked, again = (
        run(raw, tmp_path / name, overwrite="always", threads=3) for name in ("asked", "again")
    )
    assert asked.result.threads == {"encode": 3, "train": 3}
    pd.testing.assert_frame_equal(predictions(asked), predictions(again), check_exact=True)
    assert store.load_result(asked.path).result.threads == asked.result.threads
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("change", "threads"),
    [
        ({"downstream": "mean_pool"}, 1),
        ({"downstream": "ecapa"}, 1),
        ({"downstream": {"name": "ecapa", "size": "full"}}, None),
        ({"downstream": "attention"}, None),
        ({"upstream": ["fbank", "mfcc"], "downstream": "attention", "fusion": "late"}, None),
        ({"upstream": ["fbank", "mfcc"], "downstream": "ecapa", "fusion": "late"}, 1),
        ({"upstream": "cpc", "downstream": "ecapa", "training": {"finetune": True}}, None),
    ],
)
def test_little_learns_on_one_thread(change: dict[str, Any], threads: int | None) -> None:
    class Wide:
        """What a source is asked for before it gives anything."""

        depth, dim, frames = 1, 240, np.array([300])

    job = Job.of(recipe.resolve(PLAIN | change), "cpu", Silent())
    before = torch.get_rng_state()
    assert usual_threads(job, (Wide(),) * len(job.recipe.upstreams)) == threads
    assert torch.equal(torch.get_rng_state(), before)


class Stopping(Silent):
    """Interrupts training after some finished epochs."""

    def __init__(self, epochs: int) -> None:
        self.left, self.lines = epochs, list[str]()

    def tell(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Step]:
        with super().step(title, total) as quiet:
            yield _Bomb(self, quiet) if title == "train" else quiet


class _Bomb:
    def __init__(self, owner: Stopping, quiet: Step) -> None:
        self.owner, self.note = owner, quiet.note

    def advance(self, amount: float = 1.0) -> None:
        self.owner.left -= amount > 0
        if self.owner.left < 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return the run of a corpus like `own`, which has the same digest wherever it lies."""
    folder = tmp_path_factory.mktemp("undisturbed")
    raw = {"benchmark": str(write_own(folder)), "leave_out_broken": True}
    return run(raw, folder / "results", overwrite="always")


@pytest.mark.parametrize("how", HARM)
@pytest.mark.parametrize("suffix", [".json", ".tested.parquet", ".voices.parquet"])
def test_a_finished_trial_that_is_damaged_is_trained_again(
    own: Path, tmp_path: Path, undisturbed: Outcome, suffix: str, how: Callable[[Path], None]
) -> None:
    raw = {"benchmark": str(own), "leave_out_broken": True}
    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path, overwrite="always", progress=Stopping(5))
    (state,) = (home() / "runs").glob(f"{undisturbed.result.digest[:32]}-*")
    how(next(state.glob(f"0000-0000000000{suffix}")))
    rest = Stopping(1000)
    outcome = run(raw, tmp_path, progress=rest)
    pd.testing.assert_frame_equal(predictions(undisturbed), predictions(outcome), check_exact=True)
    (line,) = (line for line in rest.lines if line.startswith("damaged and made anew: trial"))
    assert line.endswith(suffix)
    assert not state.exists()


def test_many_processes_with_one_recipe_end_with_one_result(own: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serbench", "run", "--upstream", "fbank"]
    command += ["--downstream", "mean_pool", "--set", "training.epochs=2", "--benchmark", str(own)]
    command += ["--leave-out-broken"]
    command += ["--results", str(tmp_path / "results")]
    environment = os.environ | {"SERBENCH_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # the first holds the lock and is killed at some time; the others must not mind
    killed, *others = (subprocess.Popen(command, env=environment, **pipes) for _ in range(4))
    lock = tmp_path / "home" / "locks"
    while not lock.exists() and killed.poll() is None:
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    ends = [process.communicate() for process in others]
    assert [process.returncode for process in others] == [0, 0, 0], ends
    tables = {out[out.index("fold ") : out.index("±")] for out, _ in ends}
    assert len(tables) == 1
    assert len(list((tmp_path / "results").rglob("*.json"))) == 1
    assert list((tmp_path / "home" / "runs").iterdir()) == []


def test_what_a_kill_left_of_a_run_that_is_done_is_removed(own: Path, tmp_path: Path) -> None:
    raw = {"benchmark": str(own), "leave_out_broken": True}
    done = run(raw, tmp_path)
    left = home() / "runs" / f"{done.result.digest[:32]}-a-b"
    left.mkdir()
    run(raw, tmp_path)
    assert not left.exists()


@pytest.mark.parametrize("where", ["results", "home"])
def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "file").touch()
    told = Stopping(1000)
    if where == "home":
        monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "file"))
    results = tmp_path / ("file" if where == "results" else "results")
    with pytest.raises(SerbenchError, match=r"cannot write '.*file.*same command goes on"):
        run({"benchmark": str(own), "leave_out_broken": True}, results, progress=told)
    assert told.lines == []


def test_sigterm_ends_as_ctrl_c_does_with_143(own: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serbench", "run", "--upstream", "fbank"]
    command += ["--downstream", "mean_pool", "--benchmark", str(own)]
    command += ["--leave-out-broken"]
    command += ["--set", "training.epochs=100000", "--results", str(tmp_path / "results")]
    environment = os.environ | {"SERBENCH_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    index = "home/features/*/index.json"
    while not list(tmp_path.glob(index)) and process.poll() is None:
        time.sleep(0.05)
    process.terminate()
    said = process.communicate()[1]
    assert process.returncode == 143
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("serbench: terminated; the same command goes on")


def test_a_stopped_run_goes_on_with_the_same_numbers(own: Path, tmp_path: Path) -> None:
    raw: dict[str, Any] = {"training": {"learning_rates": [3e-3], "epochs": 4}}
    raw |= {"benchmark": str(own), "leave_out_broken": True}
    whole = predictions(run(raw, tmp_path / "whole", overwrite="always"))
    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path / "stopped", overwrite="always", progress=Stopping(10))
    assert not list((tmp_path / "stopped").rglob("*.json")), "half a result must not be seen"
    rest = Stopping(1000)
    continued = predictions(run(raw, tmp_path / "stopped", progress=rest))
    assert 1000 - rest.left < 3 * 4, "finished folds must not be trained again"
    pd.testing.assert_frame_equal(whole, continued, check_exact=True)


def test_a_head_that_takes_long_goes_on_within_its_fold(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("serbench.runs.trials._BETWEEN", 0.0)
    raw: dict[str, Any] = {"training": {"learning_rates": [3e-3], "epochs": 6}, "downstream": "mlp"}
    raw |= {"benchmark": str(own), "leave_out_broken": True}
    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path / "results", progress=Stopping(4))
    assert list((tmp_path / "home" / "runs").rglob("last.safetensors"))
    rest = Stopping(1000)
    continued = predictions(run(raw, tmp_path / "results", progress=rest))
    others = continued["fold"].nunique() - 1
    assert 1000 - rest.left == 1 + 2 + 6 * others, "four epochs at once, and two more"
    assert not list((tmp_path / "home" / "runs").iterdir())
    whole = predictions(run(raw, tmp_path / "whole", overwrite="always"))
    pd.testing.assert_frame_equal(whole, continued, check_exact=True)


def test_heads_folds_and_seeds_share_one_encoding(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    encoded: list[int] = []
    forward = fbank.KaldiFeatures.forward

    def counted(self: Any, clips: Any) -> Any:
        encoded.append(len(clips.waves))
        return forward(self, clips)

    monkeypatch.setattr(fbank.KaldiFeatures, "forward", counted)
    raw: dict[str, Any] = {"benchmark": str(own), "leave_out_broken": True}
    raw["training"] = {"learning_rates": [1e-2], "epochs": 1}
    alone = {"protocol": "leave_one_speaker_out"}
    for change in ({"seeds": [0, 1]}, {"downstream": "mlp"}, alone):
        run(raw | change, tmp_path / "results")
    assert sum(encoded) == 35


def test_a_finished_run_is_shown_without_torch(tmp_path: Path) -> None:
    outcome = run({}, tmp_path)
    code = f"""
import sys
from pathlib import Path
from serbench.runs import recipe
from serbench.progress import Silent
from serbench.runs.run import run_recipe
made = recipe.resolve({PLAIN!r})
found = run_recipe(made, data=None, results=Path({str(tmp_path)!r}), progress=Silent())
assert "torch" not in sys.modules
print(found.result.created.isoformat(), found.scores.rank)
"""
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.split()[0] == outcome.result.created.isoformat()
    assert float(shown.stdout.split()[1]) == outcome.scores.rank
    again = run({}, tmp_path, overwrite="always")
    assert again.path == outcome.path
    assert again.scores.rank == outcome.scores.rank


class Listening(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)


@pytest.mark.parametrize("name", ["fbank", "mfcc"])
@pytest.mark.parametrize(("options", "warned"), [({"normalize": True}, True), ({}, False)])
def test_means_that_carry_nothing_are_told(
    own: Path, tmp_path: Path, name: str, options: dict[str, bool], warned: bool
) -> None:
    listening = Listening()
    raw: dict[str, Any] = {"benchmark": str(own), "leave_out_broken": True}
    raw["training"] = {"learning_rates": [1e-2], "epochs": 1}
    run(raw | {"upstream": {"name": name, **options}}, tmp_path, progress=listening)
    assert any("it can only guess" in text for text in listening.told) == warned


def test_fewer_epochs_than_are_to_be_averaged_are_told_and_recorded(
    own: Path, tmp_path: Path
) -> None:
    listening = Listening()
    raw = {"benchmark": str(own), "leave_out_broken": True}
    average = {"training": {"epochs": 3, "average": 5}}
    outcome = run(raw | average, tmp_path, progress=listening)
    assert [fit.averaged for fit in outcome.result.training] == [(1, 2, 3)] * 3
    told = "mean of 3 epochs (5 were asked for; there are no more)"
    assert sum(text.endswith(told) for text in listening.told) == 3


def test_dimensions_are_predicted_on_their_scale(tmp_path: Path) -> None:
    raw = {"benchmark": {"name": "demo", "task": "dimensions"}, "training": {"epochs": 40}}
    outcome = run(raw, tmp_path)
    frame = predictions(outcome)
    assert {"truth:arousal", "prediction:valence", "prediction:dominance"} <= set(frame)
    assert frame["truth:arousal"].between(1, 7).all()
    assert abs(frame["prediction:arousal"].mean() - frame["truth:arousal"].mean()) < 1
    assert {"o_ccc:arousal", "o_ccc"} <= set(outcome.scores.by_fold)
    assert "a_ccc:arousal" in outcome.scores.by_speaker
    assert outcome.scores.by_fold["o_ccc:arousal"].mean_of_folds > 0.3


def test_training_beats_chance_and_the_record_says_what_leaks(tmp_path: Path) -> None:
    training = {"learning_rates": [1e-2], "epochs": 40}
    fair = run({"training": training}, tmp_path)
    leaky = run({"training": training, "protocol": "speaker_dependent_random"}, tmp_path)
    # which of the two is higher is within the spread of their folds, and so up to the processor
    for outcome in (fair, leaky):
        assert outcome.scores.rank > 0.35, "four classes: chance is 0.25"
    assert "speaker" in leaky.result.protocol.shares
    assert "speaker" not in fair.result.protocol.shares


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a small corpus, which a test may change."""
    return write_own(tmp_path)


def write_own(folder: Path) -> Path:
    """Six speakers, two classes, and one recording that is no audio."""
    rng = np.random.default_rng(0)
    rows = ["path,speaker,emotion,split"]
    for speaker in range(6):
        for clip in range(6):
            name = f"{speaker}_{clip}.wav"
            wave = rng.normal(0, 0.05 + 0.1 * (clip % 2), 8000)
            soundfile.write(folder / name, wave, 16000)
            split = ("train", "valid", "test")[clip // 2]
            rows.append(f"{name},{speaker},{('calm', 'loud')[clip % 2]},{split}")
    (folder / "2_3.wav").write_text("this is no audio")
    (folder / "utterances.csv").write_text("\n".join(rows))
    path = folder / "benchmark.toml"
    path.write_text(
        'name = "own"\nversion = "1"\ntable = "utterances.csv"\n'
        'task = "classification"\nlabels = ["calm", "loud"]\n'
        '[protocol]\nname = "speaker_folds"\nk = 3\n'
    )
    return path


def test_a_broken_recording_stops_a_run_unless_told(own: Path, tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match=r"2_3\.wav.*[\s\S]*--leave-out-broken"):
        run({"benchmark": str(own)}, tmp_path / "results")
    outcome = run({"benchmark": str(own), "leave_out_broken": True}, tmp_path / "results")
    assert [left.utterance for left in outcome.result.left_out] == ["2_3.wav"]
    assert len(predictions(outcome)) == 35
    wave, rate = soundfile.read(own.with_name("0_0.wav"))
    soundfile.write(own.with_name("0_0.wav"), wave / 2, rate)
    raw = {"benchmark": str(own), "leave_out_broken": True}
    other = run(raw, tmp_path / "results", overwrite="always").result.split
    assert other.hash == outcome.result.split.hash, "the same utterances"
    assert other.recordings != outcome.result.split.recordings, "but not the same audio"


def test_a_split_that_leaks_is_refused(own: Path, tmp_path: Path) -> None:
    raw = {"benchmark": str(own), "leave_out_broken": True, "protocol": "corpus_split"}
    with pytest.raises(SerbenchError, match="speaker"):
        run(raw, tmp_path / "results")
    told = raw | {"protocol": {"name": "corpus_split", "shares": ["speaker"]}}
    outcome = run(told, tmp_path / "results")
    assert outcome.result.protocol.shares == ("speaker",)


def test_a_fold_that_lacks_a_class_in_its_test_part_is_told(own: Path, tmp_path: Path) -> None:
    table = own.with_name("utterances.csv")
    rows = [row for row in table.read_text().splitlines() if ",0,loud" not in row]
    table.write_text("\n".join(rows))
    listening = Listening()
    raw = {"benchmark": str(own), "leave_out_broken": True, "protocol": "leave_one_speaker_out"}
    run(raw, tmp_path / "results", progress=listening)
    assert any("warning" in text and "loud" in text for text in listening.told)


def test_the_table_of_an_own_corpus_counts_in_the_digest(own: Path) -> None:
    before = recipe.resolve(PLAIN | {"benchmark": str(own)}).digest()
    table = own.with_name("utterances.csv")
    table.write_text(table.read_text().replace("0_0.wav,0,calm", "0_0.wav,0,loud"))
    assert recipe.resolve(PLAIN | {"benchmark": str(own)}).digest() != before


def test_a_corpus_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match="give --data DIR or set SERBENCH_DATA"):
        run({"benchmark": "emodb"}, tmp_path)
    with pytest.raises(SerbenchError, match="emodb"):
        run({"benchmark": "emodb"}, tmp_path, data=tmp_path / "empty")


def test_an_upstream_is_trained_with_the_head(own: Path, tmp_path: Path) -> None:
    home = Path(os.environ["SERBENCH_HOME"])
    stores = set(home.glob("features/*"))
    raw = {
        "upstream": {"name": "cpc", "weights": "random"},
        "training": {"learning_rates": [1e-3], "epochs": 2, "finetune": True},
        "benchmark": str(own),
        "leave_out_broken": True,
    }
    first, again = (run(raw, tmp_path / name, overwrite="always") for name in ("a", "b"))
    pd.testing.assert_frame_equal(predictions(first), predictions(again), check_exact=True)
    assert len(predictions(first)) == 35
    assert first.result.provenance["id"] == "random, seed 0"
    assert "Upstream trained together with the head" in " ".join(about_adaptation(first.result))
    assert set(home.glob("features/*")) == stores, "nothing is encoded"


def test_a_loss_of_an_upstream_that_is_not_trained_is_told(own: Path, tmp_path: Path) -> None:
    listening = Listening()
    raw = {"benchmark": str(own), "leave_out_broken": True}
    for contrastive, told in ((0.0, 0), (0.5, 1)):
        upstream = {"name": "cpc", "contrastive": contrastive}
        run(raw | {"upstream": upstream}, tmp_path, progress=listening)
        assert sum("a loss of its own while it is trained" in t for t in listening.told) == told


def test_training_what_has_no_weights_is_refused(own: Path, tmp_path: Path) -> None:
    raw = {"benchmark": str(own), "leave_out_broken": True, "training": {"finetune": True}}
    with pytest.raises(SerbenchError, match="nothing to fine-tune"):
        run(raw, tmp_path)


def test_a_network_of_the_corpus_itself_is_trained_before_and_with_the_head(
    own: Path, tmp_path: Path
) -> None:
    raw = {
        "upstream": {"name": "cpc", "weights": "corpus", "updates": 1, "clips": 2},
        "training": {"learning_rates": [1e-3], "epochs": 1},
        "benchmark": str(own),
        "leave_out_broken": True,
    }
    frozen = run(raw, tmp_path)
    raw["training"] = raw["training"] | {"finetune": True}
    tuned = run(raw, tmp_path)
    for result in (frozen.result, tuned.result):
        assert result.labels.weights == "corpus"
        assert result.adaptation is not None and result.adaptation.transductive
        assert result.adaptation.utterances == 35
        assert result.provenance == {}, "there were no weights before"
    assert frozen.result.adaptation == tuned.result.adaptation
    assert not np.allclose(predictions(frozen)["score:loud"], predictions(tuned)["score:loud"])


def test_settings_that_come_to_nothing_are_told(tmp_path: Path) -> None:
    told: list[str] = []

    class Listening(Silent):
        def tell(self, text: str) -> None:
            told.append(text)

    late = {"learning_rates": [1e-3], "epochs": 1, "warmup": 11}
    run({"training": late, "precision": "bfloat16"}, tmp_path, progress=Listening())
    assert any("training.warmup is 11 updates" in text for text in told)
    assert any("precision bfloat16 has no effect here" in text for text in told)
    told.clear()
    run({"training": {**late, "warmup": 5}}, tmp_path, progress=Listening())
    assert not any("warmup" in text or "no effect" in text for text in told)
