"""Runs that meet a fault, and the same command after it, each in a process of its own.

    LD_PRELOAD=faults.so python faults.py faults.so FOLDER < cases.json

Everything heavy is imported once; each run is a fork. `faults.c` counts the calls that touch files
below FOLDER, which has `home` and `results`, and makes one of them fail. A line of JSON a case: it,
and the command that it befalls.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

CALLS = {"write": 1, "rename": 2, "read": 3, "open": 4}
KILLED, HALF = -1, -2


class Case(NamedTuple):
    """A fault: the `number`-th call of a kind, or a signal after so many seconds.

    call: of `CALLS`, "time", or "" for none.
    number: of the call, from 1; of seconds.
    how: an errno, `KILLED` before it or `HALF` of what was asked; a signal.
    """

    call: str
    number: float
    how: int


class Ended(NamedTuple):
    """How a process ended: its status, minus the signal that killed it, and what it said."""

    status: int
    text: str
    seen: dict[str, int]
    seconds: float


class Bench:
    """Runs commands with faults in a folder that is watched."""

    def __init__(self, shim: str, folder: Path) -> None:
        self.shim, self.folder = ctypes.CDLL(shim), folder

    def tried(self, case: Case, command: list[str]) -> dict[str, Any]:
        """Return how a command ended that met a fault, and how the same one did after it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        first = self.run(case, command)
        again = self.run(Case("", 0, 0), command)
        return {
            "case": case,
            "first": first,
            "again": again,
            "left": [path.name for path in self.folder.rglob(".*.*.*.????????")],
            "runs": len(list((self.folder / "home" / "runs").glob("*"))),
            "numbers": self.numbers(),
        }

    def numbers(self) -> dict[str, str]:
        """Return the predictions, byte for byte."""
        return {p.name: p.read_bytes().hex() for p in self.folder.glob("results/*/*.parquet")}

    def run(self, case: Case, command: list[str]) -> Ended:
        """Run a command in a fork; the signal of a case comes from here."""
        said, began = self.folder.with_suffix(".said"), time.monotonic()
        # a process that the run before has left may still write to the old one
        said.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            self._become(case, command, said)
        if case.call == "time" and not _ends_within(case.number, child):
            os.kill(child, case.how)
        _, status = os.waitpid(child, 0)
        text, seen, *_ = [*said.read_text(errors="replace").split("\0"), ""]
        counts = dict(zip(CALLS, map(int, seen.split()), strict=False))
        return Ended(os.waitstatus_to_exitcode(status), text, counts, time.monotonic() - began)

    def _become(self, case: Case, command: list[str], said: Path) -> None:
        from serbench.__main__ import main

        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ["SERBENCH_HOME"] = str(self.folder / "home")
        sys.argv = ["serbench", *command, "--results", str(self.folder / "results")]
        place = f"{self.folder}/".encode()
        call = CALLS.get(case.call, 0)
        self.shim.faults_arm(place, call, ctypes.c_long(int(case.number)), case.how)
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
            code = 70
        sys.stdout.flush()
        sys.stderr.flush()
        counts = " ".join(str(self.shim.faults_seen(number)) for number in CALLS.values())
        os.write(2, f"\0{counts}\0".encode())
        os._exit(code)


def _ends_within(seconds: float, child: int) -> bool:
    """Wait so long for a child to end; it stays to be waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.002)
    return False


def _load() -> None:
    """Import what a run needs, without starting a thread, which a fork would lose."""
    import pandas
    import pyarrow.parquet
    import safetensors.torch
    import soundfile
    import torch
    import transformers.models.hubert.modeling_hubert

    import serbench.cli
    import serbench.encoders.pretraining.offers
    import serbench.runs.run
    import serbench.training.fit
    import serbench.training.store

    torch.set_num_threads(1)
    del pandas, pyarrow, safetensors, soundfile, transformers, serbench


def main() -> None:
    """Read cases, try each, and print how it went."""
    shim, folder = sys.argv[1:]
    _load()
    bench = Bench(shim, Path(folder))
    for line in sys.stdin:
        case, command = json.loads(line)
        sys.stdout.write(json.dumps(bench.tried(Case(*case), command)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
