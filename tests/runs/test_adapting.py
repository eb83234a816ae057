"""A run adapts its upstream first: to which utterances, how often, and what the result says."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from serbench import plugins
from serbench.durable import SUMS, harm
from serbench.encoders.pretraining.adaptation_options import BY_SIZE
from serbench.encoders.weights import PACKAGED, find
from serbench.errors import SerbenchError
from serbench.leaderboard import notes
from serbench.leaderboard.columns import contaminated
from serbench.progress import Silent, Step
from serbench.runs import adapting as adaptation
from serbench.runs import recipe
from serbench.runs.adapting import Adapted, adapt
from serbench.runs.corpus import Prepared, prepare
from serbench.runs.job import Job
from serbench.runs.run import run_recipe
from serbench.training.waves import enrol_speakers
from serbench.upstreams import Clips

from ..damage import HARM, a_flipped_bit  # noqa: TID252
from .conftest import written


class Told(Silent):
    """Keeps what is told, and kills the adaptation at an update."""

    def __init__(self, updates: float = np.inf) -> None:
        self.told: list[str] = []
        self.updates = updates

    def tell(self, text: str) -> None:
        self.told.append(text)

    @contextmanager
    def step(self, title: str, total: float | None) -> Iterator[Step]:
        with super().step(title, total) as quiet:
            yield _Mortal(self, quiet) if title == "pre-training" else quiet

    def count(self, text: str) -> int:
        return sum(text in line for line in self.told)


class _Mortal:
    def __init__(self, owner: Told, quiet: Step) -> None:
        self.owner, self.note = owner, quiet.note

    def advance(self, amount: float = 1.0) -> None:
        self.owner.updates -= amount
        if self.owner.updates < 0:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def raw(corpus: Path, pretrained_hubert: Path) -> dict[str, Any]:
    return asked(corpus, pretrained_hubert)


def asked(corpus: Path, weights: Path) -> dict[str, Any]:
    """Return a recipe that adapts weights to a corpus."""
    return {
        "upstream": {
            "name": "papt_hubert",
            "weights": str(weights),
            "epochs": 2,
            "peak": 1e-3,
            "batch_seconds": 4.0,
        },
        "downstream": "mean_pool",
        "benchmark": str(corpus),
        "training": {"epochs": 1},
    }


def prepared(raw: dict[str, Any]) -> Prepared:
    made = recipe.resolve(raw)
    benchmark = recipe.make_benchmark(made.benchmark)
    protocol = recipe.make_protocol(benchmark, made.protocol)
    return prepare(benchmark, protocol, data=None, leave_out_broken=False, progress=Silent())


def adapted(
    raw: dict[str, Any], progress: Told, corpus: Prepared | None = None, **options: Any
) -> Adapted:
    upstream = raw["upstream"] | options if options else raw["upstream"]
    made = recipe.resolve(raw | {"upstream": upstream})
    (only,) = adapt(Job.of(made, "cpu", progress), corpus or prepared(raw))
    return only


def test_it_is_adapted_once_for_what_decides_it(raw: dict[str, Any]) -> None:
    told = Told()
    first = adapted(raw, told)
    (weights,) = (part.options["weights"] for part in first.parts)
    for changed in ({}, {"unseen": "mean"}, {"seed": 1}, {"position": "first"}):
        other = adapted(raw, told, **changed)
        same = changed.keys() <= {"unseen"}
        assert (other.parts[0].options["weights"] == weights) == same, changed
        assert (other.parts[0].contents == first.parts[0].contents) == same, changed
    assert told.count("adapted weights found in") == 2
    assert told.count("masked loss") == 3


@pytest.mark.parametrize("name", ["papt_hubert", "tapt_hubert"])
def test_what_is_not_asked_is_taken_from_the_size_of_the_weights(
    raw: dict[str, Any], pretrained_hubert: Path, name: str
) -> None:
    """And the card beside what was made names it; the recipe leaves it open."""
    start = {"name": name, "weights": str(pretrained_hubert), "epochs": 1}
    asked = {"gradient": 0.5, "layer_drop": 0.25, "crop_seconds": 1.0, "batch_seconds": 4.0}
    for given in ({}, asked):
        part = adapted(raw | {"upstream": start | given}, Told()).parts[0]
        card = json.loads((Path(part.options["weights"]) / "card.json").read_text())
        expected = asdict(BY_SIZE["nano"]) | given
        assert {key: card["options"][key] for key in expected} == expected
        assert (card["options"]["epochs"], card["options"]["normalized"]) == (1, "recording")
        assert {key: part.options[key] for key in expected} == dict.fromkeys(expected) | given


@pytest.mark.slow
def test_nano_adapts_visibly_where_nothing_is_asked(raw: dict[str, Any]) -> None:
    """With the paper's rate and batches, the loss on `demo` moves by 0.06 nats in ten epochs."""
    raw |= {"upstream": {"name": "papt_hubert", "epochs": 2}, "benchmark": "demo"}
    weights = Path(adapted(raw, Told()).parts[0].options["weights"])
    lines = map(json.loads, (weights / "encoder.jsonl").read_text().splitlines())
    losses = [line["masked_loss"] for line in lines if line["kind"] == "valid"]
    assert len(losses) == 3
    assert losses[-1] < losses[0] - 0.3


