"""Recipes: what flags and files become, what the digest follows, what a mistake says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import serbench
from serbench import plugins
from serbench.cli.options import assign
from serbench.errors import SerbenchError
from serbench.leaderboard.identity import digest_of
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.run import run_recipe

PLAIN: dict[str, Any] = {"upstream": "fbank", "downstream": "ecapa"}


def test_missing_parts_get_their_defaults() -> None:
    made = recipe.resolve(PLAIN)
    assert (made.benchmark.name, made.protocol.name) == ("demo", "leave_one_session_out")
    assert made.upstreams[0].options, "defaults are part of the recipe"
    assert made.seeds == (0,)


def test_options_without_a_name_are_those_of_the_default() -> None:
    made = recipe.resolve(PLAIN | {"benchmark": {"task": "dimensions"}})
    assert (made.benchmark.name, made.benchmark.options["task"]) == ("demo", "dimensions")
    made = recipe.resolve(PLAIN | {"benchmark": "emodb", "protocol": {"k": 10}})
    assert made.protocol.name == "speaker_folds"
    assert made.protocol.options["k"] == 10
    assert made.protocol.options["balance"] == ("gender",), "the benchmark's own default"
    with pytest.raises(SerbenchError, match="'upstream' must be a name or a table with a name"):
        recipe.resolve({"upstream": {"mels": 40}, "downstream": "ecapa"})


def test_the_downstream_recommends_its_training() -> None:
    recommended = plugins.find("downstreams", "ecapa").constants["TRAINING"]
    training = recipe.resolve(PLAIN | {"training": {"batch": 7}}).training
    assert training.batch == 7
    assert training.epochs == recommended["epochs"]
    assert training.learning_rates == tuple(recommended["learning_rates"])


def test_a_default_written_out_is_the_same_recipe() -> None:
    made = recipe.resolve(PLAIN)
    written = {
        "upstream": {"name": "fbank", **made.upstreams[0].options},
        "downstream": {"name": "ecapa", **made.downstream.options},
        "benchmark": {"name": "demo", **made.benchmark.options},
        "protocol": {"name": made.protocol.name, **made.protocol.options},
        "training": made.training.model_dump(),
        "seeds": [0],
    }
    assert recipe.resolve(written).digest() == made.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"upstream": "mfcc"},
        {"downstream": "mean_pool"},
        {"downstream": {"name": "ecapa", "size": "full"}},
        {"benchmark": {"name": "demo", "task": "dimensions"}},
        {"protocol": "speaker_folds"},
        {"protocol": {"name": "speaker_folds", "k": 4}},
        {"training": {"epochs": 3}},
        {"training": {"finetune": True}},
        {"seeds": [1]},
        {"precision": "bfloat16"},
    ],
)
def test_whatever_defines_the_run_changes_the_digest(change: dict[str, Any]) -> None:
    digests = {recipe.resolve(PLAIN).digest(), recipe.resolve(PLAIN | change).digest()}
    assert len(digests) == 2


DIGESTS: dict[str, tuple[dict[str, Any], str]] = {
    "plain": (PLAIN, "6bcd311add813adf9282f925151c12b1ef0c0d0db4b759ab47bffe43c440610f"),
    "finetune": (
        {"upstream": "cpc", "downstream": "ecapa", "training": {"finetune": True}},
        "3d24f865b6e74b3f927ae72f18da4a2901308805da009d70b2992044389841fd",
    ),
    "stage": (
        {"upstream": "hubert", "downstream": "mlp", "finetune": {"epochs": 3}},
        "ce5ef7c28c5ab05b8b17751a5829a3c63133c35e17807ad9e2ac1dca729c9167",
    ),
    "fusion": (
        {"upstream": ["hubert", "cpc"], "downstream": "ecapa", "fusion": "late"},
        "93a076dfebad7e081209b686e169bc22742cc2065ec3c3821531728e480fd3f1",
    ),
    "layers": (
        PLAIN | {"upstream": {"name": "hubert", "layers": "last"}, "training": {"refit": True}},
        "cd22abed9cf4bbaaa574ccc0ea6d3ece7a42a8b57c51e4df33d51ac113bb7912",
    ),
    "dimensions": (
        PLAIN | {"downstream": "mean_pool", "benchmark": {"name": "demo", "task": "dimensions"}},
        "37d9451907c0a74e842b02b74a83d2cb2ab8132f0dc3c73f6db8bc8c2e5e4b41",
    ),
    "folds": (
        PLAIN | {"benchmark": "emodb", "protocol": {"k": 10}, "seeds": [0, 1, 2]},
        "c60a7e8e3b963d8663af7dc35bb9567ac877eb8beb6389a0a08bbe2942d50484",
    ),
    "options": (
        {
            "upstream": {"name": "fbank", "mels": 40},
            "downstream": {"name": "ecapa", "size": "full"},
        },
        "7cfe3d603fdd2945c9568bab2d859164dfe8ba28a4e9f81e401120857c9b0427",
    ),
    "precision": (
        {"upstream": "papt_hubert", "downstream": "mlp", "precision": "float32"},
        "e48fc0ea5771f1f8a9973b577c3e0dca6ad8e503231c5819f5caccc8a1838395",
    ),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_digests_stay_when_settings_are_added(name: str) -> None:
    """A change of what such a recipe gives changes them, by FORMAT; anything else does not."""
    raw, digest = DIGESTS[name]
    assert recipe.resolve(raw).digest() == digest


def test_digests_of_files_stay_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    (tmp_path / "table.csv").write_text("path,speaker,emotion\na.wav,a,anger\n")
    (tmp_path / "mine.py").write_text("import helper\n\n\ndef make(*, size: int = 3): ...\n")
    (tmp_path / "helper.py").write_text("SIZE = 1\n")
    (tmp_path / "own.toml").write_text(
        'name = "own"\nversion = "1"\ntable = "table.csv"\naudio = "wav"\n'
        'task = "classification"\nlabels = ["anger", "joy"]\n'
    )
    raw = {"upstream": str(tmp_path / "mine.py"), "benchmark": str(tmp_path / "own.toml")}
    made = recipe.resolve(PLAIN | raw)
    assert made.digest() == "2810eafdc79a5d965646131ba9e2d30f73628a63fe2f8ad5d1c1ebca30906ae1"


def test_an_option_that_is_added_with_its_default_changes_no_digest() -> None:
    made = recipe.resolve(PLAIN)
    (fbank,) = made.upstreams
    later = fbank.model_copy(
        update={
            "options": fbank.options | {"dither": 0},
            "defaults": fbank.defaults | {"dither": 0},
        }
    )
    set_ = later.model_copy(update={"options": fbank.options | {"dither": 1}})
    assert made.model_copy(update={"upstreams": (later,)}).digest() == made.digest()
    assert made.model_copy(update={"upstreams": (set_,)}).digest() != made.digest()


@pytest.mark.parametrize("key", ["edition", "versions", "code"])
def test_what_a_part_is_made_of_counts(key: str) -> None:
    made = recipe.resolve(PLAIN)
    other = {"edition": 2, "versions": {"s3prl": "1"}, "code": "ab" * 32}
    head = made.downstream.model_copy(update={key: other[key]})
    assert made.model_copy(update={"downstream": head}).digest() != made.digest()


def test_the_version_of_s3prl_counts() -> None:
    from importlib.metadata import version

    made = recipe.resolve(PLAIN | {"upstream": "s3prl"}).upstreams[0]
    assert made.identity()["versions"] == {"espnet-s3prl": version("espnet-s3prl")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"protocol": {"name": "speaker_folds", "k": 4}}, {"k": "4"}),
        ({"protocol": {"name": "speaker_folds", "k": 4}}, {"k": 4.0}),
        ({"benchmark": "emodb", "protocol": {"k": 10}}, {"k": "10"}),
    ],
)
def test_a_number_is_the_same_however_it_is_written(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    changed = one | {"protocol": one["protocol"] | other}
    assert recipe.resolve(PLAIN | one).digest() == recipe.resolve(PLAIN | changed).digest()


def test_what_changes_no_number_changes_no_digest() -> None:
    seeds = [recipe.resolve(PLAIN | {"seeds": order}).digest() for order in ([0, 2], [2, 0])]
    assert seeds[0] == seeds[1]
    plain, lenient = (recipe.resolve(PLAIN | {"leave_out_broken": on}) for on in (False, True))
    assert plain.digest() == lenient.digest()
    assert plain.plain() == lenient.plain()
    assert len({plain.digest(), plain.digest(["u1"]), plain.digest(["u1", "u2"])}) == 3
    assert plain.digest(["u2", "u1"]) == plain.digest(["u1", "u2"])


def test_the_name_of_a_benchmark_file_does_not_count_and_its_content_does(tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    (tmp_path / "table.csv").write_text("path,speaker,emotion\na.wav,a,anger\n")
    text = 'name = "own"\nversion = "1"\ntable = "table.csv"\naudio = "wav"\n'
    text += 'task = "classification"\nlabels = ["anger", "joy"]\n'
    digests = []
    for name, content in (("a", text), ("b", text), ("c", text.replace('"1"', '"2"'))):
        path = tmp_path / f"{name}.toml"
        path.write_text(content)
        digests.append(recipe.resolve(PLAIN | {"benchmark": str(path)}).digest())
    assert digests[0] == digests[1] != digests[2]


def test_a_record_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_text("1")
    (tmp_path / "head.py").write_text("def make(dim): ...\n")
    part = {"name": "huggingface", "weights": str(folder)}
    made = recipe.resolve({"upstream": part, "downstream": str(tmp_path / "head.py")})
    assert str(tmp_path) not in str(made.plain())
    assert made.labels.weights == "./weights"
    assert digest_of(made.plain()) == made.digest()


@pytest.mark.parametrize(
    ("name", "folder"),
    [("wavlm", "microsoft--wavlm-large"), ("papt_hubert", "facebook--hubert-large-ll60k")],
)
def test_a_branch_of_the_hub_is_the_commit_that_it_is_now(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    raw = {"upstream": {"name": name, "weights": "large"}, "downstream": "mlp"}
    digests, cache = [recipe.resolve(raw).digest()], tmp_path / f"models--{folder}"
    for commit in ("a" * 40, "b" * 40):
        (cache / "snapshots" / commit).mkdir(parents=True)
        (cache / "refs").mkdir(exist_ok=True)
        (cache / "refs" / "main").write_text(commit)
        made = recipe.resolve(raw)
        assert made.upstreams[0].options["revision"] == commit
        pinned = {"name": name, "weights": "large", "revision": commit}
        assert recipe.resolve(raw | {"upstream": pinned}).digest() == made.digest()
        digests.append(made.digest())
    assert len(set(digests)) == 3


def test_settings_that_were_added_count_once_they_say_something() -> None:
    plain, said = (recipe.resolve(PLAIN | {"training": {"average": k}}) for k in (1, 5))
    assert plain.digest() == recipe.resolve(PLAIN).digest() != said.digest()
    assert "average" not in plain.plain()["training"]
    assert said.plain()["training"]["average"] == 5
    half = recipe.resolve(PLAIN | {"precision": "float16"})
    assert half.plain() == plain.plain()


def test_weights_count_by_content_not_by_path(tmp_path: Path) -> None:
    def digest(folder: str, content: str) -> str:
        path = tmp_path / folder
        path.mkdir()
        (path / "model.safetensors").write_text(content)
        part = {"name": "huggingface", "weights": str(path)}
        return recipe.resolve({"upstream": part, "downstream": "mean_pool"}).digest()

    assert digest("a", "1") == digest("b", "1")
    assert digest("c", "1") != digest("d", "2")


def test_words_of_an_option_are_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("nano", "corpus", "mine", "base"):
        Path(word).mkdir()
    for name, weights, counts in (
        ("cpc", "nano", False),
        ("cpc", "corpus", False),
        ("cpc", "./nano", True),
        ("cpc", "mine", True),
        ("hubert", "base", False),
        ("hubert", "./base", True),
        ("tapt_hubert", "base", False),
    ):
        upstream = {"name": name, "weights": weights}
        made = recipe.resolve({"upstream": upstream, "downstream": "mean_pool"})
        assert ("weights" in made.upstreams[0].contents) == counts, weights


def test_a_recipe_survives_its_record() -> None:
    made = recipe.resolve(PLAIN | {"protocol": {"name": "speaker_folds", "balance": ["gender"]}})
    again = recipe.Recipe.model_validate_json(made.model_dump_json())
    assert again.digest() == made.digest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upstrem": "x"}, r"no recipe key 'upstrem'; did you mean 'upstream'\?"),
        ({"upstream": "fbnk"}, r"no upstream 'fbnk'; did you mean 'fbank'\?"),
        ({"upstream": 3}, r"'upstream' must be a name or a table with a name, not 3"),
        (
            {"downstream": None},
            r"no downstream is given; give one .--downstream .*serbench list downst",
        ),
        (
            {"upstream": {"name": "cpc", "layer": "last"}},
            r"upstream 'cpc' has no option 'layer'; did you mean 'layers'\?",
        ),
        ({"benchmark": "dmo"}, r"no benchmark 'dmo'; did you mean 'demo'\?"),
        ({"benchmark": "./none.toml"}, r"none.toml"),
        ({"protocol": "speaker_fold"}, r"no protocol 'speaker_fold'; did you mean 'speaker_folds'"),
        ({"protocol": {"name": "speaker_folds", "kk": 4}}, r"has no option 'kk'; did you mean 'k'"),
        ({"protocol": {"name": "speaker_folds", "k": 2}}, r"option 'k' .* not 2"),
        ({"training": {"weighting": {"method": "b2"}}}, "no training.weighting key 'method'"),
        ({"training": {"weighting": {"strength": -1}}}, "training.weighting key 'strength' must"),
        ({"training": {"clip_norm": 1e300}}, "'clip_norm' must be less than 92"),
        ({"training": {"epoch": 3}}, r"no training key 'epoch'; did you mean 'epochs'\?"),
        (
            {"training": {"batch": 1}},
            r"training key 'batch' must be .* equal to 2, not 1",
        ),
        (
            {"training": {"learning_rates": []}},
            r"'learning_rates' must be a list of 1 or more values, not \[\]",
        ),
        ({"training": {"learning_rates": 1e-3}}, r"must be a list such as \[1, 2\], not 0\.001"),
        ({"training": {"upstream_rate": 1e-5}}, r"'upstream_rate': a frozen .* as well$"),
        ({"upstream": {"name": "fbank", "layers": [-1]}}, r"'layers' is \[-1\]; give all, last"),
        (
            {"training": {"epochs": 0}},
            r"training key 'epochs' must be greater than or equal to 1, not 0",
        ),
        ({"training": 3}, r"'training' must be a table"),
        ({"training": {"upstream_rate": 1e-4}}, r"'upstream_rate': .* training.finetune=true"),
        ({"training": {"average": 5, "refit": True}}, r"'refit': .* training.average=1"),
        ({"seeds": [-1]}, r"recipe key 'seeds' must be greater than or equal to 0, not -1"),
        (
            {"precision": "half"},
            r"key 'precision' must be 'float16', 'bfloat16' or 'float32'",
        ),
        ({"upstream": {"name": "huggingface", "weights": "./no"}}, r"'no' does not exist"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        recipe.resolve(PLAIN | change)


@pytest.mark.parametrize("path", recipe.shipped(), ids=lambda p: p.stem)
def test_every_shipped_recipe_is_complete(path: Path) -> None:
    raw = recipe.read_recipe(path)
    assert recipe.summary(path)
    assert recipe.resolve({"upstream": "fbank", "downstream": "mean_pool"} | raw)


def test_recipe_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match=r"no recipe 'suberb'; did you mean 'superb'\?"):
        recipe.path_of("suberb")
    with pytest.raises(SerbenchError, match="does not exist"):
        recipe.read_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(SerbenchError, match=r"bad.toml' is not valid TOML"):
        recipe.read_recipe(tmp_path / "bad.toml")


def test_settings_reach_their_place() -> None:
    raw = dict(PLAIN)
    settings = ["training.epochs=5", "downstream.size=full", "seeds=[0, 1]", "protocol=random"]
    assign(raw, settings)
    assert raw == {
        "upstream": "fbank",
        "downstream": {"name": "ecapa", "size": "full"},
        "training": {"epochs": 5},
        "seeds": [0, 1],
        "protocol": "random",
    }
    with pytest.raises(SerbenchError, match="'epochs' is not KEY=VALUE"):
        assign(raw, ["epochs"])


def test_a_seed_twice_is_refused() -> None:
    raw = {"upstream": "fbank", "downstream": "mlp", "seeds": [0, 1, 0]}
    with pytest.raises(SerbenchError, match="seed twice"):
        recipe.resolve(raw)


@pytest.mark.parametrize("layers", [2, "first", {"a": 1}])
def test_layers_that_mean_nothing_are_told_what_would(layers: object) -> None:
    raw = {"upstream": {"name": "hubert", "layers": layers}, "downstream": "mlp"}
    with pytest.raises(SerbenchError, match=r"give all, last, or a list such as \[0, 3\]"):
        recipe.resolve(raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fusion": "early"}, "fusion 'early' of one upstream, fbank"),
        ({"upstream": ["fbank", "mfcc"]}, r"2 upstreams \(fbank, mfcc\) need fusion"),
        ({"upstream": ["fbank", "mfcc"], "fusion": "middle"}, "'early' or 'late'"),
    ],
)
def test_fusion_and_upstreams_must_agree(change: dict[str, object], message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        recipe.resolve({"upstream": "fbank", "downstream": "mlp"} | change)


def plugin(folder: Path, name: str, version: str = "1", label: str = "calm") -> str:
    """Write a benchmark file that gives itself a name, and return its path."""
    code = f"""from serbench.benchmarks import Benchmark, Classification, protocols


