"""Two stages: upstreams are fine-tuned with labels, one a fold, then the head learns from them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from serbench import plugins
from serbench.encoders.pretraining.assignment import Assignment
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.cpc import CPCOptions
from serbench.encoders.weights import RECORDINGS, find
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.leaderboard import notes, store
from serbench.leaderboard.columns import contaminated
from serbench.progress import Quiet, Silent, Step
from serbench.runs import folds, recipe
from serbench.runs.adapting import LABELS, Adapted, adapt
from serbench.runs.corpus import Prepared, prepare
from serbench.runs.finetuning import finetune
from serbench.runs.job import Job
from serbench.runs.pretraining_audio import recordings_of
from serbench.runs.run import run_recipe
from serbench.training.settings import FineTuning
from serbench.training.waves import decode_to_train
from serbench.upstreams import Clips, Upstream, cpc, hubert


class Told(Silent):
    """Keeps what is told, and kills fine-tuning after some epochs."""

    def __init__(self, epochs: float = np.inf) -> None:
        self.told: list[str] = []
        self.epochs = epochs
        self.done: dict[str, float] = {}

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Step]:
        yield _Mortal(self, title) if title in ("fine-tune", "train") else Quiet()

    def tell(self, text: str) -> None:
        self.told.append(text)

    def count(self, text: str) -> int:
        return sum(text in line for line in self.told)


class _Mortal:
    def __init__(self, owner: Told, title: str) -> None:
        self.owner, self.title = owner, title

    def advance(self, amount: float = 1.0) -> None:
        self.owner.done[self.title] = self.owner.done.get(self.title, 0) + amount

    def note(self, text: str) -> None:
        self.owner.epochs -= 1
        if self.owner.epochs < 0:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def raw(corpus: Path, pretrained_hubert: Path) -> dict[str, Any]:
    return {
        "upstream": {"name": "hubert", "weights": str(pretrained_hubert), "layers": "last"},
        "downstream": "mean_pool",
        "benchmark": str(corpus),
        "training": {"epochs": 1, "learning_rates": [1e-3]},
        "finetune": {"epochs": 3, "batch": 4, "upstream_rate": 1e-3, "average": 2},
    }


def prepared(raw: dict[str, Any]) -> Prepared:
    made = recipe.resolve(raw)
    benchmark = recipe.make_benchmark(made.benchmark)
    protocol = recipe.make_protocol(benchmark, made.protocol)
    return prepare(benchmark, protocol, data=None, leave_out_broken=False, progress=Silent())


def finetuned(raw: dict[str, Any], corpus: Prepared, told: Told | None = None) -> Adapted:
    job = Job.of(recipe.resolve(raw), "cpu", told or Told())
    (only,) = finetune(job, adapt(job, corpus), corpus)
    return only


def loaded(name: str, **options: Any) -> Upstream:
    made: Upstream = plugins.make(plugins.find("upstreams", name), options=options)
    return made


def clips() -> Clips:
    waves = [torch.sin(torch.arange(n) / 15) for n in (9000, 7000)]
    return Clips(waves, ["s0", "s1"], [None, None])


def test_each_fold_has_weights_of_its_own_which_are_made_once(raw: dict[str, Any]) -> None:
    corpus, told = prepared(raw), Told()
    made = finetuned(raw, corpus, told)
    places = [part.options["weights"] for part in made.parts]
    assert len(set(places)) == len(corpus.folds) == 4
    assert told.count("hubert fine-tuned, validation") == 4
    before = {path: path.stat().st_mtime_ns for path in Path(places[0]).iterdir()}
    again = finetuned(raw, corpus)
    assert again == made
    assert before == {path: path.stat().st_mtime_ns for path in Path(places[0]).iterdir()}
    other = finetuned(raw | {"finetune": raw["finetune"] | {"epochs": 2}}, corpus)
    assert not {part.options["weights"] for part in other.parts} & set(places)


def test_what_reads_text_is_fine_tuned_anew_on_other_texts(raw: dict[str, Any]) -> None:
    audio = prepared(raw)
    bert = {"name": "bert", "weights": "tiny-random"}
    asked = raw | {"finetune": {"epochs": 1, "batch": 4}}
    made = []
    for said in ("seven", "eleven"):
        table = audio.table.assign(text=f"it is {said}")
        corpus = dataclasses.replace(audio, table=table, folds=audio.folds[:1])
        made.append([finetuned(asked | {"upstream": each}, corpus) for each in (bert, "cpc")])
    (bert, cpc), (other_bert, other_cpc) = made
    assert bert.parts != other_bert.parts
    assert cpc == other_cpc, "what only hears has the same weights whatever is written"


def test_what_was_trained_is_what_is_loaded_to_the_bit(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved, loaded by `weights`, and it predicts what the system predicted when it was trained."""
    from serbench.training import fit as fitting

    systems: list[Any] = []
    train = fitting._train

    def watched(*args: Any) -> Any:
        best, trained = train(*args)
        best.course.system.load_state_dict(trained.state)
        systems.append(best.course.system.eval())
        return best, trained

    monkeypatch.setattr(fitting, "_train", watched)
    made = finetuned(raw, prepared(raw))
    plain = loaded("hubert", weights=raw["upstream"]["weights"])
    for part, system in zip(made.parts, systems, strict=True):
        with torch.no_grad():
            (expected,) = system.encode((clips(),))
        given = loaded("hubert", weights=part.options["weights"])(clips())
        assert torch.equal(given.layers[-1:], expected.layers)
        assert not torch.equal(given.layers[-1], plain(clips()).layers[-1])


