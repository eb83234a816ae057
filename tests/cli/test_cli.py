"""The command line as people see it: what is printed where, and how it ends."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serbench.cli.options import assign
from serbench.cli.run import Asked, raw_of
from serbench.errors import SerbenchError
from serbench.runs.recipe import path_of, resolve
from serbench.training.settings import FineTuning

from ..commands import serbench  # noqa: TID252

RUN = ("run", "--upstream", "mfcc", "--downstream", "mlp", "--set", "training.epochs=2")


def fails(*args: str | Path, code: int = 2) -> str:
    """Run a command that must fail with one message; return the message."""
    ended = serbench(*args)
    assert ended.returncode == code, ended.stderr
    return ended.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    ended = serbench(*RUN, "--results", folder)
    assert ended.returncode == 0, ended.stderr
    (folder / "printed.txt").write_text(ended.stdout)
    (folder / "told.txt").write_text(ended.stderr)
    return folder


def test_a_run_ends_with_its_table(results: Path) -> None:
    printed = (results / "printed.txt").read_text()
    assert all(f"session {n}" in printed for n in range(1, 6))
    assert "mean of folds" in printed
    assert "synthetic" in printed.lower()
    (record,) = results.glob("demo/*.json")
    assert str(record) in printed
    assert max(len(line) for line in printed.splitlines() if str(record) not in line) <= 80


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--format", "bibtex", "--reported"), "--reported is left aside: bibtex"),
        (("--matrix", "downstream", "--columns", "ranks"), "--columns is left aside: a matrix"),
        (("--format", "csv", "--reported"), "--reported is left aside: csv"),
        (("--format", "json", "--reported", "--columns", "ranks"), None),
    ],
)
def test_an_option_that_a_table_does_not_read_is_told(
    results: Path, asked: tuple[str, ...], said: str | None
) -> None:
    ended = serbench("leaderboard", "--results", results, *asked)
    assert ended.returncode == 0
    assert ended.stderr == (f"serbench: {said} has no place for it\n" if said else "")


def test_progress_goes_to_stderr(results: Path) -> None:
    told = (results / "told.txt").read_text()
    assert "SYNTHETIC" in told
    # found, if another test has encoded the same corpus with it
    assert "440 utterances" in told or "features found" in told
    assert "session 5, seed 0: validation" in told


def test_the_same_command_again_shows_the_result(results: Path) -> None:
    again = serbench(*RUN, "--results", results)
    assert again.stdout == (results / "printed.txt").read_text()
    assert "--again" in again.stderr
    assert "440 utterances" not in again.stderr


@pytest.mark.parametrize("style", ["terminal", "markdown", "csv"])
def test_the_leaderboard_has_the_row(results: Path, style: str) -> None:
    ended = serbench("leaderboard", "--results", results, "--format", style)
    assert ended.returncode == 0
    assert "mfcc" in ended.stdout
    assert "mlp.small" in ended.stdout
    if style == "terminal":
        assert max(map(len, ended.stdout.splitlines())) <= 80


def test_a_broken_result_is_named_not_skipped(results: Path) -> None:
    broken = results / "demo" / "0123456789abcdef.json"
    broken.write_text("{")
    ended = serbench("leaderboard", "--results", results)
    broken.unlink()
    assert "0123456789abcdef.json" in ended.stderr
    assert "mfcc" in ended.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("run", "--upstream", "fbnk", "--downstream", "ecapa"), "did you mean 'fbank'?"),
        (("run", "--upstream", "fbank"), "no downstream is given; give one"),
        ((*RUN, "--protocol", "loso"), "no protocol 'loso'"),
        ((*RUN, "--set", "training.epoch=3"), "did you mean 'epochs'?"),
        ((*RUN, "--set", "training.batch=0"), "training key 'batch'"),
        ((*RUN, "--weights", "base"), "upstream 'mfcc' has no option 'weights'"),
        ((*RUN, "--benchmark", "emodb"), "SERBENCH_DATA"),
        ((*RUN, "--recipe", "suberb"), "did you mean 'superb'?"),
        ((*RUN, "--device", "gpu"), "device 'gpu' cannot be used"),
        ((*RUN, "--device", "cuda:77"), "take --device cpu"),
        ((*RUN, "--seeds", "0"), "seeds"),
        (("list", "upstream"), "did you mean 'upstreams'?"),
        (("leaderboard", "--results", "nowhere"), "no results in 'nowhere'"),
        (("check", "upstream", "./none.py"), "'./none.py' does not exist"),
        (("check", "downstream", "ecapa", "--set", "sise=full"), "did you mean 'size'?"),
        (("check", "benchmark", "emodbb"), "did you mean 'emodb'?"),
        (("check", "benchmark", "none.toml"), "'none.toml': No such file or directory"),
        (("data", "check", "emodbb"), "did you mean 'emodb'?"),
        (("leaderboard", "--results", "x", "verify"), "--results before 'verify' is of the table"),
        (("leaderboard", "--format", "csv", "verify"), "--format before 'verify' is of the table"),
        (("data", "check", "emodb,"), "--benchmark 'emodb,' has no name where one should be"),
        (("data", "check", "demo", "--set", "labels=voice"), "--set labels: a corpus alone has"),
    ],
)
def test_a_mistake_gets_one_message(args: tuple[str, ...], message: str) -> None:
    assert message in fails(*args)


def test_an_upstream_that_adapts_is_checked_adapted(pretrained_hubert: Path) -> None:
    for name, weights in (("papt_hubert", pretrained_hubert), ("cpc", "corpus")):
        ended = serbench("check", "upstream", name, "--weights", weights)
        assert (ended.returncode, ended.stdout) == (0, f"{name}: keeps the contract\n")


def test_a_benchmark_is_checked_as_far_as_its_corpus_is_there(tmp_path: Path) -> None:
    ended = serbench("check", "benchmark", "emotale", "--set", "language=DK")
    assert (ended.returncode, ended.stdout) == (
        0,
        "emotale: what was checked keeps the contract; not checked: its table and folds, as the "
        "corpus is not there\n",
    )
    assert "give --data DIR" in ended.stderr
    (tmp_path / "emotale").mkdir()
    ended = serbench("check", "benchmark", "emotale", "--data", tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.startswith("emotale: benchmark 'emotale': 802 of 802 files are missing")
    assert ended.stderr == ""


def test_data_check_reports_everything_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["path,speaker,emotion"]
    for speaker in range(4):
        for clip, emotion in enumerate(("calm", "loud")):
            name = f"{speaker}{clip}.wav"
            soundfile.write(tmp_path / name, rng.normal(0, 0.1, 8000), 16000)
            rows.append(f"{name},{speaker},{emotion}")
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 16000)
    rows += ["silent.wav,1,calm", "gone.wav,2,calm", "01.wav,3,lout", "00.wav,,calm"]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    toml = 'name = "own"\nversion = "1"\ntable = "table.csv"\ntask = "classification"\n'
    (tmp_path / "own.toml").write_text(toml + 'labels = ["calm", "loud"]\n')
    ended = serbench("data", "check", tmp_path / "own.toml")
    assert ended.returncode == 1
    for part in ("silent.wav", "gone.wav", "lout", "speaker"):
        assert part in ended.stdout


@pytest.mark.parametrize("kind", ["upstreams", "downstreams", "benchmarks", "protocols", "recipes"])
def test_every_list_has_a_line_for_each(kind: str) -> None:
    ended = serbench("list", kind)
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) >= 3


def test_one_upstream_is_shown_with_its_options_and_weights() -> None:
    ended = serbench("list", "upstreams", "hubert")
    assert "weights = 'nano'" in ended.stdout
    assert "--weights large: facebook/hubert-large-ll60k (Apache-2.0)" in ended.stdout
    assert "--weights nano: serbench/hubert-nano (Apache-2.0)" in ended.stdout


@pytest.mark.parametrize(
    ("kind", "name", "option"),
    [
        ("protocols", "speaker_folds", "k = 5"),
        ("benchmarks", "demo", "task = 'emotion'"),
        ("downstreams", "ecapa", "size = 'small'"),
        ("recipes", "superb", "epochs = 270"),
    ],
)
def test_one_of_a_list_is_shown_with_its_options(kind: str, name: str, option: str) -> None:
    assert option in serbench("list", kind, name).stdout
    assert f"no {kind[:-1]} 'none'" in fails("list", kind, "none")


def test_data_check_of_the_real_emodb(corpora: Path) -> None:
    ended = serbench("data", "check", "emodb", "--data", corpora)
    assert ended.returncode == 0, ended.stdout
    assert "emodb: 0 errors" in ended.stdout


def test_of_several_upstreams_a_number_says_which() -> None:
    raw = {"upstream": ["fbank", "hubert"]}
    assign(raw, ["upstream.2.layers=last", "upstream.1.normalize=false"])
    assert raw["upstream"] == [
        {"name": "fbank", "normalize": False},
        {"name": "hubert", "layers": "last"},
    ]
    with pytest.raises(
        SerbenchError, match=r"there are 2 in 'upstream'; say which.*upstream\.2\.weights"
    ):
        assign(raw, ["upstream.weights=nano"])
    with pytest.raises(SerbenchError, match="no upstream '3'"):
        assign(raw, ["upstream.3.weights=nano"])


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    flags = ["--overwrite", "never", "--again", "--results", str(tmp_path)]
    command = [
        sys.executable,
        "-m",
        "serbench",
        "run",
        "--upstream",
        "fbank",
        "--downstream",
        "mlp",
    ]
    done = subprocess.run([*command, *flags], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "serbench: error: --again computes and --overwrite never does not; give one of them\n"
    )


def test_a_stored_result_is_shown_by_its_digest_as_its_run_ended(results: Path) -> None:
    (record,) = results.glob("demo/*.json")
    for name in (record.stem[:8], record):
        ended = serbench("show", name, "--results", results)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.strip() == (results / "printed.txt").read_text().strip()
        assert "nobody looked at the corpus" in ended.stderr


def test_what_is_shown_must_be_one_result(results: Path, tmp_path: Path) -> None:
    (record,) = results.glob("demo/*.json")
    (tmp_path / "demo").mkdir()
    for end in ("0", "1"):
        (tmp_path / "demo" / f"{record.stem[:10]}{end}.json").write_text("{}")
    told = fails("show", record.stem[:10], "--results", tmp_path)
    assert "2 results" in told
    assert f"{record.stem[:10]}0, {record.stem[:10]}1" in told
    assert "begins with 'ffffffff'" in fails("show", "ffffffff", "--results", tmp_path)
    assert "begins with ''" in fails("show", "", "--results", results)
    assert "no record" in fails("show", tmp_path / "demo" / "none.json")


TUNED = {"upstream": "hubert", "downstream": "mean_pool"}


@pytest.mark.parametrize(
    ("start", "sets", "expected"),
    [
        ("", [], (True, 5e-5, (1e-3,))),
        ("[training]\nlearning_rates = [1e-4]", [], (True, 5e-5, (1e-4,))),
        ("[training]\nfinetune = true\nlearning_rates = [2e-3]", [], (True, None, (2e-3,))),
        ("", ["training.upstream_rate=1e-4"], (True, 1e-4, (1e-3,))),
        ("", ["training.finetune.front_end=true"], (FineTuning(front_end=True), 5e-5, (1e-3,))),
    ],
    ids=["alone", "recipe has rates", "recipe tunes", "rate", "detail"],
)
def test_finetune_trains_the_upstream_at_a_rate_for_encoders(
    start: str, sets: list[str], expected: tuple[object, ...], tmp_path: Path
) -> None:
    path = tmp_path / "start.toml"
    path.write_text(start)
    training = resolve(raw_of(Asked(**TUNED, recipe=str(path), finetune=True, set_=sets))).training
    assert (training.finetune, training.upstream_rate, training.learning_rates) == expected


def test_finetune_is_what_its_settings_are(tmp_path: Path) -> None:
    settings = {"finetune": True, "upstream_rate": 5e-5, "learning_rates": [1e-3]}
    asked = resolve(raw_of(Asked(**TUNED, finetune=True)))
    assert asked.digest() == resolve(TUNED | {"training": settings}).digest()
    with pytest.raises(SerbenchError, match=r"before the head .* or together with it"):
        resolve(raw_of(Asked(**TUNED, finetune=True, set_=["finetune=true"])))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked(recipe="morais_1", upstream="cpc"), ["last"]),
        (Asked(recipe="morais_1", upstream="cpc,hubert", fusion="late"), ["last", "last"]),
        (Asked(recipe="morais_8", upstream="hubert,cpc", weights="nano,nano"), ["last", "last"]),
        (Asked(recipe="morais_8", upstream="hubert,cpc,fbank"), ["last"] * 3),
        (Asked(recipe="morais_1", upstream="cpc", set_=["upstream.layers=[1]"]), [(1,)]),
        (Asked(recipe="superb", upstream="cpc"), ["all"]),
    ],
    ids=["one", "more", "several", "another number", "another choice", "nothing said"],
)
def test_another_upstream_reads_the_layers_that_the_recipe_says(
    asked: Asked, expected: list[object]
) -> None:
    assert [part.layers for part in resolve(raw_of(asked)).upstreams] == expected


def test_an_upstream_without_parameters_cannot_be_trained(tmp_path: Path) -> None:
    command = ("run", "--upstream", "fbank", "--downstream", "mean_pool", "--finetune")
    told = fails(*command, "--results", tmp_path)
    assert "no parameters, so there is nothing to fine-tune" in " ".join(told.split())


@pytest.mark.parametrize("name", ["li_jointcpc", "tran_papt"])
def test_a_recipe_is_shown_in_lines_of_the_terminal(name: str) -> None:
    shown = serbench("recipes", "show", name).stdout
    assert max(map(len, shown.splitlines())) <= 80
    recipe = tomllib.loads(shown.partition("\nreported: ")[0])
    assert recipe == tomllib.loads(path_of(name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def six_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("six")
    rng = np.random.default_rng(0)
    rows = ["path,speaker,emotion,gender"]
    for speaker in range(6):
        for clip, emotion in enumerate(("calm", "loud") * 2):
            name = f"{speaker}{clip}.wav"
            soundfile.write(folder / name, rng.normal(0, 0.1, 8000), 16000)
            rows.append(f"{name},s{speaker},{emotion},{'fm'[speaker % 2]}")
    (folder / "table.csv").write_text("\n".join(rows))
    toml = 'name = "own"\nversion = "1"\ntable = "table.csv"\ntask = "classification"\n'
    toml += 'labels = ["calm", "loud"]\n[protocol]\nname = "speaker_folds"\nk = 3\n'
    (folder / "own.toml").write_text(toml)
    return folder / "own.toml"


def test_data_check_says_what_it_found_in_80_columns(six_people: Path) -> None:
    ended = serbench("data", "check", six_people)
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0
    assert lines[:5] == [
        "utterances 24, 0.00 h",
        "speakers   6 with 4 utterances: s0, s1, s2, s3, s4, s5",
        "gender     female 3, male 3",
        "sessions   none are given",
        "classes    calm 12, loud 12",
    ]
    assert lines[6] == "rates      16000 Hz 24"
    assert lines[-1].endswith(": 0 errors, 1 warning, 0 known defects")
    assert max(map(len, lines[:-1])) <= 80


def test_many_findings_of_one_cause_are_one(six_people: Path, tmp_path: Path) -> None:
    table = six_people.with_name("table.csv").read_text().replace(".wav", ".WAV")
    (tmp_path / "table.csv").write_text(table)
    toml = six_people.read_text() + ""
    audio = f'audio = "{six_people.parent}"\n'
    (tmp_path / "own.toml").write_text(audio + toml)

    ended = serbench("data", "check", tmp_path / "own.toml")

    assert ended.returncode == 1
    assert len(re.findall("(?m)^error", ended.stdout)) == 1
    assert "24 files are not found: names that differ in capital and small" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("24 errors, 0 warnings, 0 known defects")
    every = serbench("data", "check", tmp_path / "own.toml", "--all")
    assert len(re.findall("(?m)^error", every.stdout)) == 24


def test_data_audit_shows_what_parts_share_and_who_heard_the_corpus(six_people: Path) -> None:
    ended = serbench("data", "audit", six_people, "--protocol", "random_clips")
    assert ended.returncode == 0, ended.stderr
    shares = dict(re.findall(r"(?m)^(\S+) +([\d.]+) +[\d.]+ +[\d.]+ *$", ended.stdout))
    assert float(shares["speakers"]) > 50
    assert float(shares["recordings"]) == 0
    assert re.search(r"heard      by none of \d+ published weights", ended.stdout)


def test_data_describe_draws_what_it_tells(six_people: Path, tmp_path: Path) -> None:
    ended = serbench("data", "describe", six_people, "--plots", tmp_path / "plots")
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"(?m)^calm +12 +50 +0.1 +6", ended.stdout)
    assert re.search(r"(?m)^female +3 +12 +0.1", ended.stdout)
    drawn = {path.stem for path in (tmp_path / "plots").glob("*.png")}
    assert drawn == {"own-durations", "own-labels", "own-speakers", "own-gender"}


def test_a_number_beyond_python_is_a_text_that_is_refused() -> None:
    for text in ("1" * 5000, "[" * 100_000):
        raw = {"upstream": "fbank", "downstream": "mean_pool"}
        assign(raw, [f"training.epochs={text}"])
        with pytest.raises(SerbenchError, match=r"^training key 'epochs' must be .{,200}$"):
            resolve(raw)


def test_what_a_run_without_broken_recordings_would_be_is_looked_at_beforehand(
    six_people: Path, tmp_path: Path
) -> None:
    shutil.copytree(six_people.parent, tmp_path / "six")
    own, table = tmp_path / "six" / "own.toml", tmp_path / "six" / "table.csv"
    table.write_text(table.read_text().rstrip("\n") + "\ngone.wav,s0,calm,female\n")
    assert serbench("data", "audit", own).returncode == 1
    for command in ("check", "audit", "describe"):
        ended = serbench("data", command, own, "--leave-out-broken")
        assert ended.returncode == 0, ended.stdout + ended.stderr

        if command != "audit":
            assert "left out   1: broken 1" in ended.stdout
            assert ended.stdout.startswith("utterances 24, ")
