"""What all tests share."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a cache of their own, no network, and no corpora but those they ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("SERBENCH_DATA", raising=False)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


def copy_me(kind: str) -> str:
    """Return the complete file that CONTRIBUTING.md gives to copy for a kind of plugin."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    block = re.search(rf"<!-- copy-me: {kind} -->\n```python\n(.*?)```", text, re.DOTALL)
    assert block, f"CONTRIBUTING.md has no {kind} to copy"
    return block[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with real corpora and weights, or skip."""
    if not SHARED.is_dir():
        pytest.skip(f"real corpora are not here: no folder {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def corpora(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the real EmoDB and EmoTale, unpacked once for all tests."""
    target = tmp_path_factory.getbasetemp() / "corpora"
    script = shared / "corpora" / "unpack.py"
    subprocess.run([sys.executable, script, target, "emodb", "emotale"], check=True)
    return target


@pytest.fixture(scope="session")
def whisper_tiny(shared: Path) -> Path:
    """Return a real pretrained encoder, or skip."""
    return shared / "weights" / "whisper-tiny.en-encoder"
