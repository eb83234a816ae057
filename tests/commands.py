"""The command line in this process, which has imported already what a new one would have to."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from serbench.__main__ import main


class Ended(NamedTuple):
    """How a command ended, as `subprocess.run` tells it."""

    returncode: int
    stdout: str
    stderr: str


def serbench(*args: str | Path, cwd: Path | None = None, columns: int = 80) -> Ended:
    """Run a command line; an exception that it does not turn into a sentence is the test's."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, chdir(cwd or os.curdir):
        patch.setattr(sys, "argv", ["serbench", *map(str, args)])
        patch.setattr(sys, "unraisablehook", sys.unraisablehook)
        patch.setenv("COLUMNS", str(columns))
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGTERM, handler)
    return Ended(code, out.getvalue(), err.getvalue())
