"""Progress where nobody watches a terminal."""

from __future__ import annotations

import pytest
from rich.table import Table

from serbench.cli.terminal import Terminal, printer


@pytest.fixture
def clock(monkeypatch):
    """Return a list of one number, the time in seconds."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_line_now_and_then_tells_the_share_and_the_time_left(clock, capsys):
    with Terminal().step("train", 10) as step:
        step.note("epoch 1")
        for _ in range(4):
            clock[0] += 15.0
            step.advance()
    assert capsys.readouterr().err.splitlines() == [
        "train: 20%, about 2:00 left  epoch 1",
        "train: 40%, about 1:30 left  epoch 1",
    ]


def test_what_was_finished_before_says_nothing_of_the_speed(clock, capsys):
    with Terminal().step("train", 10) as step:
        step.advance(5)
        step.advance(0)
        clock[0] += 60.0
        step.advance(0)
        step.advance(1)
    assert capsys.readouterr().err == "train: 60%, about 4:00 left\n"


def test_lines_of_tables_end_without_blanks(capsys):
    table = Table("name", "said", box=None, title="of [two]")
    table.add_row("a", "short")
    table.add_row("b", "a longer one, and  blanks within")
    printer().print(table)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines][2] == ["a", "short"]
    assert "blanks within" in lines[3]
    assert [line for line in lines if line != line.rstrip()] == []
