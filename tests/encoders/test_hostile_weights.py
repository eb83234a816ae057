"""Folders of weights from strangers: no code of theirs runs, and none takes memory or time."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serbench.encoders.tensors import read_tensors
from serbench.errors import SerbenchError
from serbench.upstreams import bert, cpc, hubert, huggingface

Folder = Callable[[str], Path]


@pytest.fixture
def folder(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> Folder:
    """Return what copies a tiny encoder, to be broken."""
    return lambda name: Path(shutil.copytree(tiny_checkpoints[name], tmp_path / "copy"))


def settle(folder: Path, file: str = "config.json", **changes: Any) -> None:
    path = folder / file
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | changes))


class Runs:
    """A pickle that writes a file when it is opened by `pickle.load`."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def plant(folder: Path, mark: Path, kind: str) -> None:
    """Put code into a folder that leaves a mark when it runs."""
    code = f"open({str(mark)!r}, 'w')\nclass Own: pass\n"
    for module in ("modeling_own.py", "configuration_own.py", "tokenization_own.py", "own.py"):
        (folder / module).write_text(code)
    (folder / "__init__.py").write_text(code)
    (folder / "setup.py").write_text(code)
    own = {"AutoConfig": "configuration_own.Own", "AutoModel": "modeling_own.Own"}
    match kind:
        case "pickle":
            (folder / "model.safetensors").unlink()
            (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Runs(mark)))
        case "zipped pickle":
            (folder / "model.safetensors").unlink()
            torch.save({"weight": Runs(mark)}, folder / "pytorch_model.bin")
        case "code of a known model":
            settle(folder, auto_map=own)
        case "code of an unknown model":
            settle(folder, auto_map=own, model_type="own", architectures=["Own"])
        case "code of a tokeniser":
            auto = {"AutoTokenizer": ["tokenization_own.Own", None]}
            settle(folder, "tokenizer_config.json", auto_map=auto, tokenizer_class="Own")
        case "a template of a tokeniser":
            template = "{{ cycler.__init__.__globals__.os.system('touch " + str(mark) + "') }}"
            settle(folder, "tokenizer_config.json", chat_template=template)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("pickle", "hubert"),
        ("zipped pickle", "hubert"),
        ("code of a known model", "hubert"),
        ("code of an unknown model", "hubert"),
        ("code of a tokeniser", "bert"),
        ("a template of a tokeniser", "bert"),
    ],
)
def test_no_code_of_a_folder_runs(folder, tmp_path, monkeypatch, kind, name):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    place, mark = folder(name), tmp_path / "it ran"
    plant(place, mark, kind)
    monkeypatch.chdir(place)
    makers = {"hubert": (hubert.make, huggingface.make), "bert": (bert.make, huggingface.make)}

    for make in makers[name]:
        try:
            make(weights=str(place))
        except SerbenchError:
            continue

    assert not mark.exists()


def test_the_planted_pickle_does_run_where_it_may(tmp_path):
    pickle.loads(pickle.dumps(Runs(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
@pytest.mark.parametrize(
    "file",
    [
        *("config.json", "preprocessor_config.json", "model.safetensors"),
        *("model.safetensors.index.json", "speakers.safetensors"),
    ],
)
def test_what_is_no_file_is_refused_at_once(folder, file, kind):
    place = folder("hubert")
    (place / file).unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(place / file)
    else:
        (place / file).symlink_to("/dev/zero")

    with pytest.raises(SerbenchError, match=f"{file}' is {kind}, not a file"):
        hubert.make(weights=str(place))


def test_a_folder_in_the_place_of_a_file_is_named(folder):
    place = folder("hubert")
    (place / "model.safetensors").unlink()
    (place / "model.safetensors").mkdir()

    with pytest.raises(SerbenchError, match=r"model\.safetensors is a folder; put the file there"):
        hubert.make(weights=str(place))


def test_a_part_that_is_no_file_is_refused_at_once(folder):
    place = folder("hubert")
    (place / "model.safetensors").unlink()
    settle(place, "model.safetensors.index.json", weight_map={"a": "model-1.safetensors"})
    os.mkfifo(place / "model-1.safetensors")

    with pytest.raises(SerbenchError, match=r"model-1\.safetensors' is a pipe"):
        hubert.make(weights=str(place))


@pytest.mark.parametrize("wrong", [["a"], "a", 1, None, {"a": ["model.safetensors"]}])
def test_an_index_of_another_form(folder, wrong):
    place = folder("hubert")
    (place / "model.safetensors").unlink()
    settle(place, "model.safetensors.index.json", weight_map=wrong)

    with pytest.raises(SerbenchError, match="'weight_map' is not an object of file names"):
        hubert.make(weights=str(place))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 10**7}, "10,000,000 num_hidden_layers, but the files have"),
        ({"conv_dim": [8] * 5000}, "5,000 conv_dim, but the files have"),
        ({"intermediate_size": 3 * 10**7}, "numbers are needed"),
        ({"num_conv_pos_embeddings": 2 * 10**8}, "numbers are needed"),
        ({"hidden_size": 10**30}, "cannot build what config.json says"),
        ({"num_hidden_layers": -1}, "-1 num_hidden_layers"),
        ({"hidden_act": "os.system"}, "cannot build what config.json says"),
    ],
)
def test_settings_that_ask_for_more_than_there_is(folder, change, words):
    place = folder("hubert")
    settle(place, **change)
    start = time.monotonic()

    with pytest.raises(SerbenchError, match=words):
        hubert.make(weights=str(place))

    assert time.monotonic() - start < 5