@pytest.mark.parametrize(
    ("name", "options"),
    [("cpc", {}), ("cpc", {"contrastive": 0.1}), ("papt_hubert", {"epochs": 1}), ("hubert", {})],
)
def test_every_upstream_with_weights_goes_the_same_way(
    raw: dict[str, Any], name: str, options: dict[str, Any]
) -> None:
    weights = {} if name == "cpc" else {"weights": raw["upstream"]["weights"]}
    raw = raw | {"upstream": {"name": name, **weights, **options}}
    corpus = prepared(raw)
    made = finetuned(raw, dataclasses.replace(corpus, folds=corpus.folds[:1]))
    (part,) = made.parts
    again = loaded(name, **part.options)
    assert again.provenance["method"].endswith(
        "fine-tuned on labels with a mean and a linear output"
    )
    assert "voices (0.0 h)" in again.provenance["trained_on"]
    assert (made.record is None) == (name != "papt_hubert")
    if name == "papt_hubert":
        assert again.speakers.names == ["s0", "s1", "s2", "s3"]


def test_the_test_part_is_not_read_and_the_validation_part_only_chooses(
    raw: dict[str, Any],
) -> None:
    corpus = prepared(raw)
    fold = corpus.folds[2]
    table = corpus.table.copy()
    for row in fold.test:
        Path(table["path"].iloc[row]).unlink()
    only = dataclasses.replace(corpus, folds=[fold])
    made = finetuned(raw, only)
    table.loc[fold.test, "emotion"] = "neither"
    assert finetuned(raw, dataclasses.replace(only, table=table)) == made

    # one epoch: nothing to choose, and whatever the validation part says, the weights are the same
    once = raw | {"finetune": {"epochs": 1, "batch": 4}}
    honest = finetuned(once, only)
    swapped = corpus.table.copy()
    labels = swapped["emotion"].iloc[fold.valid]
    swapped.loc[fold.valid, "emotion"] = labels.map({"low": "high", "high": "low"}).to_numpy()
    misled = finetuned(once, dataclasses.replace(only, table=swapped))
    assert misled.parts[0].options != honest.parts[0].options
    assert misled.parts[0].contents == honest.parts[0].contents
    assert misled.tuned.training[0].valid_score == 1 - honest.tuned.training[0].valid_score


