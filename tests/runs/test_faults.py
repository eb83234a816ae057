"""Whatever fails under a run, it ends with one sentence, and the same command ends the same.

`pytest -m slow tests/runs/test_faults.py` tries every call, or with `FAULTS_EVERY=10` one of ten;
see `faults.py`. It takes Linux and a C compiler.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..faults import CALLS, HALF, KILLED, Case  # noqa: TID252

TESTS = Path(__file__).parents[1]
COMMON = ["--downstream", "mean_pool", "--set", "training.epochs=1"]
COMMON += ["--set", "training.learning_rates=[0.01]"]
STAGES = {
    "frozen": ["--upstream", "fbank", "--set", "upstream.normalize=false"],
    "adapted": ["--upstream", "tapt_hubert", "--set", "upstream.epochs=1"],
    "tuned": ["--upstream", "hubert", "--set", "finetune.epochs=1"],
}
KINDS = [
    ("rename", KILLED),
    ("rename", errno.EACCES),
    ("write", errno.ENOSPC),
    ("open", errno.EACCES),
    ("read", errno.EIO),
    ("read", HALF),
]
WHOLE = Case("", 0, 0)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that makes calls fail."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("faults are injected on Linux, with a C compiler")
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", library, TESTS / "faults.c", "-ldl"]
    subprocess.run(command, check=True)
    return library


@pytest.fixture(scope="module")
def bench(shim: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Return a process that tries case after case."""
    folder = tmp_path_factory.mktemp("bench") / "watched"
    with subprocess.Popen(
        [sys.executable, TESTS / "faults.py", shim, folder],
        env=os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


class Tried:
    """Tries cases on a command; the first of all is a run that nothing befalls."""

    def __init__(self, bench: subprocess.Popen[str], command: list[str]) -> None:
        self.bench, self.command = bench, command
        self.whole = self.case(WHOLE)
        assert self.whole["first"][0] == 0, self.whole["first"][1]

    def case(self, case: Case) -> dict[str, Any]:
        """Return what `Bench.tried` does."""
        assert self.bench.stdin is not None
        assert self.bench.stdout is not None
        self.bench.stdin.write(json.dumps([case, self.command]) + "\n")
        self.bench.stdin.flush()
        made: dict[str, Any] = json.loads(self.bench.stdout.readline())
        return made

    def count(self, call: str) -> int:
        """Return how many calls of a kind the run makes."""
        return int(self.whole["first"][2][call])

    @property
    def seconds(self) -> float:
        """How long the run takes."""
        return float(self.whole["first"][3])

    def survives(self, case: Case) -> None:
        """Check that a run ends well, and that the same command comes to the same end."""
        made = self.case(case)
        status, said = made["first"][:2]
        sentences = [line for line in said.splitlines() if line.startswith("serbench: ")]
        assert "Traceback" not in said, f"{case}: {said}"
        assert status in (0, -signal.SIGKILL, -signal.SIGTERM, 2, 130, 143), f"{case}: {said}"
        assert status <= 0 or len(sentences) == 1, f"{case}: {said}"
        assert made["again"][0] == 0, f"{case}: {made['again'][1]}"
        assert made["numbers"] == self.whole["numbers"], f"{case}: other predictions"
        assert (made["left"], made["runs"]) == ([], 0), f"{case}: something is left"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, write_tiny_hubert: Any) -> Path:
    """Return random weights of a tiny HuBERT."""
    folder: Path = write_tiny_hubert(tmp_path_factory.mktemp("weights") / "tiny")
    return folder


@pytest.fixture
def tried(
    request: pytest.FixtureRequest, bench: subprocess.Popen[str], tiny: Path, corpus: Path
) -> Tried:
    """Return what tries cases on a run of a stage."""
    command = ["run", *STAGES[request.param], *COMMON, "--benchmark", str(corpus)]
    if request.param != "frozen":
        command += ["--weights", str(tiny)]
    return Tried(bench, command)


@pytest.mark.parametrize("tried", ["frozen"], indirect=True)
def test_a_few_faults_at_any_call(tried: Tried) -> None:
    draw = random.Random(0)
    for call, how in KINDS:
        tried.survives(Case(call, draw.randint(1, tried.count(call)), how))
    tried.survives(Case("rename", tried.count("rename"), KILLED))


@pytest.mark.parametrize("tried", ["adapted", "tuned"], indirect=True)
def test_a_kill_before_the_last_renames_of_weights(tried: Tried) -> None:
    """Those of the folder of weights lie in the first half of all."""
    for share in (0.3, 0.5):
        tried.survives(Case("rename", int(share * tried.count("rename")), KILLED))


@pytest.mark.slow
@pytest.mark.parametrize(("call", "how"), KINDS)
@pytest.mark.parametrize("tried", STAGES, indirect=True)
def test_a_fault_at_every_call(tried: Tried, call: str, how: int) -> None:
    assert call in CALLS
    every = int(os.environ.get("FAULTS_EVERY", "1"))
    numbers = range((1 + every) // 2, tried.count(call) + 1, every)
    for number in numbers:
        tried.survives(Case(call, number, how))
    print(f"{len(numbers)} of {tried.count(call)} calls of {call}")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("tried", STAGES, indirect=True)
def test_random_kills(tried: Tried, how: int) -> None:
    """67 of each kind over each of three stages: 201 by SIGKILL."""
    draw = random.Random(int(how))
    for _ in range(67):
        tried.survives(Case("time", draw.uniform(0, tried.seconds), int(how)))
