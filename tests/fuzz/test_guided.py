"""A search that is led by what it covers finds no input that hurts a reader.

`FUZZ_SECONDS=300 pytest -m slow tests/fuzz/test_guided.py` takes so long for each reader [60].
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .readers import CASES, READERS, WORDS

GUIDED = Path(__file__).with_name("guided.py")
# of one input: seconds, and MiB of the process
BOUNDS = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=20000"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_a_guided_search_finds_nothing(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="the guided search takes `pip install atheris` (Linux)")
    corpus, words = tmp_path / "corpus", tmp_path / "words"
    corpus.mkdir()
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS)
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    seconds = os.environ.get("FUZZ_SECONDS", "60")
    options = [f"-max_total_time={seconds}", f"-dict={words}", f"-artifact_prefix={tmp_path}/"]
    ended = subprocess.run(
        [sys.executable, GUIDED, kind, *BOUNDS, *options, str(corpus), str(CASES / kind)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    ran = re.search(r"Done (\d+) runs", ended.stderr)
    assert ran is not None
    print(f"{kind}: {ran[1]} inputs, {len(list(corpus.iterdir()))} of them covered more")  # noqa: T201
