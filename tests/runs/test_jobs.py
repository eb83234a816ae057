"""Trials over processes: the same bits as in one, and nothing lost by who is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe

RAW: dict[str, Any] = {
    "upstream": "fbank",
    "downstream": {"name": "ecapa"},
    "training": {"learning_rates": [1e-3], "epochs": 1},
}


def run(benchmark: Path, results: Path, jobs: int | None, **changes: Any) -> Outcome:
    raw = RAW | {"benchmark": str(benchmark)} | changes
    made = recipe.resolve(raw)
    return run_recipe(
        made, data=None, results=results, progress=Silent(), jobs=jobs, overwrite="always"
    )


def same(one: Outcome, other: Outcome) -> bool:
    """Whether all is the same to the bit, but for times."""
    times = {"created", "seconds", "speed", "checksum"}
    plain = [each.result.model_dump_json(exclude=times) for each in (one, other)]
    tables = [store.load_result(each.path).predictions for each in (one, other)]
    return plain[0] == plain[1] and tables[0].equals(tables[1])


@pytest.mark.parametrize("finetune", [False, True])
def test_two_processes_give_the_bits_of_one(
    corpus: Path, tmp_path: Path, pretrained_hubert: Path, finetune: bool
) -> None:
    changes: dict[str, Any] = {"seeds": [0, 1]}
    if finetune:
        changes["seeds"] = [0]
        changes["upstream"] = {"name": "hubert", "weights": str(pretrained_hubert)}
        changes["training"] = {"learning_rates": [1e-3], "epochs": 1, "finetune": True}
        changes["downstream"] = "mean_pool"
    threads = 1 if finetune else None
    made = recipe.resolve(RAW | {"benchmark": str(corpus)} | changes)
    one, two = (
        run_recipe(
            made,
            data=None,
            results=tmp_path / str(jobs),
            progress=Silent(),
            jobs=jobs,
            overwrite="always",
            threads=threads,
        )
        for jobs in (1, 2)
    )
    assert same(one, two)


def test_an_error_in_a_process_is_the_sentence_of_one_process(corpus: Path, tmp_path: Path) -> None:
    said = []
    for jobs in (1, 2):
        with pytest.raises(SerbenchError) as caught:
            run(corpus, tmp_path, jobs, training={"learning_rates": [1e18], "epochs": 2})
        said.append(str(caught.value).partition("'fold")[2][3:])
    assert said[0] == said[1]
    assert "smaller learning rates" in said[0]


def test_a_run_that_is_stopped_keeps_its_trials_and_says_one_line(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    epochs = "--set=training.epochs=30"
    command = [sys.executable, "-m", "serbench", "run", "--upstream", "fbank", "--jobs", "2"]
    command += ["--downstream", "ecapa", "--benchmark", str(corpus), epochs]
    stopped = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 300
    while not [*tmp_path.glob("home/runs/*/0*.json")]:
        assert time.monotonic() < end
        assert stopped.poll() is None, "it ended by itself"
        time.sleep(0.05)
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does with Ctrl-C, the processes included
    _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    last = said.strip().splitlines()[-1]
    assert "the same command goes on from there" in last
    assert "Traceback" not in said
    assert [*tmp_path.glob("home/runs/*/0*.json")], "what is finished is kept"
