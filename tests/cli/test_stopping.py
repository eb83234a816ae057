"""A signal ends a command in one line, whenever it comes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
# what a command does; the first line says what the signal meets
REMOVED = """
class Removed:
    def __del__(self):
        signal.raise_signal(signal.{name})
Removed()
time.sleep(20)
"""
CLOSED = """
def opened():
    try:
        yield
    finally:
        signal.raise_signal(signal.{name})
each = opened()
next(each)
each = None
time.sleep(20)
"""
BEFORE = "signal.raise_signal(signal.{name})"
PROGRAM = """
import signal, sys, time, types
from serbench.__main__ import main
def app():
    {body}
sys.modules["serbench.cli"] = types.SimpleNamespace(app=app)
main()
print("went on")
"""


@pytest.mark.parametrize("number", WORDS)
@pytest.mark.parametrize("body", [REMOVED, CLOSED, BEFORE])
def test_a_signal_is_one_line_whatever_python_is_doing(body: str, number: signal.Signals) -> None:
    lines = body.format(name=number.name).strip().replace("\n", "\n    ")
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=lines)],
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert ended.returncode == 128 + number
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"serbench: {WORDS[number]}; the same command goes on")


EARLY = """
import signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "{name}":
            signal.raise_signal(signal.SIGINT)
sys.modules.pop("{name}", None)
sys.meta_path.insert(0, Finder())
from serbench.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["signal", "serbench.errors", "serbench.cli", "rich"])
def test_ctrl_c_while_modules_are_imported_is_one_line(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EARLY.format(name=name), "list", "upstreams"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 130
    (line,) = ended.stderr.splitlines()
    assert line.startswith("serbench: interrupted; the same command goes on")


def test_before_ctrl_c_is_looked_for_nothing_is_imported_that_takes_time() -> None:
    code = "import sys; before = {*sys.modules}; import serbench.__main__; "
    code += "print(*sorted({*sys.modules} - before))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert set(ended.stdout.split()) <= {"__future__", "serbench", "serbench.__main__"}


def test_what_else_goes_wrong_there_is_told_as_ever() -> None:
    body = "class Removed:\n        def __del__(self):\n            1 / 0\n    Removed()"
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True
    )
    assert ended.returncode == 0
    assert "ZeroDivisionError" in ended.stderr
