"""Tasks over processes: what they give, and what becomes of those that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serbench.errors import SerbenchError
from serbench.runs.workers import Heard, Task, over_processes, raised

# what a child process has to find by its name, too
CHORES = """
import os, signal, time
from pathlib import Path
from serbench.errors import SerbenchError

def double(number, progress):
    progress.tell(f"doubling {number}")
    return 2 * number

def refuse(progress):
    raise SerbenchError("the thing is broken; mend it")

def fail(progress):
    return {}["nothing"]

def leave(progress):
    raise SystemExit(3)

def interrupt(progress):
    raise KeyboardInterrupt

def fill(progress):
    raise OSError(28, "No space left on device", "/full/disk")

def die(marker, progress):
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"

def step(folder, progress):
    done = len(list(folder.iterdir()))
    (folder / str(done)).touch()
    for number in range(done + 1):
        progress.tell(f"step {number}")
    if done < 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return "there"

def always_die(progress):
    os.kill(os.getpid(), signal.SIGKILL)

def starts(marker, progress):
    with marker.open("a") as file:
        file.write("x")
    progress.tell("it begins")
    os.kill(os.getpid(), signal.SIGKILL)

def end_by(how, progress):
    os.kill(os.getpid(), how)

def leave_at_once(progress):
    os._exit(3)

def chatter(progress):
    while True:
        progress.tell("still here")

def whose(progress):
    return os.environ.get("CUDA_VISIBLE_DEVICES")
"""
CLOSED = """
import pickle, sys
from multiprocessing import get_context
from serbench.runs.workers import _serve
import chores
if __name__ == "__main__":
    context = get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_serve, args=(other, None))
    process.start()
    other.close()
    pipe.send_bytes(pickle.dumps(chores.chatter))
    pipe.recv_bytes()
    pipe.close()
    process.join(30)
    print(process.exitcode)
"""
PRINTED = """
import os
from serbench.runs.workers import Task, over_processes
import loud
if __name__ == "__main__":
    print([done.value for done in over_processes([Task("loud", loud.loud)], 1)])
"""
LOUD = """
import os
def loud(progress):
    print("of a plugin", end=" ", flush=True)
    os.write(1, b"of its library")
    return "done"
"""
PARENT = """
import sys, time
from functools import partial
from serbench.runs.workers import Task, over_processes
import nap
if __name__ == "__main__":
    tasks = [Task(str(n), partial(nap.nap, sys.argv[1], n)) for n in range(2)]
    list(over_processes(tasks, 2))
"""
NAP = """
import os, time
from multiprocessing import get_context
from pathlib import Path
def nap(folder, number, progress):
    lock = get_context("spawn").Lock()  # as progress bars of libraries make
    Path(folder, f"{os.getpid()}.pid").touch()
    time.sleep(60)
"""


@pytest.fixture
def chores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "chores.py").write_text(CHORES)
    monkeypatch.syspath_prepend(tmp_path)
    import chores  # type: ignore[import-not-found]

    yield chores
    del sys.modules["chores"]


def test_each_task_ends_once_whoever_dies_beside_it(chores: Any, tmp_path: Path) -> None:
    said: list[Heard] = []
    tasks = [Task(f"double {n}", partial(chores.double, n)) for n in range(5)]
    tasks.insert(1, Task("mortal", partial(chores.die, tmp_path / "marker")))
    tasks.insert(3, Task("doomed", chores.always_die))
    tasks += [Task("refused", chores.refuse), Task("wrong", chores.fail)]
    tasks.append(Task("full", chores.fill))
    tasks += [Task("left", chores.leave), Task("interrupted", chores.interrupt)]
    ended = [*over_processes(tasks, 2, said.append)]
    assert sorted(done.task.name for done in ended) == sorted(task.name for task in tasks)
    by_name = {done.task.name: done for done in ended}
    assert [by_name[f"double {n}"].value for n in range(5)] == [0, 2, 4, 6, 8]
    assert sorted(each.value for each in said) == [f"doubling {n}" for n in range(5)]
    assert by_name["mortal"].value == "alive", "it was tried again"
    assert "ended 3 times and got no further, at last by signal 9, SIGKILL" in str(
        by_name["doomed"].error
    )
    assert by_name["refused"].error == "the thing is broken; mend it"
    with pytest.raises(SerbenchError, match="No space left on device"):
        raised(by_name["full"])
    assert str(by_name["left"].error).startswith("SystemExit: 3; traceback: ")
    assert str(by_name["interrupted"].error).startswith("KeyboardInterrupt: no message; traceback:")
    sentence = str(by_name["wrong"].error)
    assert sentence.startswith("KeyError: 'nothing'")
    assert "in fail" in Path(sentence.split("traceback: ")[1]).read_text()


def test_a_task_that_gets_further_is_tried_as_often_as_it_dies(chores: Any, tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    task = Task("stepwise", partial(chores.step, tmp_path / "steps"))
    (done,) = over_processes([task], 1)
    assert done.value == "there"


def test_a_task_that_dies_in_one_place_is_started_as_often_as_is_said(
    chores: Any, tmp_path: Path
) -> None:
    (done,) = over_processes([Task("it", partial(chores.starts, tmp_path / "marker"))], 1)
    assert "it: its process was ended 3 times and got no further" in str(done.error)
    assert len((tmp_path / "marker").read_text()) == 3


@pytest.mark.parametrize(
    ("work", "most", "said"),
    [
        ("always_die", 2, "by signal 9, SIGKILL; if memory is short, give fewer --jobs"),
        ("always_die", 1, "by signal 9, SIGKILL; if memory is short, take a machine with more"),
        ("segfault", 2, "by signal 11, SIGSEGV"),
        ("leave_at_once", 2, "with code 3"),
    ],
)
def test_memory_is_blamed_where_it_may_be_and_jobs_where_there_are_several(
    chores: Any, work: str, most: int, said: str
) -> None:
    known = {"segfault": partial(chores.end_by, signal.SIGSEGV)}
    task = Task("it", known[work] if work in known else getattr(chores, work))
    (done,) = over_processes([task], most)
    assert str(done.error).endswith(f"got no further, at last {said}")


def test_a_process_that_nobody_hears_any_more_ends_without_a_word(
    chores: Any, tmp_path: Path
) -> None:
    (tmp_path / "parent.py").write_text(CLOSED)
    command = [sys.executable, "parent.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("1\n", "")


def test_what_a_task_prints_is_no_output_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PRINTED)
    (tmp_path / "loud.py").write_text(LOUD)
    command = [sys.executable, "parent.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("['done']\n", "of a plugin of its library")


def test_processes_share_gpus_in_turn(chores: Any) -> None:
    tasks = [Task(str(number), chores.whose) for number in range(6)]
    assert {done.value for done in over_processes(tasks, 2, gpus=("5", "7"))} <= {"5", "7"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_the_one_that_they_work_for(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "nap.py").write_text(NAP)
    with (tmp_path / "said").open("w") as said:
        parent = subprocess.Popen([sys.executable, "parent.py", "."], cwd=tmp_path, stderr=said)
    _wait(lambda: len([*tmp_path.glob("*.pid")]) == 2)
    parent.send_signal(how)
    parent.wait(60)
    children = [int(path.stem) for path in tmp_path.glob("*.pid")]
    _wait(lambda: not any(map(_lives, children)))
    time.sleep(1.0)  # for who clears up after them
    assert "resource_tracker" not in (tmp_path / "said").read_text()


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rsplit(") ", 1)[1][0] != "Z"
