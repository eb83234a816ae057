"""Runs that meet a fault, and the same command after it, each in a process of its own.

    LD_PRELOAD=faults.so python faults.py faults.so FOLDER < cases.json

Everything heavy is imported once; each run is a fork. `faults.c` counts the calls that touch files
below FOLDER, which has `home` and `results`, and makes one of them fail. A line of JSON a case: it,
and the command that it befalls.

A kill leaves the files as they are at that moment. So one run is stopped at one moment after the
other, for as long as its files are copied, and what a kill then leaves is a copy that is put back.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

CALLS = {"write": 1, "rename": 2, "read": 3, "open": 4}
KILLED, HALF, STOPPED = -1, -2, -3


class Case(NamedTuple):
    """A fault: the `number`-th call of a kind, or a signal after so many seconds.

    call: of `CALLS`, "time", "copy" for what a kill leaves at a stop of a run, or "" for none.
    number: of the call or the copy, from 1; of seconds.
    how: an errno, `KILLED` before it, `HALF` of what was asked, or `STOPPED` for a while, before
        each call whose number it divides; a signal.
    times: of seconds of the run, at which it is stopped, too.
    """

    call: str
    number: float
    how: int
    times: tuple[float, ...] = ()


class Ended(NamedTuple):
    """How a process ended: its status, minus the signal that killed it, and what it said."""

    status: int
    text: str
    seconds: float
    copies: int = 0


class Bench:
    """Runs commands with faults in a folder that is watched."""

    def __init__(self, shim: str, folder: Path) -> None:
        self.shim, self.folder = ctypes.CDLL(shim), folder
        self.said, self.log = folder.with_suffix(".said"), folder.with_suffix(".log")
        self.modules, self.copies = folder.with_suffix(".modules"), folder.with_suffix(".copies")

    def tried(self, case: Case, command: list[str]) -> dict[str, Any]:
        """Return how a command ended that met a fault, and how the same one did after it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if case.call == "copy":
            shutil.copytree(self.copies / str(int(case.number)), self.folder, symlinks=True)
            first = Ended(-signal.SIGKILL, "", 0)
        else:
            self.folder.mkdir()
            first = self.run(case, command)
        calls = self.log.read_text().splitlines() if not case.call else []
        again = self.run(Case("", 0, 0), command)
        return {
            "first": first,
            "again": again,
            "calls": calls,
            "files": sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*")),
            "numbers": self.numbers(),
        }

    def numbers(self) -> dict[str, str]:
        """Return the predictions, byte for byte."""
        return {p.name: p.read_bytes().hex() for p in self.folder.glob("results/*/*.parquet")}

    def run(self, case: Case, command: list[str]) -> Ended:
        """Run a command in a fork; the signals of a case come from here."""
        # a process that the run before has left may still write to the old one
        self.said.unlink(missing_ok=True)
        self.said.touch()
        child = os.fork()
        if not child:
            self._become(case, command)
        status, seconds, copies = self._watch(case, child)
        text = self.said.read_text(errors="replace")
        self._import_what_it_did()
        return Ended(os.waitstatus_to_exitcode(status), text, seconds, copies)

    def _watch(self, case: Case, child: int) -> tuple[int, float, int]:
        """Wait for a process, signal it when it is due, and copy the folder whenever it stops."""
        moments = [(case.number, case.how)] if case.call == "time" else []
        moments = sorted([*moments, *((moment, signal.SIGSTOP) for moment in case.times)])
        began, copies = time.monotonic(), 0
        if moments or case.how == STOPPED:
            shutil.rmtree(self.copies, ignore_errors=True)
        while True:
            done, status = os.waitpid(child, os.WUNTRACED | (os.WNOHANG if moments else 0))
            if done and not os.WIFSTOPPED(status):
                return status, time.monotonic() - began, copies
            if done:
                copies, now = copies + 1, time.monotonic()
                shutil.copytree(self.folder, self.copies / str(copies), symlinks=True)
                began += time.monotonic() - now
                os.kill(child, signal.SIGCONT)
            elif time.monotonic() - began >= moments[0][0]:
                os.kill(child, moments.pop(0)[1])
            else:
                time.sleep(0.002)

    def _become(self, case: Case, command: list[str]) -> None:
        from serbench.__main__ import main

        out = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ["SERBENCH_HOME"] = str(self.folder / "home")
        sys.argv = ["serbench", *command, "--results", str(self.folder / "results")]
        place, call = f"{self.folder}/".encode(), CALLS.get(case.call, 0)
        number = ctypes.c_long(int(case.number))
        self.shim.faults_arm(place, call, number, case.how, str(self.log).encode())
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
        self.modules.write_text("\n".join(sys.modules))
        os._exit(code)

    def _import_what_it_did(self) -> None:
        """Import what a run did, so that the next ones need not."""
        if self.modules.exists():
            for name in self.modules.read_text().splitlines():
                if name not in sys.modules:
                    with contextlib.suppress(Exception):
                        importlib.import_module(name)
            self.modules.unlink()
            gc.freeze()  # what no fork collects, none copies


def _load() -> None:
    """Import what a run needs, without starting a thread, which a fork would lose."""
    import torch
    import transformers.conversion_mapping

    import serbench.cli

    torch.set_num_threads(1)
    transformers.conversion_mapping.get_checkpoint_conversion_mapping("hubert")  # kept; takes long
    del transformers, serbench


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