def test_folds_over_processes_come_to_the_same_weights(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread each, also where everything is computed anew."""
    monkeypatch.setattr(folds, "cores", lambda: 2)
    made, corpus = recipe.resolve(raw), prepared(raw)
    found = []
    for jobs in (1, 2):
        monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / str(jobs)))
        told = Told()
        job = Job.of(made, "cpu", told, 1, anew=jobs == 2, jobs=jobs)
        with job.threaded("adapt"), job.threaded("finetune"):
            (upstream,) = finetune(job, adapt(job, corpus), corpus)
        # of epochs: what is decoded before them counts utterances, and is no part of it
        assert told.done["fine-tune"] == 3 * len(corpus.folds)
        found.append([part.contents["weights"] for part in upstream.parts])
    assert found[0] == found[1]
    assert len(set(found[0])) == len(corpus.folds) > 1


def test_a_run_from_fine_tuning_to_the_result(raw: dict[str, Any], tmp_path: Path) -> None:
    outcome = run_recipe(
        recipe.resolve(raw), data=None, results=tmp_path / "results", progress=Silent()
    )
    result = outcome.result
    assert result.finetuned is not None
    assert (result.finetuned.on, result.finetuned.utterances) == ("train", 8)
    assert len(set(result.finetuned.checkpoints)) == 4
    assert [len(fit.averaged) for fit in result.finetuned.training] == [2] * 4
    assert [fit.fold for fit in result.finetuned.training] == [f.name for f in result.split.folds]
    assert len(list((tmp_path / "home" / "features").iterdir())) == 4
    assert result.provenance["trained_on"] == "Noise (1.0 h)"
    assert {"finetune", "encode"} < result.seconds.keys()
    told = notes.about_adaptation(result)
    assert len(told) == 1
    assert told[0].startswith(
        "Upstream fine-tuned with the labels of the training part of each fold"
    )
    epochs = [epoch for fit in result.finetuned.training for epoch in fit.averaged]
    mean = f"the mean of 2 epochs each, out of {min(epochs)} to {max(epochs)}, then frozen"
    assert mean in told[0]
    shown = notes.about_result(result, outcome.scores)
    assert not any("trained on the test corpus" in note for note in shown if note)
    again = run_recipe(
        recipe.resolve(raw), data=None, results=tmp_path / "results", progress=Silent()
    )
    assert again.result == result


@pytest.mark.parametrize("name", ["hubert", "cpc"])
def test_weights_that_were_fine_tuned_before_are_told(
    raw: dict[str, Any], corpus: Path, tmp_path: Path, name: str
) -> None:
    """As trained on the corpus, which is more than adapted to it; on a copy with another name."""
    if name == "cpc":
        raw = raw | {"upstream": "cpc"}
    whole = prepared(raw)
    one = dataclasses.replace(whole, folds=whole.folds[:1])
    first = finetuned(raw | {"finetune": {"epochs": 1}}, one).parts[0].options["weights"]
    if name == "cpc":
        corpus.write_text(corpus.read_text().replace('"voices"', '"elsewhere"'))
    frozen = {key: value for key, value in raw.items() if key != "finetune"}
    frozen["upstream"] = {"name": name, "weights": first}
    made = recipe.resolve(frozen)
    outcome = run_recipe(made, data=None, results=tmp_path / "results", progress=Silent())
    shown = notes.about_result(outcome.result, outcome.scores)
    named = [note for note in shown if note.startswith("The upstream was trained on the test")]
    assert len(named) == (name == "hubert")
    assert any("with those of 12 of 16 recordings that are tested" in note for note in shown)
    assert contaminated(outcome.result)
    assert "finetune" not in outcome.result.seconds
    assert outcome.result.adaptation is None


def test_weights_that_are_trained_on_after_labels_keep_whose_these_were(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    whole = prepared(raw)
    one = dataclasses.replace(whole, folds=whole.folds[:1])
    first = finetuned(raw | {"finetune": {"epochs": 1}}, one).parts[0].options["weights"]
    audio = Audio(recordings_of(whole.table))
    given = Assignment(audio, [], tmp_path, Silent(), "cpu")
    options = CPCOptions()
    card = given.card("adapted", [], options, find(first, None, {}))
    assert len(card.options[RECORDINGS]) == 12
    assert LABELS not in card.options, "the adaptation itself saw none"
    assert RECORDINGS not in given.card("adapted", [], options, None).options


def test_a_stage_that_keeps_less_than_a_frame_says_so(raw: dict[str, Any]) -> None:
    stage = {"epochs": 1, "longest_seconds": 1e-3}
    said = r"longest_seconds = 0\.001 keeps 16 samples of an utterance at 16000 Hz, too few"
    with pytest.raises(SerbenchError, match=said):
        finetuned(raw | {"finetune": stage}, prepared(raw))


def test_seconds_of_audio_are_told_to_say_nothing_of_text() -> None:
    table = pd.DataFrame({"utterance": ["a"], "speaker": ["s"], "text": ["no"]})
    told = Told()
    decode_to_train(table, loaded("bert", weights="tiny-random"), told)
    assert told.told == []
    tuning = FineTuning(batch_seconds=3.0)
    decode_to_train(table, loaded("bert", weights="tiny-random"), told, tuning)
    assert told.count("no text is cut or counted") == 1


def test_a_killed_stage_goes_on_to_the_same_weights(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three epochs for each of two folds, and each go ends in the third that it comes to."""
    corpus = prepared(raw)
    two = dataclasses.replace(corpus, folds=corpus.folds[:2])
    whole = finetuned(raw, two)
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "other"))
    told = Told(epochs=2)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            finetuned(raw, two, told)
        told.epochs = 2
    made = finetuned(raw, two, told)
    assert [part.contents for part in made.parts] == [part.contents for part in whole.parts]
    assert made.tuned == whole.tuned
    assert told.epochs >= 0
    assert not list((tmp_path / "other").rglob("*-training"))