def make():
    return Benchmark({name!r}, {version!r}, Classification(("angry", {label!r})), lambda _: None,
                     {{"speaker_folds": protocols.speaker_folds}}, folder=None,
                     licence="CC0", citation="me", obtain="ask")
"""
    path = folder / "mine.py"
    path.write_text(code)
    return str(path)


@pytest.mark.parametrize("name", ["demo", "Demo", "EMODB"])
def test_a_foreign_benchmark_has_no_built_in_one_s_name(name: str, tmp_path: Path):
    path = plugin(tmp_path, name)
    with pytest.raises(SerbenchError, match=f"'{name}', but '{name.lower()}' is built in"):
        recipe.resolve({"upstream": "fbank", "downstream": "mlp", "benchmark": path})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "../up"}, "name is '../up'"),
        ({"name": "a\x1b[2Jb"}, r"name is 'a\\x1b"),
        ({"version": "1\u202e"}, r"'1\\u202e' has the character"),
        ({"label": "\x9bm"}, r"'\\x9bm' has the character"),
    ],
)
def test_what_results_cannot_hold_is_refused_before_anything_is_computed(
    fields: dict[str, str], sentence: str, tmp_path: Path
):
    path = plugin(tmp_path, **{"name": "mine", **fields})
    raw = {"upstream": "fbank", "downstream": "mlp", "benchmark": path}
    with pytest.raises(SerbenchError, match=sentence):
        run_recipe(recipe.resolve(raw), data=None, results=tmp_path, progress=Silent())


@pytest.mark.parametrize("key", ["upstream", "downstream"])
def test_names_and_options_have_no_characters_that_command_a_terminal(key: str, tmp_path: Path):
    raw = {"upstream": "fbank", "downstream": "mlp"}
    source = Path(serbench.__file__).parent / f"{key}s" / f"{raw[key]}.py"
    copy = tmp_path / "a\x1b[2Jb.py"
    copy.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(SerbenchError, match=r"has the character \\x1b"):
        recipe.resolve(raw | {key: str(copy)})
    option = {"name": "hubert", "weights": "a\u2066/b"}
    with pytest.raises(SerbenchError, match=r"has the character \\u2066"):
        recipe.resolve(raw | {"upstream": option})


def test_log_mel_features_are_not_normalised_but_where_a_published_system_s_are():
    made = recipe.resolve({"upstream": ["fbank", "mfcc"], "downstream": "mlp", "fusion": "early"})
    assert [part.options["normalize"] for part in made.upstreams] == [False, False]
    for name in ("superb", "morais_9", "morais_11", "li_sup"):
        raw = recipe.read_recipe(recipe.path_of(name))
        assert recipe.resolve(raw).upstreams[0].options["normalize"] is True


@pytest.mark.parametrize(
    "setting",
    [
        "training.weight_decay=Infinity",
        "training.learning_rates=[NaN]",
        "training.weighting.strength=Infinity",
        "training.finetune.batch_seconds=Infinity",
        "finetune.upstream_rate=Infinity",
    ],
)
def test_a_number_that_no_record_holds_is_one_sentence(setting: str) -> None:
    raw = {**PLAIN}
    assign(raw, [setting])
    with pytest.raises(SerbenchError, match=r"must be a finite number, not \[?(inf|nan)"):
        recipe.resolve(raw)
