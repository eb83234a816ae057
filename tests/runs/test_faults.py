"""Whatever fails under a run, it ends with one sentence, and the same command ends the same.

`pytest -m slow tests/runs/test_faults.py` tries a kill before every rename, and other faults at
the first call, one in the middle and the last of every kind: of those that touch files of one
folder and one ending. See `faults.py`. It takes Linux and a C compiler.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ..faults import CALLS, HALF, STOPPED, Case  # noqa: TID252
from .conftest import written

TESTS = Path(__file__).parents[1]
COMMON = ["--downstream", "mean_pool", "--set", "training.epochs=1", "--jobs", "1"]
COMMON += ["--set", "training.learning_rates=[0.01]", "--set", "protocol.k=3"]
STAGES = {
    "frozen": ["--upstream", "fbank", "--set", "upstream.mels=4", "--set", "upstream.deltas=0"],
    "adapted": ["--upstream", "tapt_hubert", "--set", "upstream.epochs=1"],
    "tuned": ["--upstream", "hubert", "--set", "finetune.epochs=1"],
}
WHOLE = Case("", 0, 0)
MOST = 33  # of 67
FAULTS = [
    ("rename", errno.EACCES),
    ("write", errno.ENOSPC),
    ("open", errno.EACCES),
    ("read", errno.EIO),
    ("read", HALF),
]


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

    def copies(self, case: Case) -> int:
        """Return how many copies of a run's files a case keeps: of what a kill would leave."""
        status, said, _, copies = self.case(case)["first"]
        assert status == 0, said
        return int(copies)

    def case(self, case: Case) -> dict[str, Any]:
        """Return what `Bench.tried` does."""
        assert self.bench.stdin is not None
        assert self.bench.stdout is not None
        self.bench.stdin.write(json.dumps([case, self.command]) + "\n")
        self.bench.stdin.flush()
        made: dict[str, Any] = json.loads(self.bench.stdout.readline())
        return made

    def kinds(self, call: str) -> dict[str, list[int]]:
        """Return the numbers of a run's calls, by the kind of file that they touch."""
        told = [line.split(" ", 1) for line in self.whole["calls"]]
        kinds: dict[str, list[int]] = {}
        for number, path in enumerate((p for c, p in told if int(c) == CALLS[call]), 1):
            kinds.setdefault(_kind(path), []).append(number)
        return kinds

    @functools.cached_property
    def seconds(self) -> float:
        """How long the run takes, once all that it imports has been imported."""
        return float(self.case(WHOLE)["first"][2])

    def survives(self, case: Case) -> int:
        """Check that a run ends well, and that the same command comes to the same end.

        Returns:
            how it ended, 0 if the case came too late for it.
        """
        made = self.case(case)
        status, said = made["first"][:2]
        sentences = [line for line in said.splitlines() if line.startswith("serbench: ")]
        assert "Traceback" not in said, f"{case}: {said}"
        assert status in (0, -signal.SIGKILL, -signal.SIGTERM, 2, 130, 143), f"{case}: {said}"
        assert status <= 0 or len(sentences) == 1, f"{case}: {said}"
        assert made["again"][0] == 0, f"{case}: {made['again'][1]}"
        assert made["numbers"] == self.whole["numbers"], f"{case}: other predictions"
        assert made["files"] == self.whole["files"], f"{case}: other files are left"
        return int(status)


def _kind(path: str) -> str:
    """Return the folder of a file and its ending, without what differs between files of a kind."""
    folder, _, name = path.partition("/watched/")[2].rpartition("/")
    temporary = re.fullmatch(r"\.(.+)\.[^.]+\.\d+\.\w{8}", name)
    name = re.sub(r"^\.tmp\w{6}$", ".tmp", temporary[1] if temporary else name)
    ending = re.search(r"(\.[a-z]+)?(\.sum)?$", name)
    kind = f"{folder}/{'temporary ' if temporary else ''}{(ending and ending[0]) or name}"
    return re.sub(r"[0-9a-f]{8,}|\d+", "*", kind)