def test_a_killed_training_with_the_head_goes_on_to_the_same_numbers(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    together = {key: value for key, value in raw.items() if key != "finetune"}
    together["training"] = {
        "epochs": 2,
        "learning_rates": [1e-3],
        "finetune": {"accumulate": 2},
        "batch": 4,
    }
    made = recipe.resolve(together)
    frames, left = [], 0
    for name, epochs in (("whole", np.inf), ("killed", 3)):
        told = Told(epochs)
        while True:
            try:
                outcome = run_recipe(made, data=None, results=tmp_path / name, progress=told)
                break
            except KeyboardInterrupt:
                left += 1
                told.epochs = epochs
        frame = store.load_result(outcome.path).predictions
        frames.append(frame.sort_values(["fold", "utterance"], ignore_index=True))
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    assert left == 2, "eight epochs, none of them twice"
    assert not list((tmp_path / "home" / "runs").iterdir())


def test_a_precision_that_is_not_there_is_told(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = prepared(raw)
    raw["finetune"] = {"epochs": 1, "batch": 4, "mixed": True}
    for module in ("runs.encoding", "runs.finetuning", "training.learning"):
        monkeypatch.setattr(f"serbench.{module}.has_bf16", lambda device: False)
    told = Told()
    finetuned(raw, dataclasses.replace(corpus, folds=corpus.folds[:1]), told)
    assert told.count("has no bfloat16, so mixed has no effect") == 1


def test_dimensions_are_learnt_first_as_well(raw: dict[str, Any], corpus: Path) -> None:
    text = corpus.read_text().replace('"classification"', '"regression"')
    text = text.replace('labels = ["low", "high"]', 'dimensions = ["loud"]\nlow = 0.0\nhigh = 1.0')
    corpus.write_text(text)
    table = corpus.with_name("table.csv")
    rows = table.read_text().replace(",low", ",0.1").replace(",high", ",0.9")
    rng = np.random.default_rng(0)
    lines = [f"{line.rpartition(',')[0]},{rng.uniform():.3f}" for line in rows.splitlines()[1:]]
    table.write_text("\n".join(["path,speaker,loud", *lines]))
    audio = prepared(raw)
    with pytest.raises(SerbenchError, match="a batch has 4 utterances"):
        finetuned(raw, dataclasses.replace(audio, folds=audio.folds[:1]))
    raw["finetune"] = raw["finetune"] | {"batch": 8}
    made = finetuned(raw, dataclasses.replace(audio, folds=audio.folds[:1]))
    card = json.loads((Path(made.parts[0].options["weights"]) / "card.json").read_text())
    assert card["options"]["labels"] == ["loud"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upstream": "fbank"}, r"this upstream has no parameters.* nothing to fine-tune"),
        (
            {"finetune": True, "training": {"finetune": True}},
            r"before the head .finetune. or together with it .training.finetune., not both",
        ),
        ({"finetune": {"epoch": 3}}, r"no finetune key 'epoch'; did you mean 'epochs'\?"),
        ({"finetune": {"seed": 10**20}}, r"finetune key 'seed' must be .*, not 1"),
        ({"finetune": {"batch": 1}}, r"finetune key 'batch' must be .*, not 1"),
        ({"finetune": 3}, r"'finetune' must be a table of settings, true or false, not 3"),
    ],
)
def test_a_mistake_is_named(raw: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        finetuned(raw | change, prepared(raw))


def test_an_upstream_that_cannot_be_saved_is_named(raw: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        """import torch
from serbench.upstreams import Upstream
class Mine(Upstream):
    sample_rate, depth, dim = 16000, 1, 2
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
    def frames(self, samples):
        return samples // 320
    def forward(self, clips):
        raise AssertionError
def make(*, weights: str | None = None):
    return Mine()
"""
    )
    with pytest.raises(SerbenchError, match=r"mine.* cannot be fine-tuned before the head"):
        finetuned(raw | {"upstream": str(tmp_path / "mine.py")}, prepared(raw))


def test_upstreams_of_which_none_has_parameters_are_not_fine_tuned(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    several = {"upstream": ["fbank", "mfcc"], "fusion": "early", "finetune": {"epochs": 1}}
    made = recipe.resolve(raw | several)
    with pytest.raises(SerbenchError, match="neither fbank nor mfcc has parameters"):
        run_recipe(made, data=None, results=tmp_path, progress=Silent())


@pytest.mark.parametrize(
    "asked",
    [
        {"finetune": {"epochs": 1, "front_end": True}},
        {"training": {"epochs": 1, "finetune": {"front_end": True}}},
    ],
    ids=["before the head", "with it"],
)
def test_one_of_several_without_a_front_end_is_named_before_any_is_trained(
    raw: dict[str, Any], asked: dict[str, Any], tmp_path: Path
) -> None:
    several = {**raw, "upstream": ["hubert", "cpc"], "fusion": "early", "finetune": None, **asked}
    made = recipe.resolve(several)
    with pytest.raises(SerbenchError, match=r"upstream 2, cpc: .* no front end"):
        run_recipe(made, data=None, results=tmp_path, progress=Silent())
    assert not (home() / "checkpoints").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"upstream": ["hubert", {"name": "cpc", "weights": "nowhere"}]},
            r"upstream 2, cpc: .*no weights 'nowhere'",
        ),
        (
            {"upstream": ["hubert", {"name": "huggingface", "weights": "nobody/nothing"}]},
            r"upstream 2, huggingface: .*give `--set upstream.2.weights=FOLDER`",
        ),
        (
            {"upstream": [{"name": "tapt_hubert", "layers": [9]}, "cpc"]},
            r"upstream 1, tapt_hubert: .* no layer 9; .* 0 to 4, or --set upstream.1.layers=all",
        ),
        (
            {"upstream": [{"name": "hubert", "layers": [9]}, "cpc"]},
            r"upstream 1, hubert: .* no layer 9; .*upstream.1.layers=all",
        ),
        (
            {"upstream": [{"name": "cpc", "weights": "corpus", "layers": [1]}, "hubert"]},
            r"upstream 1, cpc: .* no layer 1; ",
        ),
        (
            {"upstream": ["hubert", "functionals"], "downstream": "attention"},
            r"upstream 2, functionals: .* one frame an utterance",
        ),
        (
            {"upstream": ["tapt_hubert", {"name": "cpc", "weights": "corpus", "updates": 0}]},
            "upstream 2, cpc: updates = 0: give 1 or more",
        ),
        (
            {"upstream": ["cpc", {"name": "papt_hubert", "crop_seconds": 0.01}]},
            "upstream 2, papt_hubert: crop_seconds = 0.01: give 0.5 or more",
        ),
        ({"upstream": ["hubert", "cpc"], "downstream": {"name": "attention", "heads": 7}}, "heads"),
        (
            {"upstream": ["hubert", "cpc"], "training": {"epochs": 1, "dimension_weights": [1, 2]}},
            "training: dimension_weights",
        ),
        (
            {"upstream": ["hubert", "cpc"], "finetune": {"epochs": 1, "dimension_weights": [1, 2]}},
            "finetune: dimension_weights",
        ),
        (
            {"upstream": ["hubert", "cpc"], "finetune": {"epochs": 1, "longest_seconds": 1e-3}},
            "upstream 1.*finetune: .*keeps 16 samples",
        ),
        (
            {"upstream": {"name": "tapt_hubert", "layers": [9]}, "fusion": None, "finetune": None},
            r"no layer 9; give different ones from 0 to 4",
        ),
    ],
    ids=[
        "weights",
        "of a hub",
        "layer of TAPT",
        "layer",
        "layer of CPC",
        "pooled",
        "updates",
        "crops",
        "heads",
        "weights of dimensions",
        "those of finetune",
        "cut",
        "layer of TAPT alone",
    ],
)
def test_what_an_upstream_cannot_is_told_before_any_is_adapted_or_trained(
    raw: dict[str, Any], asked: dict[str, Any], message: str, tmp_path: Path
) -> None:
    made = recipe.resolve({**raw, "fusion": "late", "finetune": {"epochs": 1}, **asked})
    with pytest.raises(SerbenchError, match=message):
        run_recipe(made, data=None, results=tmp_path, progress=Silent())
    assert not (home() / "checkpoints").exists()


