"""What all tests share."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from filelock import FileLock

# Two processes with two threads each wait for one another. Torch reads this when it is imported,
# which must not have been before.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
# Folders and files of long tests.
LONG = {"together", "runs", "encoders", "training", "upstreams", "cuda", "studies"}
LONG |= {"test_contracts.py", "test_real_speech.py"}

# What the plugins of CONTRIBUTING.md are called, by kind.
COPY_ME = {
    "upstreams": "energy",
    "downstreams": "max_pool",
    "benchmarks": "my_corpus",
    "postprocessors": "to_the_middle",
}
_PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "foreign-plugins"
version = "1.2"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that at the end no process is left alone with it."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))


def shared_by_processes(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this call of pytest see."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a cache of their own, no network, and no corpora but those they ask for."""
    home = tmp_path_factory.mktemp("home")
    # a real corpus is audited by one process, and the synthetic one made
    for name in ("audit", "corpora"):
        (shared := shared_by_processes(tmp_path_factory) / f"home-{name}").mkdir(exist_ok=True)
        (home / name).symlink_to(shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERBENCH_HOME", str(home))
        patch.delenv("SERBENCH_DATA", raising=False)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut() -> Iterator[None]:
    """Do not wait for the disk, which costs more than most tests and only helps who loses power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _heeds_ctrl_c() -> None:
    """Let Ctrl-C reach what tests start, also where they run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def copy_me(kind: str) -> str:
    """Return the complete file that CONTRIBUTING.md gives to copy for a kind of plugin."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    block = re.search(rf"<!-- copy-me: {kind} -->\n```python\n(.*?)```", text, re.DOTALL)
    assert block, f"CONTRIBUTING.md has no {kind} to copy"
    return block[1]


@pytest.fixture(scope="session")
def real_files() -> Callable[[str], Path]:
    """Return what finds a file or folder of the real corpora and weights, or skips."""

    def find(name: str) -> Path:
        folder = os.environ.get("SERBENCH_TEST_FILES")
        if not folder:
            pytest.skip("SERBENCH_TEST_FILES does not name a folder of real corpora and weights")
        if not (path := Path(folder, name)).exists():
            pytest.skip(f"SERBENCH_TEST_FILES has no {name}")
        return path

    return find


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a foreign package with the copy-me plugin of each kind into a folder of its own."""
    source = tmp_path_factory.mktemp("source")
    lines = [_PROJECT]
    for kind, name in COPY_ME.items():
        (source / f"foreign_{name}.py").write_text(copy_me(kind[:-1]))
        lines.append(f'[project.entry-points."serbench.{kind}"]\n{name} = "foreign_{name}:make"')
    modules = [f"foreign_{name}" for name in COPY_ME.values()]
    lines.append(f"[tool.setuptools]\npy-modules = {modules}")
    (source / "pyproject.toml").write_text("\n".join(lines))
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--quiet", "--target", target, source], check=True)
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process, and those that it starts, find the foreign package."""
    from serbench import plugins

    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setattr(plugins, "_foreign", plugins._foreign.__wrapped__)  # read once a process


def serbench(*args: str | Path, site: Path | None = None, cwd: Path | None = None) -> str:
    """Run the command line, a foreign package on the path if given; return what it printed."""
    environment = os.environ | ({"PYTHONPATH": str(site)} if site else {})
    command = [sys.executable, "-m", "serbench", *map(str, args)]
    result = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def my_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder that holds the corpus of the benchmark to copy: noise."""
    import numpy as np
    import soundfile

    data = tmp_path_factory.mktemp("data")
    (data / "my-corpus" / "wav").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for speaker in ("f01", "f02", "f03", "m01", "m02", "m03"):
        for sentence in range(3):
            for emotion in "AN":
                path = data / "my-corpus" / "wav" / f"{speaker}_{sentence:02d}_{emotion}.wav"
                soundfile.write(path, rng.normal(0, 0.1, 8000), 16000)
    return data


@pytest.fixture(scope="session")
def corpora(real_files: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the real EmoDB and EmoTale, unpacked once for all tests."""
    target = shared_by_processes(tmp_path_factory) / "corpora"
    names = ["emodb", "emotale"]
    for name in names:
        real_files(f"corpora/{name}.tar")
    with FileLock(f"{target}.lock"):
        if not target.exists():
            unpack = [sys.executable, real_files("corpora/unpack.py"), target, *names]
            subprocess.run(unpack, check=True)
    return target


@pytest.fixture(scope="session")
def whisper_tiny(real_files: Callable[[str], Path]) -> Path:
    """Return a real pretrained encoder, or skip."""
    return real_files("weights/whisper-tiny.en-encoder")


@pytest.fixture(scope="session")
def tiny_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return folders of random weights, by `upstream` or `upstream.variant`."""
    from .checkpoints import write_checkpoints

    return write_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def pretrained_hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return random weights of a tiny HuBERT as `serbench pretrain` leaves them, head and card."""
    return _write_hubert(tmp_path_factory.mktemp("hubert") / "tiny")


@pytest.fixture(scope="session")
def write_tiny_hubert() -> Callable[..., Path]:
    """Return what writes such weights: to a folder, with a table of speakers if they are given."""
    return _write_hubert


def _write_hubert(folder: Path, names: Sequence[str] = (), position: str = "last") -> Path:
    import numpy as np
    import torch
    from transformers import HubertConfig, HubertModel

    from serbench.encoders.pretraining.card import Card, Corpus, write_hubert
    from serbench.encoders.pretraining.head import OwnLabels
    from serbench.encoders.pretraining.masked import MaskedPrediction
    from serbench.encoders.pretraining.pseudo_labels import Quantizer
    from serbench.encoders.speakers import SpeakerModule

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "conv_dim": (8,) * 7, "do_stable_layer_norm": True}
    config = HubertConfig(**sizes, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        table = SpeakerModule(names, 16, position=position, width=8) if names else None
        model = MaskedPrediction(HubertModel(config), 8, width=16, speakers=table)
    centres = np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32)
    card = Card("HuBERT", [Corpus("Noise", 1.0, 2, 2, "CC0-1.0")], "Apache-2.0", [], seed=0)
    write_hubert(model, folder, card, normalize=True, own=OwnLabels(Quantizer(centres), 2))
    return folder
