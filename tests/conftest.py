"""What all tests share."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test session its own cache, and no corpora but those it asks for."""
    monkeypatch.setenv("SERBENCH_HOME", str(_session_home(tmp_path_factory)))
    monkeypatch.delenv("SERBENCH_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def _session_home(factory: pytest.TempPathFactory) -> Path:
    home = factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    return home


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