def test_what_is_told_and_recorded(raw: dict[str, Any], pretrained_hubert: Path) -> None:
    told = Told()
    made = adapted(raw, told)
    assert told.count(
        f"adapts {pretrained_hubert} on all utterances, the test part included, of voices: "
        "16 utterances, 0.01 h, 4 speakers"
    )
    assert made.record is not None
    assert (made.record.on, made.record.transductive, made.record.unseen) == (
        "all",
        True,
        "nearest",
    )
    assert made.record.utterances == 16
    assert made.record.checkpoints == (made.parts[0].contents["weights"],)
    assert made.base == find(str(pretrained_hubert), None, {}).provenance
    encoder = plugins.make(plugins.find("upstreams", "papt_hubert"), options=made.parts[0].options)
    assert encoder.speakers.names == ["s0", "s1", "s2", "s3"]
    assert "voices (0.0 h)" in encoder.provenance["trained_on"]
    (card,) = Path(made.parts[0].options["weights"]).glob("card.json")
    assert json.loads(card.read_text())["corpora"][0]["attribution"] == "Us (2026)"


def test_a_copy_of_an_adapted_speaker_is_taken_for_him(raw: dict[str, Any]) -> None:
    """From the profiles that adaptation left to what the store lets the upstream hear."""
    options = adapted(raw, Told()).parts[0].options
    encoder = plugins.make(plugins.find("upstreams", "papt_hubert"), options=options)
    table = prepared(raw).table
    enrol_speakers(table.assign(speaker="copy of " + table["speaker"]), encoder, Silent())
    clip = torch.sin(torch.arange(9000) / 20)
    found = {}
    for name in sorted(set(table["speaker"])):
        copy, original = (
            encoder(Clips([clip], [who], [None])).layers for who in (f"copy of {name}", name)
        )
        assert torch.equal(copy, original)
        found[name] = original
    assert not torch.allclose(found["s0"], found["s1"])


def test_the_training_part_is_all_that_a_fold_hears(raw: dict[str, Any]) -> None:
    """The other recordings are not even there."""
    corpus = prepared(raw)
    fold = corpus.folds[2]
    speakers = sorted(set(corpus.table["speaker"].iloc[fold.train]))
    assert len(speakers) == 2
    for row in {*range(len(corpus.table))} - {*fold.train.tolist()}:
        Path(corpus.table["path"].iloc[row]).unlink()
    only = dataclasses.replace(corpus, folds=[fold])
    told = Told()
    made = adapted(raw, told, only, adapt_on="train")
    assert told.count(f"on the training part of fold '{fold.name}' of voices: 8 utterances")
    assert made.record is not None
    assert (made.record.on, made.record.transductive) == ("train", False)
    encoder = plugins.make(plugins.find("upstreams", "papt_hubert"), options=made.parts[0].options)
    assert encoder.speakers.names == speakers


def test_a_killed_adaptation_goes_on_to_the_same_weights(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = adapted(raw, Told())
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "other"))
    with pytest.raises(KeyboardInterrupt):
        adapted(raw, Told(updates=5))
    assert not list((tmp_path / "other").rglob("card.json")), "half of it must not be seen"
    told = Told()
    assert adapted(raw, told).parts[0].contents == whole.parts[0].contents
    assert not told.count("adapted weights found")


