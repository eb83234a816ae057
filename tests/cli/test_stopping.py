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


def test_what_else_goes_wrong_there_is_told_as_ever() -> None:
    body = "class Removed:\n        def __del__(self):\n            1 / 0\n    Removed()"
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True
    )
    assert ended.returncode == 0
    assert "ZeroDivisionError" in ended.stderr
