"""What is told of errors that nobody's input is at fault for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from serbench.errors import no_memory
from serbench.runs.workers import sentence

TOO_MUCH = 1 << 50
# as one H200 said it that other programs had filled
GPU = (
    "CUDA out of memory. Tried to allocate 46.00 MiB. GPU 0 has a total capacity of 139.80 GiB of "
    "which 47.19 MiB is free. Process 2228 has 11.17 GiB memory in use."
)
PROGRAM = f"""
import sys, types
from serbench.__main__ import main
def app():
    import torch
    torch.empty({TOO_MUCH})
sys.modules["serbench.cli"] = types.SimpleNamespace(app=app)
main()
"""


def test_short_memory_is_one_sentence_of_a_process_and_of_a_command() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(TOO_MUCH)
    told = sentence(caught.value)
    assert told.startswith("memory is short (RuntimeError: ")
    assert "fewer --jobs" in told
    assert "\n" not in told
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"serbench: error: {told}\n"


def test_what_others_hold_of_a_gpu_is_left_out() -> None:
    told = no_memory(torch.OutOfMemoryError(GPU))
    assert told is not None
    assert "Tried to allocate 46.00 MiB)" in told
    assert "Process 2228" not in told


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: misaligned address"), KeyError("a")])
def test_other_errors_are_none_of_memory(error: Exception) -> None:
    assert no_memory(error) is None