def _ends_and_middle(numbers: Sequence[int]) -> list[int]:
    return sorted({numbers[0], numbers[len(numbers) // 2], numbers[-1]})


@pytest.fixture(scope="module")
def tries(
    bench: subprocess.Popen[str],
    write_tiny_hubert: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Tried]:
    """Return what gives the same `Tried` for a stage, whoever asks."""
    folder = tmp_path_factory.mktemp("material")
    tiny, corpus = write_tiny_hubert(folder / "tiny"), written(folder, speakers=3, clips=2)

    @functools.cache
    def tries(stage: str) -> Tried:
        weights = [] if stage == "frozen" else ["--weights", str(tiny)]
        command = ["run", *STAGES[stage], *COMMON, *weights, "--benchmark", str(corpus)]
        return Tried(bench, command)

    return tries


@pytest.fixture
def tried(request: pytest.FixtureRequest, tries: Callable[[str], Tried]) -> Tried:
    """Return what tries cases on a run of a stage."""
    return tries(request.param)


@pytest.mark.parametrize("tried", ["frozen"], indirect=True)
def test_a_few_faults_at_any_call(tried: Tried) -> None:
    draw = random.Random(0)
    for call, how in FAULTS:
        numbers = draw.choice(list(tried.kinds(call).values()))
        tried.survives(Case(call, draw.choice(numbers), how))


@pytest.mark.parametrize("tried", STAGES, indirect=True)
def test_a_kill_before_a_few_renames(tried: Tried) -> None:
    """Those of the folder of weights lie in the first half of all."""
    renames = sum(map(len, tried.kinds("rename").values()))
    for number in range(1, 1 + tried.copies(Case("rename", renames // 4, STOPPED))):
        tried.survives(Case("copy", number, 0))


@pytest.mark.slow
@pytest.mark.parametrize("tried", STAGES, indirect=True)
def test_a_kill_before_every_rename(tried: Tried) -> None:
    copies = tried.copies(Case("rename", 1, STOPPED))
    assert copies == sum(map(len, tried.kinds("rename").values()))
    for number in range(1, copies + 1):
        tried.survives(Case("copy", number, 0))
    print(f"{copies} kills")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize(("call", "how"), FAULTS)
@pytest.mark.parametrize("tried", STAGES, indirect=True)
def test_a_fault_at_calls_of_every_kind(
    tried: Tried, tries: Callable[[str], Tried], call: str, how: int
) -> None:
    """Kinds that the frozen run has, too, are tried there."""
    kinds, frozen = tried.kinds(call), tries("frozen")
    if tried is not frozen:
        kinds = {kind: kinds[kind] for kind in kinds.keys() - frozen.kinds(call).keys()}
    numbers = sorted(n for each in kinds.values() for n in _ends_and_middle(each))
    for number in numbers:
        tried.survives(Case(call, number, how))
    calls = sum(map(len, kinds.values()))
    print(f"{len(numbers)} of {calls} calls, {len(kinds)} kinds")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("tried", STAGES, indirect=True)
def test_random_kills(tried: Tried) -> None:
    """67 over each of three stages: 201, but for those that come when a run has ended."""
    draw = random.Random(0)
    moments = sorted(draw.uniform(0, tried.seconds) for _ in range(67))
    copies = tried.copies(Case("", 0, STOPPED, tuple(moments)))
    for number in range(1, copies + 1):
        tried.survives(Case("copy", number, 0))
    print(f"{copies} kills")  # noqa: T201
    assert copies > MOST


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("tried", STAGES, indirect=True)
def test_random_signals(tried: Tried, how: int) -> None:
    draw = random.Random(int(how))
    moments = [draw.uniform(0, tried.seconds) for _ in range(67)]
    struck = sum(tried.survives(Case("time", moment, int(how))) != 0 for moment in moments)
    print(f"{struck} signals")  # noqa: T201
    assert struck > MOST