@pytest.mark.parametrize("rate", ["16000", 0, -1, 10**12, 16000.0, True])
def test_a_preprocessor_of_no_rate(folder, rate):
    place = folder("hubert")
    settle(place, "preprocessor_config.json", sampling_rate=rate)
    with pytest.raises(SerbenchError, match=r"'sampling_rate' is .* not a number from 1 to 192000"):
        hubert.make(weights=str(place))


def test_settings_that_are_nested_deep_or_long(folder):
    place = folder("hubert")
    for content, words in (
        ("[" * 100_000, "nested too deep"),
        ('{"a":' + "[" * 99 + "]" * 99 + "}", "levels of nesting"),
        ('{"a": "' + "x" * 2**20 + '"}', "bytes of JSON"),
    ):
        (place / "config.json").write_text(content)
        with pytest.raises(SerbenchError, match=words):
            hubert.make(weights=str(place))


def test_a_compressed_checkpoint_is_not_unpacked(folder):
    place = folder("hubert")
    torch.save({"a": torch.zeros(1_000_000)}, place / "plain.bin")
    with (
        zipfile.ZipFile(place / "plain.bin") as plain,
        zipfile.ZipFile(place / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    (place / "model.safetensors").unlink()

    with pytest.raises(SerbenchError, match="is compressed"):
        hubert.make(weights=str(place))


def described(*tensors: Any, length: int | None = None, data: int = 16) -> bytes:
    """Return a safetensors file: type, shape, and from where to where, of each tensor."""
    told = {
        f"t{number}": {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        for number, (dtype, shape, offsets) in enumerate(tensors)
    }
    header = json.dumps(told).encode()
    return (len(header) if length is None else length).to_bytes(8, "little") + header + bytes(data)


WHOLE = ("F32", [4], [0, 16])
LYING = {
    "more than there is": described(("F32", [10**9], [0, 4 * 10**9])),
    "a header of 2^60 bytes": described(WHOLE, length=2**60),
    "a header of 2^64 - 1 bytes": described(WHOLE, length=2**64 - 1),
    "overlapping tensors": described(("F32", [3], [0, 12]), ("F32", [3], [4, 16])),
    "a tensor in another": described(WHOLE, ("F32", [2], [4, 12])),
    "a gap": described(("F32", [1], [0, 4]), ("F32", [1], [12, 16])),
    "numbers of another size": described(("F16", [4], [0, 16])),
    "a shape that overflows": described(("F32", [2**62, 4], [0, 16])),
    "negative offsets": described(("F32", [4], [-16, 0])),
    "an end before the start": described(("F32", [4], [16, 0])),
    "a type that is none": described(("F7", [4], [0, 16])),
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LYING)
def test_a_header_that_lies(folder, lie):
    place = folder("hubert")
    (place / "model.safetensors").write_bytes(LYING[lie])
    with pytest.raises(SerbenchError, match=r"model\.safetensors is not a whole safetensors file"):
        hubert.make(weights=str(place))
    with pytest.raises(SerbenchError, match=r"model\.safetensors cannot be read as safetensors"):
        read_tensors(place / "model.safetensors")


def test_a_header_of_too_many_tensors_is_not_read(folder):
    place = folder("hubert")
    file = "model.safetensors"
    many = described(*[("F32", [0], [0, 0])] * 150_000, data=0)
    (place / file).write_bytes(many)
    start = time.monotonic()
    for read in (lambda: hubert.make(weights=str(place)), lambda: read_tensors(place / file)):
        with pytest.raises(SerbenchError, match=r"the header of '.*' has [\d,]+ bytes, 8,388,608"):
            read()
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": 10**7}, "10,000,000 layers"),
        ({"hidden": 10**7}, "do not fill the network"),
        ({"kernels": [10] * 10_000}, "10,000 convolutions"),
        ({"kernels": "ten"}, "'kernels'"),
        ({"strides": [5]}, "do not fill the network"),
        ({"strides": [0, 0, 0, 0, 0]}, r"'strides\.0'"),
        ({"cell": "os.system"}, "'cell'"),
    ],
)
def test_settings_of_cpc_that_ask_for_more_than_there_is(folder, change, words):
    place = folder("cpc")
    settle(place, **change)
    with pytest.raises(SerbenchError, match=words):
        cpc.make(weights=str(place))


def test_tensors_of_another_shape_or_number(folder):
    place = folder("cpc")
    tensors = load_file(place / "model.safetensors")
    save_file({name: value[None] for name, value in tensors.items()}, place / "model.safetensors")
    with pytest.raises(SerbenchError, match="do not fill the network"):
        cpc.make(weights=str(place))