@pytest.mark.parametrize(
    ("name", "file", "tensor"),
    [
        ("hubert", "model.safetensors", "encoder.layer_norm.weight"),
        ("tapt_hubert", "model.safetensors", "encoder.layer_norm.weight"),
        ("papt_hubert", "model.safetensors", "masked_spec_embed"),
        ("cpc", "model.safetensors", "recurrence.weight_hh_l0"),
        ("cpc", "head.safetensors", "predictors.weight"),
    ],
)
def test_weights_that_are_not_finite_are_told_before_others_are_adapted(
    raw: dict[str, Any], tmp_path: Path, name: str, file: str, tensor: str
) -> None:
    folder, sizes = tmp_path / "bad", {"cpc": cpc.WEIGHTS}.get(name, hubert.WEIGHTS)
    shutil.copytree(find("nano", None, sizes).folder, folder)
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    tensors = load_file(folder / file)
    tensors[tensor].view(-1)[1] = torch.nan
    save_file(tensors, folder / file, {"format": "pt"})
    bad = {"name": name, "weights": str(folder)} | ({"contrastive": 1.0} if file[0] == "h" else {})
    asked = {"upstream": ["tapt_hubert", bad], "fusion": "late", "finetune": None}
    with pytest.raises(SerbenchError, match=f"^upstream 2, .*bad.*{tensor} holds .* not finite"):
        run_recipe(recipe.resolve({**raw, **asked}), data=None, results=tmp_path, progress=Silent())
    assert not (home() / "checkpoints").exists()


def test_what_shows_only_after_an_adaptation_is_told_before_others_are_trained(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    """CPC of the corpus has no front end to train: known once it is there, not after HuBERT."""
    cpc = {"name": "cpc", "weights": "corpus", "updates": 1, "clips": 2, "clip_seconds": 1.0}
    asked = {"upstream": ["hubert", cpc], "fusion": "late"}
    made = recipe.resolve({**raw, **asked, "finetune": {"epochs": 1, "front_end": True}})
    told = Told()
    with pytest.raises(SerbenchError, match=r"upstream 2, cpc: .* no front end"):
        run_recipe(made, data=None, results=tmp_path, progress=told)
    assert told.count("hubert fine-tuned") == 0