@pytest.mark.parametrize("method", ["papt", "tapt"])
def test_weights_that_are_adapted_are_taken_as_they_are(
    raw: dict[str, Any], tmp_path: Path, method: str
) -> None:
    """And every table says so, and that they know the corpus if they do."""
    name = f"{method}_hubert"
    weights = adapted(raw, Told(), name=name).parts[0].options["weights"]
    made = recipe.resolve(raw | {"upstream": {"name": name, "weights": weights}})
    told = Told()
    outcome = run_recipe(made, data=None, results=tmp_path / "results", progress=told)
    options = "adapt_on, epochs, peak, batch_seconds, gradient, layer_drop, crop_seconds, seed have"
    assert told.count(f"weights '{weights}' are adapted already") == told.count(options) == 1
    result = outcome.result
    assert "adapt" not in result.seconds
    assert result.labels.weights == f"./{Path(weights).name}"
    assert result.adaptation is not None
    assert (result.adaptation.on, result.adaptation.utterances) == ("before", 16)
    assert result.adaptation.checkpoints == (made.upstreams[0].contents["weights"],)
    assert result.provenance["method"].startswith(f"{method.upper()} (Tran")
    shown = [*notes.about_adaptation(result), *notes.about_setting(result)]
    shown += notes.about_result(result, outcome.scores)
    for beginning in ("Weights came adapted (16 utt", "Transductive: ", "The upstream was trained"):
        assert sum(note.startswith(beginning) for note in shown) == 1, beginning


@pytest.mark.parametrize("copied", [True, False])
def test_weights_adapted_to_another_corpus_are_transductive_if_it_is_a_copy(
    raw: dict[str, Any], corpus: Path, copied: bool
) -> None:
    place = Path(adapted(raw, Told()).parts[0].options["weights"])
    weights = shutil.copytree(place, corpus.parent / "mine")
    card = json.loads((weights / "card.json").read_text())
    assert len(card["options"]["heard"]) == 16
    if not copied:
        card["options"]["heard"] = ["0" * 12]
        (weights / "card.json").write_text(json.dumps(card))
        (weights / SUMS).unlink()
    corpus.write_text(corpus.read_text().replace('"voices"', '"others"'))
    made = adapted(raw, Told(), weights=str(weights))
    assert made.record is not None
    assert (made.record.on, made.record.transductive) == ("before", copied)


def test_audio_that_weights_heard_is_told_whatever_upstream_takes_them(
    raw: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    weights = adapted(raw, Told(), name="tapt_hubert").parts[0].options["weights"]
    corpus.write_text(corpus.read_text().replace('"voices"', '"others"'))
    taken = raw | {"upstream": {"name": "hubert", "weights": weights}}
    made = recipe.resolve(taken)
    outcome = run_recipe(made, data=None, results=tmp_path / "results", progress=Silent())
    assert outcome.result.provenance["audio_heard"] == "16 of 16 recordings that are tested"
    assert contaminated(outcome.result)
    shown = notes.about_result(outcome.result, outcome.scores)
    assert any("trained on audio of 16 of 16 recordings" in note for note in shown)


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ("Read", "Read", None),  # one training in two goes
        ("Read", "Sung", ("before", False)),
        (None, "Read", ("before", False)),  # nobody knows what it was before
        ("voices", "voices", ("before", True)),  # the test part was heard, no matter how often
    ],
)
def test_whether_weights_that_were_trained_further_came_adapted(
    raw: dict[str, Any],
    tmp_path: Path,
    first: str | None,
    then: str,
    expected: tuple[str, bool] | None,
) -> None:
    folder = shutil.copytree(PACKAGED / "cpc_nano", tmp_path / "mine")
    corpora = [{"name": then, "hours": 1.0, "recordings": 2}]
    base = {"id": "before"} | ({"trained_on": f"{first} (1.0 h)"} if first else {})
    card = {"corpora": corpora, "trained_on": f"{then} (1.0 h)", "base": base}
    (folder / "card.json").write_text(json.dumps(card))
    raw["upstream"] = {"name": "cpc", "weights": str(folder)}
    made = adapted(raw, Told()).record
    assert (made and (made.on, made.transductive)) == expected


