"""What a recipe implies is not taken on a record's word."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from pydantic_core import to_json

from serbench import plugins
from serbench.benchmarks import Classification
from serbench.leaderboard import implied, store
from serbench.leaderboard.builtin import own_benchmark, recorded
from serbench.leaderboard.identity import corrected_by, digest_of
from serbench.leaderboard.notes import SENT, to_hand_on
from serbench.leaderboard.record import (
    Adaptation,
    BenchmarkRecord,
    Conditioning,
    Corrected,
    FineTuned,
    Labels,
    Member,
    ProtocolRecord,
    Result,
)
from serbench.leaderboard.verifying import verify
from serbench.runs import recipe

from .result_samples import classified, own_run, record, scored

GOOD = classified(1.5)
ASKED = {"upstream": "fbank", "downstream": "mean_pool"}
CREMA = {**ASKED, "benchmark": "crema_d"}
RANDOM = {"name": "random_clips"}
EVERYTHING = ("recording", "session", "speaker")
HUBERT = {"id": "serbench/hubert-nano"}
ADAPTED = Adaptation(
    on="all", transductive=True, utterances=535, hours=0.4, checkpoints=("ab" * 32,)
)


@cache
def emodb() -> BenchmarkRecord:
    made = own_benchmark(_of({**ASKED, "benchmark": "emodb"}))
    assert made is not None
    return recorded(made)


def _of(asked: dict[str, Any], **changes: Any) -> Result:
    made = recipe.resolve(asked)
    given = {"recipe": made.plain(), "digest": made.digest(), "labels": made.labels} | changes
    return record(**given)


def run(asked: dict[str, Any] | None = None, **changes: Any) -> Result:
    """Return the record of an honest run on EmoDB, with fields changed."""
    whole = {**ASKED, "benchmark": "emodb", **(asked or {})}
    options = recipe.resolve(whole).plain()["protocol"]["options"]
    name = whole.get("protocol", {"name": "speaker_folds"})["name"]
    split = ProtocolRecord(name=name, options=options)
    return _of(whole, **{"benchmark": emodb(), "protocol": split} | changes)


def _folds(**changes: Any) -> dict[str, Any]:
    return run().protocol.options | changes


def tapt(**changes: Any) -> Result:
    asked = {"upstream": {"name": "tapt_hubert", **changes.pop("options", {})}}
    return run(asked, **{"provenance": HUBERT, "adaptation": ADAPTED} | changes)


def leaking(**changes: Any) -> Result:
    made = run({"protocol": RANDOM})
    split = made.protocol.model_copy(update={"shares": EVERYTHING} | changes)
    return made.model_copy(update={"protocol": split})


@pytest.mark.parametrize("honest", [run, tapt, leaking])
def test_an_honest_record_is_what_its_recipe_implies(honest) -> None:
    assert [*implied.unlike(honest())] == []


def test_who_adapted_to_the_training_part_may_say_so() -> None:
    train = ADAPTED.model_copy(update={"on": "train", "transductive": False})
    assert [*implied.unlike(tapt(options={"adapt_on": "train"}, adaptation=train))] == []


def in_recipe(part: str, **changes: Any) -> Result:
    return run(recipe=_changed({**ASKED, "benchmark": "emodb"}, part, **changes))


def _changed(asked: dict[str, Any], part: str, **changes: Any) -> dict[str, Any]:
    plain = recipe.resolve(asked).plain()
    return plain | {part: plain[part] | changes}


def upstream(name: str, options: dict[str, Any], **changes: Any) -> Result:
    (part,) = run().recipe["upstreams"]  # type: ignore[misc,union-attr]
    own = plugins.defaults(plugins.find("upstreams", name))
    said = {"options": options, "defaults": {key: own[key] for key in options if key in own}}
    changed = {**part, "name": name, **said, **changes}  # type: ignore[dict-item]
    made = run()
    return made.model_copy(update={"recipe": made.recipe | {"upstreams": [changed]}})


def without(key: str) -> Result:
    made = run()
    return made.model_copy(update={"recipe": {k: v for k, v in made.recipe.items() if k != key}})


def benchmark(**changes: Any) -> Result:
    return run(benchmark=emodb().model_copy(update=changes))


FORGED = {
    "adaptation denied": (lambda: tapt(adaptation=None), "adapts 'tapt_hubert'"),
    "not transductive": (
        lambda: tapt(adaptation=ADAPTED.model_copy(update={"transductive": False})),
        "adapts 'tapt_hubert' on all, and the record says all, not transductive",
    ),
    "adapted to the training part": (
        lambda: tapt(
            adaptation=ADAPTED.model_copy(update={"on": "train", "transductive": False})
        ),
        "adapts 'tapt_hubert' on all, and the record says train",
    ),
    "adapted before": (
        lambda: tapt(
            adaptation=ADAPTED.model_copy(update={"on": "before", "transductive": False})
        ),
        "the record says before",
    ),
    "never adapted": (lambda: run(adaptation=ADAPTED), "does not adapt 'fbank'"),
    "fine-tuned": (
        lambda: run(
            finetuned=FineTuned(on="train", utterances=1, hours=1.0, checkpoints=(), training=())
        ),
        "does not fine-tune",
    ),
    "weights of another": (
        lambda: tapt(provenance={"id": "openai/whisper-large-v3"}),
        "of the weights 'serbench/hubert-nano', and the record says 'openai/whisper-large-v3'",
    ),
    "no weights": (lambda: run(provenance={"id": "openai/whisper-large-v3"}), "no published"),
    "speakers apart": (lambda: leaking(shares=()), "shares recording and session and speaker"),
    "sentences apart": (lambda: leaking(apart=("text",)), "the record says"),
    "another corpus": (lambda: in_recipe("benchmark", name="iemocap"), "of another benchmark"),
    "no such corpus": (lambda: in_recipe("benchmark", name="nosuch"), "no benchmark 'nosuch'"),
    "another case": (lambda: in_recipe("benchmark", name="EmoDB"), "'emodb' does"),
    "a file": (lambda: in_recipe("benchmark", name="./evil.py"), "no benchmark './evil.py'"),
    "several corpora": (lambda: in_recipe("benchmark", name="across"), "of several corpora"),
    "other code": (lambda: in_recipe("benchmark", origin="file"), "cannot have that name"),
    "unknown option": (
        lambda: in_recipe("benchmark", options={"task": "x"}), "benchmark 'emodb' has no option"
    ),
    "another version": (lambda: benchmark(version="2"), "'emodb' has version 1"),
    "synthetic": (lambda: benchmark(synthetic=True), "'emodb' has synthetic False"),
    "fewer labels": (
        lambda: benchmark(task=Classification(("anger", "boredom"))), "another task"
    ),
    "another protocol": (lambda: in_recipe("protocol", name="random_clips"), "another protocol"),
    "other options": (lambda: in_recipe("protocol", options={"k": 10}), "another protocol"),
    "enrolled": (
        lambda: run().model_copy(update={"recipe": run().recipe | {"enrol": {"amount": 1.0}}}),
        "enrols otherwise",
    ),
    "own weights denied": (
        lambda: upstream("tapt_hubert", {"weights": "./nano"}, contents={"weights": "ab" * 32}),
        "adapts 'tapt_hubert', and the record says that nothing was",
    ),
    "fine-tuning denied": (
        lambda: run({"finetune": True}), "fine-tunes 'fbank', and the record says that nothing was"
    ),
    "weights of nowhere": (
        lambda: upstream("hubert", {"weights": "Nano"}), "no published size, hub id or folder"
    ),
    "notes of its own": (lambda: run(noted=("Trained again here.",)), "it was made of none"),
    "weights unsaid": (lambda: upstream("tapt_hubert", {}), "adapts 'tapt_hubert'"),
    "demo weights denied": (
        lambda: upstream("hubert", {}), "of the weights 'serbench/hubert-nano', and the record says"
    ),
    "options of another": (
        lambda: upstream("tapt_hubert", {"mels": 80}), "upstream 'tapt_hubert' has no option 'mels'"
    ),
    "no number": (lambda: upstream("fbank", {"mels": "many"}), "'mels' of upstream 'fbank'"),
    "newer code": (lambda: upstream("fbank", {}, edition=9), "editions 1 to 1 here, not 9"),
    "code of no time": (lambda: upstream("fbank", {}, edition=0), "editions 1 to 1 here, not 0"),
    "no such head": (lambda: in_recipe("downstream", name="nosuch"), "no downstream 'nosuch'"),
    "head of another": (
        lambda: in_recipe("downstream", options={"colour": 1}, defaults={}),
        "has no option 'colour'",
    ),
    "told who speaks": (
        lambda: run({"downstream": "speaker_mlp"}),
        "tells the head 'id' of who speaks, and the record says 'nothing'",
    ),
    "told nothing": (
        lambda: run(conditioning=Conditioning(on="mfcc", tested=3, unseen=3)),
        "tells the head 'nothing' of who speaks, and the record says 'mfcc'",
    ),
    "defaults of its own": (
        lambda: upstream("fbank", {"mels": 40}, defaults={"mels": 40}),
        "'fbank' has mels = 80 by default, not 40",
    ),
    "code of its own": (lambda: upstream("fbank", {}, code="ab" * 32), "said to have other code"),
    "files of its own": (
        lambda: in_recipe("downstream", contents={"foo": "ab" * 32}), "takes no file as foo"
    ),
    "fused alone": (
        lambda: run().model_copy(update={"recipe": run().recipe | {"fusion": "early"}}),
        "has the fusion 'early', and there are early and late of several",
    ),
    "corpus with defaults of its own": (
        lambda: _of(CREMA, recipe=_changed(CREMA, "benchmark", defaults={"labels": "x"})),
        "'crema_d' has labels = 'intended' by default, not 'x'",
    ),
    "a default unsaid": (
        lambda: upstream("fbank", {"mels": 80}, defaults={"mels": 80, "normalize": False}),
        "'fbank' is not whole: options and defaults do not both have normalize",
    ),
    "no defaults": (
        lambda: upstream("fbank", {"mels": 80}, defaults={}), "do not both have mels"
    ),
    "called by weights unsaid": (
        lambda: upstream("hubert", {}, defaults={}), "does not say the weights of 'hubert'"
    ),
    "called by a size unsaid": (
        lambda: in_recipe("downstream", name="ecapa", options={}, defaults={}),
        "does not say the size of 'ecapa'",
    ),
    "options of another type": (
        lambda: run(protocol=ProtocolRecord(name="speaker_folds", options=_folds(k=5.0))),
        "of another protocol",
    ),
    "weights of none": (
        lambda: run(provenance={"id": "wav2vec2-large"}),
        "'fbank' has no weights, and the record says 'wav2vec2-large'",
    ),
    "an id of its own": (
        lambda: upstream(
            "hubert", {"weights": "./mine"}, contents={"weights": "ab" * 32}
        ).model_copy(update={"provenance": {"id": "hubert/large-v3"}}),
        "of no published weights, and the record says 'hubert/large-v3'",
    ),
    "an id that looks like another": (
        lambda: upstream(
            "hubert", {"weights": "./mine"}, contents={"weights": "ab" * 32}
        ).model_copy(update={"provenance": {"id": "facebook\u2215hubert"}}),
        "signs that look like others",
    ),
    "no known defects": (lambda: run(known_defects=3), "lists 0 known defects of what was used"),
    "seeds unsaid": (lambda: without("seeds"), "does not say which seeds"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_a_recipe_implies_is_compared(name) -> None:
    made, said = FORGED[name]
    told = [*implied.unlike(made())]
    assert told
    assert said in " ".join(told)


def test_a_head_that_was_told_who_speaks_may_say_so() -> None:
    told = {"downstream": {"name": "speaker_mlp", "speaker": "mfcc"}}
    honest = run(told, conditioning=Conditioning(on="mfcc", tested=3, unseen=3))
    assert [*implied.unlike(honest)] == []


@pytest.mark.parametrize("name", plugins.names("downstreams"))
def test_a_head_says_without_its_code_on_what_it_conditions(name: str) -> None:
    plugin = plugins.find("downstreams", name)
    key = plugin.constants.get("CONDITIONED_BY")
    values = get_args(plugin.options[key].type) if key else ("nothing",)
    for value in values:
        head = plugins.make(plugin, 1, options={key: value} if key else {})
        assert head.conditions_on == value


def test_an_older_edition_may_have_had_other_options(monkeypatch: pytest.MonkeyPatch) -> None:
    then = plugins.find("upstreams", "fbank")
    now = replace(then, constants={**then.constants, "EDITION": 2})
    known = {"fbank": now, "mean_pool": plugins.find("downstreams", "mean_pool")}
    monkeypatch.setattr(implied, "own_plugin", lambda _, name: known[name])
    older, same = (
        " ".join(implied.unlike(upstream("fbank", {"gone": 1}, edition=edition)))
        for edition in (1, 2)
    )
    assert "no option 'gone'" not in older
    assert "no option 'gone'" in same


def test_no_file_that_a_record_names_is_run(tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef make(): pass\n")
    for made in (
        in_recipe("benchmark", name=str(evil)),
        run().model_copy(
            update={"recipe": run().recipe | {"upstreams": [{"name": str(evil), "options": {}}]}}
        ),
    ):
        assert any("comes with serbench" in each for each in implied.unlike(made))
    assert not (tmp_path / "ran").exists()


def corrected(before: Result, *steps: str, **changes: Any) -> Result:
    parts = [{"name": step, "options": {}, "origin": "serbench"} for step in steps]
    plain = corrected_by(parts, before.digest)
    head = " > ".join([before.labels.downstream, *steps])
    made = {
        "recipe": plain,
        "digest": digest_of(plain),
        "labels": before.labels.model_copy(update={"downstream": head}),
        "corrected": Corrected(digest=before.digest, steps=steps),
    }
    return before.model_copy(update=made | changes)


def test_a_step_that_looks_at_truths_is_known_by_its_name() -> None:
    assert [*implied.unlike(corrected(run(), "pldc"))] == []
    assert "looks at the truths" in " ".join(implied.unlike(corrected(run(), "oracle")))
    newer = corrected(run(), "pldc")
    (step,) = newer.recipe["postprocess"]  # type: ignore[misc]
    plain = newer.recipe | {"postprocess": [{**step, "edition": 99}]}  # type: ignore[dict-item]
    told = " ".join(implied.unlike(newer.model_copy(update={"recipe": plain})))
    assert "not 99; update serbench" in told


def test_a_step_has_those_options_that_are_not_as_usual() -> None:
    plugin = plugins.find("postprocessors", "pldc")
    usual = plugins.defaults(plugin)
    key = next(key for key, value in usual.items() if type(value) is int)
    step = {"name": "pldc", "options": {key: usual[key] + 1}, "origin": "serbench"}
    step["edition"] = plugin.constants.get("EDITION", 1)
    made = corrected(run(), "pldc")
    made = made.model_copy(update={"recipe": corrected_by([step], run().digest)})
    assert [*implied.unlike(made)] == []


def kept(result: Result, root: Path) -> Path:
    return store.save(scored(result, GOOD), GOOD, root)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": (0,)}, None),
        ({"protocol": ProtocolRecord(name="speaker_folds", options={"k": 3})}, "another benchmark"),
        ({"provenance": HUBERT}, "its upstreams are not those"),
        ({"adaptation": ADAPTED}, "its upstreams are not those"),
        ({"noted": ("Trained again here.",)}, "notes that no run gives it: Trained again here."),
        ({"noted": (f"Of {own_run().digest[:8]}: {SENT}",)}, None),
    ],
)
def test_a_corrected_run_is_as_the_run_that_is_there(changes, said, tmp_path: Path) -> None:
    kept(own_run(), tmp_path)
    found = verify(kept(corrected(own_run(), "pldc", **changes), tmp_path), lambda _: None)
    assert found.unsure == ""
    assert said in " ".join(found.problems) if said else found.problems == ()


def test_what_must_be_said_of_a_run_is_said_of_what_is_made_of_it(tmp_path: Path) -> None:
    told = {"conditioning": Conditioning(on="id", tested=3, unseen=3)}
    plain: dict[str, Any] = {**own_run("speaker_mlp").recipe}
    plain["training"] = {**plain["training"], "finetune": True}
    before = own_run("speaker_mlp", recipe=plain, digest=digest_of(plain), **told)
    kept(before, tmp_path)
    whole = {"noted": tuple(to_hand_on(before, sent=False))}
    for changes, said in (
        (told | whole, None),
        (whole, "was told who speaks, and the record denies it"),
        (told, "lacks notes of the runs that it was made of"),
    ):
        silent = {"conditioning": None, "noted": ()} | changes
        found = verify(kept(corrected(before, "pldc", **silent), tmp_path), lambda _: None)
        assert said in " ".join(found.problems) if said else found.problems == ()


def test_a_run_that_is_not_what_its_recipe_implies_vouches_for_nobody(tmp_path: Path) -> None:
    kept(own_run(protocol=ProtocolRecord(name="speaker_folds", options={"k": 7})), tmp_path)
    found = verify(kept(corrected(own_run(), "pldc"), tmp_path), lambda _: None)
    assert "the runs that it was made of are not here" in found.unsure


def test_a_fused_record_of_a_built_in_corpus_that_it_is_not_is_noticed() -> None:
    other = benchmark(version="2")
    told = [*implied.unlike(corrected(other, "pldc"))]
    assert told == [
        "its recipe cannot be followed: benchmark 'emodb' has no such version and task as the "
        "record says"
    ]


@pytest.mark.parametrize("method", ["median", ["mean"], None])
def test_a_fusion_in_a_way_that_there_is_not_is_noticed(method: Any) -> None:
    run = own_run()
    member = Member(digest=run.digest, labels=run.labels)
    made = record(members=(member, member), training=(), recipe={"fuse": method})
    said = f"its recipe fuses by {method!r}, and there are mean and stack"
    assert said in [*implied.unlike(made)]
    corrected_too = made.model_copy(update={"recipe": {"fuse": method, "postprocess": []}})
    assert said in [*implied.unlike(corrected_too)]
    known = made.model_copy(update={"recipe": {"fuse": "mean"}})
    assert not any("fuses" in each for each in implied.unlike(known))


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": {"train": -3.0}},
        {"seconds": {"train": 1e300}},
        {"parameters": {"upstream": -5}},
        {"unknown_speakers": -1},
        {"known_defects": -4},
        {"shared": {"text: test in train": 2.0}},
        {"created": "9999-12-31T23:59:59Z"},
        {"labels": Labels(upstream="a", downstream="b").model_dump() | {"upstream": "A" * 5000}},
    ],
)
def test_what_nobody_can_have_counted_is_no_record(changes) -> None:
    plain = record().model_dump(mode="json") | changes
    with pytest.raises(ValidationError):
        Result.model_validate_json(to_json(plain))
