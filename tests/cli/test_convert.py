"""`serbench convert` as people see it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans

from ..commands import Ended, serbench  # noqa: TID252


def convert(folder: Path, *args: str) -> Ended:
    """Run the command in a folder at 80 columns."""
    return serbench("convert", *args, cwd=folder)


def test_a_pickle_is_not_opened_without_trust(tmp_path: Path) -> None:
    (tmp_path / "hubert.pt").write_bytes(b"never read as a pickle")
    ended = convert(tmp_path, "head", "hubert.pt", "head.safetensors")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert hashlib.sha256(b"never read as a pickle").hexdigest() in ended.stderr
    assert "can run any code" in ended.stderr
    assert "was not opened" in ended.stderr
    assert "--trust" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["hubert.pt"]


def test_a_head_is_converted(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = {
        "label_embs_concat": (504, 6),
        "final_proj.weight": (6, 8),
        "final_proj.bias": (6,),
    }
    tensors = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    torch.save({"model": tensors}, tmp_path / "hubert.pt")
    ended = convert(tmp_path, "head", "hubert.pt", "head.safetensors", "--trust")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("head.safetensors: HuBERT head for 500 clusters, 8 to 6 wide")
    assert "c + 4" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "source you trust" in ended.stderr
    assert (tmp_path / "head.safetensors").is_file()


def test_a_quantizer_is_converted(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    joblib.dump(MiniBatchKMeans(3, n_init=1, random_state=0).fit(frames), tmp_path / "km.bin")
    ended = convert(tmp_path, "quantizer", "km.bin", "km.safetensors", "--trust")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("km.safetensors: k-means of 3 clusters over 4 features")
    assert (tmp_path / "km.safetensors").is_file()