def test_weights_of_another_precision_are_not_taken(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = adapted(raw, Told()).parts[0].options["weights"]
    here = adaptation.has_bf16("cpu")
    monkeypatch.setattr(adaptation, "has_bf16", lambda device: not here)
    told = Told()
    assert adapted(raw, told).parts[0].options["weights"] != first
    assert not told.count("adapted weights found")


def test_weights_are_named_even_if_they_are_the_default(raw: dict[str, Any]) -> None:
    upstreams = ("papt_hubert", {"name": "tapt_hubert", "weights": "base"})
    made = [recipe.resolve(raw | {"upstream": upstream}).labels for upstream in upstreams]
    assert [(labels.upstream, labels.weights) for labels in made] == [
        ("papt_hubert", "nano"),
        ("tapt_hubert", "base"),
    ]


def test_namesakes_from_another_corpus_are_told(
    raw: dict[str, Any], tmp_path: Path, write_tiny_hubert: Callable[..., Path]
) -> None:
    for names, warned in ((["s1", "dan"], True), (["dan", "eve"], False)):
        told = Told()
        adapted(raw, told, weights=str(write_tiny_hubert(tmp_path / names[0], names)))
        assert told.count("of Noise (1.0 h), know 1 speakers by a name that voices has") == warned


def test_other_upstreams_are_left_alone(raw: dict[str, Any]) -> None:
    made = recipe.resolve(raw | {"upstream": "fbank"})
    found = adapt(Job.of(made, "cpu", Told()), prepared(raw))
    assert found == (Adapted(made.upstreams),)


@pytest.mark.parametrize(("on", "stores"), [("all", 1), ("train", 4)])
def test_a_run_from_adaptation_to_the_result(
    raw: dict[str, Any], tmp_path: Path, on: str, stores: int, pretrained_hubert: Path
) -> None:
    made = recipe.resolve(raw | {"upstream": raw["upstream"] | {"adapt_on": on}})
    outcome = run_recipe(made, data=None, results=tmp_path / "results", progress=Silent())
    result = outcome.result
    assert result.adaptation is not None
    assert len(result.adaptation.checkpoints) == stores
    assert len(list((tmp_path / "home" / "features").iterdir())) == stores
    assert result.provenance["trained_on"] == "Noise (1.0 h)"
    assert result.labels.weights == f"./{pretrained_hubert.name}"
    assert "adapt" in result.seconds
    told = notes.about_setting(result)
    assert any(note.startswith("Transductive: ") for note in told) == (on == "all")
    marked = notes.about_result(result, outcome.scores)
    assert not any("trained on the test corpus" in note for note in marked)


def test_a_fold_trains_its_own_adapted_upstream(raw: dict[str, Any], tmp_path: Path) -> None:
    """Fine-tuning to the weights of each fold, whose waveforms are decoded once."""
    training = {"epochs": 1, "finetune": True}
    upstream = raw["upstream"] | {"adapt_on": "train"}
    told = Told()
    outcome = run_recipe(
        recipe.resolve(raw | {"upstream": upstream, "training": training}),
        data=None,
        results=tmp_path / "results",
        progress=told,
    )
    assert told.count("are decoded as they are needed") == 1
    assert outcome.result.adaptation is not None
    assert len(set(outcome.result.adaptation.checkpoints)) == 4
    assert len(outcome.result.training) == 4


class Once(NamedTuple):
    """An adaptation, what was asked for, and the home that it lies in."""

    raw: dict[str, Any]
    corpus: Prepared
    made: Adapted
    home: Path


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, pretrained_hubert: Path) -> Once:
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERBENCH_HOME", str(folder / "home"))
        raw = asked(written(folder), pretrained_hubert)
        corpus = prepared(raw)
        return Once(raw, corpus, adapted(raw, Told(), corpus), folder / "home")


@pytest.mark.parametrize("how", [*HARM, Path.unlink])
@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "speakers.safetensors", "preprocessor_config.json", "card.json"],
)
def test_adapted_weights_that_are_damaged_are_made_anew(
    once: Once, tmp_path: Path, name: str, how: Callable[[Path], None]
) -> None:
    home = shutil.copytree(once.home, tmp_path / "home")
    (file,) = (home / "checkpoints").rglob(name)
    how(file)
    told = Told()
    again = adapted(once.raw, told, once.corpus)
    assert again.parts[0].contents == once.made.parts[0].contents
    assert (again.record, again.base) == (once.made.record, once.made.base)
    assert told.count("damaged and made anew: weights in") == 1
    assert told.count(f"({name} is ") == 1
    assert harm(file.parent) is None


def test_adapted_weights_without_their_card_are_refused(once: Once, tmp_path: Path) -> None:
    """Nothing else says whose audio they heard, and so that a run with them is transductive."""
    before = Path(once.made.parts[0].options["weights"])
    copy = Path(shutil.copytree(before, tmp_path / "copy"))
    given = once.raw["upstream"] | {"weights": str(copy)}
    known = adapted(once.raw | {"upstream": given}, Told(), once.corpus).record
    assert known is not None and known.transductive
    (copy / "card.json").unlink()
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(SerbenchError, match=r"no card\.json, which says whose audio they heard"):
        adapted(once.raw | {"upstream": given}, Told(), once.corpus)


def test_own_weights_that_are_damaged_are_refused_and_named(
    pretrained_hubert: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(pretrained_hubert, tmp_path / "copy"))
    a_flipped_bit(folder / "model.safetensors")
    with pytest.raises(SerbenchError, match=r"copy' are damaged: .*model\.safetensors is not as"):
        find(str(folder), None, {})
    (folder / "SHA256SUMS").unlink()
    assert find(str(folder), None, {}).name == str(folder)


MINE = '''"""Mean and width of a corpus (a test)."""
import json
from pathlib import Path
from safetensors.torch import save_file
import torch
from serbench.upstreams import Unlabelled

ADAPTED_BY = ("scale",)

def make(*, scale: float = 1.0, state: str | None = None):
    return Path(state).read_bytes()

def adapt(options, offered, place, *, progress, device):
    assert isinstance(offered, Unlabelled)
    place.mkdir(parents=True)
    count = torch.tensor([options["scale"] * len(offered.recordings)])
    save_file({"count": count}, place / "state.safetensors")
    return {"state": str(place / "state.safetensors")}
'''


def test_foreign_upstreams_adapt_too(raw: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    mine = str(tmp_path / "mine.py")
    made = adapted(raw | {"upstream": {"name": mine, "scale": 2.0}}, Told(), prepared(raw))
    assert plugins.make(plugins.find("upstreams", mine), options=made.parts[0].options)
    assert made.record is not None
    assert made.record.checkpoints == (made.parts[0].contents["state"],)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('("scale",)', '("scle",)'),
            "'mine'.*ADAPTED_BY names it, has no option 'scle'.*mean 'scale'",
        ),
        (("def adapt(", "def adopt("), "has the constant ADAPTED_BY but no function 'adapt'"),
    ],
)
def test_a_foreign_upstream_that_is_not_right(
    raw: dict[str, Any], tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    (tmp_path / "mine.py").write_text(MINE.replace(*change))
    with pytest.raises(SerbenchError, match=message):
        adapted(raw | {"upstream": str(tmp_path / "mine.py")}, Told(), prepared(raw))


def test_what_is_enrolled_is_heard_with_the_training_part(raw: dict[str, Any]) -> None:
    """So PAPT knows those who are tested, by these clips alone; of the rest it hears nothing."""
    told, whole = Told(), prepared(raw)
    table, fold = whole.table, whole.folds[0]
    given, rest = fold.test[:2], fold.test[2:]
    enrolled = dataclasses.replace(fold, test=rest, enrol=given)
    tested = {*table["speaker"].iloc[given]}
    for each, known in ((fold, False), (enrolled, True)):
        made = adapted(
            raw, told, dataclasses.replace(whole, folds=[each]), adapt_on="train", epochs=1
        )
        card = json.loads((Path(made.parts[0].options["weights"]) / "card.json").read_text())
        (heard,) = card["corpora"]
        assert heard["recordings"] == len(each.train) + 2 * known
        assert made.record is not None
        assert not made.record.transductive
        encoder = recipe_upstream(made)
        assert (tested <= {*encoder.speakers.names}) == known


def recipe_upstream(made: Adapted) -> Any:
    part = made.parts[0]
    return plugins.make(plugins.find("upstreams", part.name), options=part.options)
