"""Which weights a name means, what is known of them, and every way in which they can be wrong."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from serbench.encoders import weights as _weights
from serbench.encoders.weights import find
from serbench.errors import SerbenchError
from serbench.upstreams import Clips
from serbench.upstreams import hubert as plugin
from serbench.upstreams.hubert import make
from serbench.upstreams.huggingface import make as any_encoder

COMMIT = "dba3bb02fda4248b6e082697eee756de8fe8aa8a"
ID = "facebook/hubert-base-ls960"


@pytest.fixture
def folder(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of a tiny HuBERT to break."""
    return Path(shutil.copytree(tiny_checkpoints["hubert"], tmp_path / "copy"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache of the hub, which is out of reach."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_into(cache: Path, checkpoint: Path) -> None:
    """Store `checkpoint` the way `hf download` would store HuBERT Base."""
    stored = cache / "models--facebook--hubert-base-ls960"
    shutil.copytree(checkpoint, stored / "snapshots" / COMMIT)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text(COMMIT)


def fails(weights: str | Path, message: str, revision: str | None = None) -> None:
    with pytest.raises(SerbenchError, match=message):
        make(weights=str(weights), revision=revision)


# what a name means


def test_a_size_is_its_hub_id(cache: Path, folder: Path) -> None:
    put_into(cache, folder)
    assert make(weights="base").provenance == {
        "id": ID,
        "revision": COMMIT,
        "licence": "Apache-2.0",
        "trained_on": "LibriSpeech (960 h)",
        "digest": find(str(folder), None, {}).provenance["digest"],
    }


def test_the_hub_id_of_a_size_is_known_too(cache: Path, folder: Path) -> None:
    put_into(cache, folder)
    for upstream in (make(weights=ID), make(weights=ID, revision=COMMIT), any_encoder(weights=ID)):
        assert upstream.provenance == make(weights="base").provenance


def test_of_another_hub_id_only_the_revision_is_known(cache: Path, folder: Path) -> None:
    put_into(cache, folder)
    assert set(find(ID, None, {}).provenance) == {"id", "revision", "digest"}


def test_a_folder_is_known_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    for name in (str(folder), "./copy", "copy", "copy/../copy"):
        provenance = make(weights=name).provenance
        assert set(provenance) == {"id", "digest"}
        assert provenance["id"] == "copy"
    monkeypatch.setenv("HOME", str(folder.parent))
    assert make(weights="~/copy").provenance["id"] == "copy"


def test_a_published_size_wins_over_a_folder_of_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, folder.with_name("nano"))
    shutil.copytree(folder, folder.with_name("base"))
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr(_weights, "PACKAGED", folder.parent)
    sizes = plugin.WEIGHTS | {"nano": plugin.WEIGHTS["nano"] | {"packaged": folder.name}}
    assert find("nano", None, sizes).folder == folder
    for name in ("./nano", "./base"):
        assert find(name, None, sizes).folder == Path(name)
    with pytest.raises(SerbenchError, match="the hub cannot be reached"):
        find("base", None, sizes)


def test_the_digest_is_that_of_sha256sum(folder: Path) -> None:
    files = "config.json model.safetensors preprocessor_config.json"
    command = f"sha256sum {files} | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True)
    assert make(weights=str(folder)).provenance["digest"] == printed.stdout.decode().split()[0]


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_the_digest_changes_with_what_changes_the_features(folder: Path, file: str) -> None:
    before = find(str(folder), None, {}).provenance["digest"]
    (folder / "README.md").write_text("a card")
    assert find(str(folder), None, {}).provenance["digest"] == before
    (folder / file).write_text((folder / file).read_text() + "\n")
    assert find(str(folder), None, {}).provenance["digest"] != before


def test_loading_leaves_no_trace(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.utils import logging

    monkeypatch.setattr(logging, "_tqdm_active", True)
    change(folder, lambda tensors: tensors.pop("masked_spec_embed"))
    state, level = torch.get_rng_state(), logging.get_verbosity()
    make(weights=str(folder))
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), state)
    assert logging.get_verbosity() == level
    assert logging._tqdm_hook is None


# formats


def change(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def to_pickle(folder: Path) -> Path:
    tensors = load_file(folder / "model.safetensors")
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder / "pytorch_model.bin"


def test_pickled_tensors_and_parts_give_the_same_encoder(
    folder: Path, clips: Callable[..., Clips], noise: Callable[[int], Tensor]
) -> None:
    batch = clips(noise(6_000))
    expected = make(weights=str(folder))(batch).layers
    tensors = load_file(folder / "model.safetensors")
    to_pickle(folder)
    assert torch.equal(make(weights=str(folder))(batch).layers, expected)
    (folder / "pytorch_model.bin").unlink()
    names = sorted(tensors)
    index = {}
    for part, keys in (("model-1.safetensors", names[::2]), ("model-2.safetensors", names[1::2])):
        save_file({key: tensors[key] for key in keys}, folder / part, {"format": "pt"})
        index |= dict.fromkeys(keys, part)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert torch.equal(make(weights=str(folder))(batch).layers, expected)
    (folder / "model-2.safetensors").unlink()
    fails(folder, r"model-2.safetensors is listed in the index but is not there")


def test_heads_are_left_over_and_the_mask_may_be_missing(folder: Path) -> None:
    def edit(tensors: dict[str, Tensor]) -> None:
        del tensors["masked_spec_embed"]
        encoder = {f"hubert.{key}": tensors.pop(key) for key in list(tensors)}
        tensors |= encoder | {"lm_head.weight": torch.zeros(10, 16)}

    expected = make(weights=str(folder)).model.state_dict()
    change(folder, edit)
    found = make(weights=str(folder)).model.state_dict()
    del expected["masked_spec_embed"]
    assert all(torch.equal(found[key], value) for key, value in expected.items())


# what is wrong


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/no/where", ".."])
def test_a_folder_that_is_not_there(name: str, folder: Path) -> None:
    fails(name, "no folder" if name != ".." else "no config.json in")


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    fails(folder / "model.safetensors", "model.safetensors is a file; give a folder")


def test_a_size_that_does_not_exist() -> None:
    known = "base, large, nano, xlarge"
    fails("bse", rf"no published size 'bse'; did you mean 'base'\? There are: {known}")


def test_a_revision_of_a_folder(folder: Path) -> None:
    fails(folder, "has no revision 'main'", revision="main")


def test_no_settings(folder: Path) -> None:
    (folder / "config.json").unlink()
    fails(folder, r"no config.json in .*save_pretrained")


@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_settings_that_are_no_json_object(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    fails(folder, r"config.json is (not JSON|JSON but not an object)")


@pytest.mark.parametrize(
    "wrong", [{"conv_stride": [5]}, {"hidden_size": "wide"}, {"num_attention_heads": 3}]
)
def test_settings_that_describe_no_encoder(folder: Path, wrong: dict[str, object]) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | wrong))
    fails(folder, r"transformers cannot build what config.json says: ")


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"base": "x"}, "base"),
        ({"corpora": "demo"}, "corpora"),
        ({"corpora": [1]}, "corpora.0"),
        ({"corpora": [{}]}, "corpora.0.name"),
        ({"corpora": [{"name": "demo", "recordings": "x", "hours": 1.0}]}, "corpora.0.recordings"),
        ({"options": []}, "options"),
        ({"options": {"recordings": 5}}, "options.recordings"),
    ],
)
def test_a_card_that_is_none(folder: Path, wrong: dict[str, object], place: str) -> None:
    (folder / "card.json").write_text(json.dumps(wrong))
    with pytest.raises(SerbenchError, match=f"card.json: {place}: .*; put back the card"):
        make(weights=str(folder))


def test_no_tensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    fails(folder, r"neither model.safetensors nor pytorch_model.bin")


@pytest.mark.parametrize("keep", [0, 5, 2_000])
def test_a_file_cut_short(folder: Path, keep: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    fails(folder, r"model.safetensors is not a whole safetensors file")


@pytest.mark.parametrize("keep", [0, 5, 2_000])
def test_a_pickle_cut_short(folder: Path, keep: int) -> None:
    file = to_pickle(folder)
    file.write_bytes(file.read_bytes()[:keep])
    fails(folder, r"pytorch_model.bin is not a PyTorch file of tensors and nothing else")


@pytest.mark.parametrize("content", [{"model": {}, "epoch": 3}, [1, 2], 3])
def test_a_pickle_of_something_else(folder: Path, content: object) -> None:
    torch.save(content, to_pickle(folder))
    fails(folder, r"pytorch_model.bin is not a PyTorch file of tensors and nothing else")


class Code:
    """Writes a file when it is unpickled the way `pickle` does it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


def test_a_pickle_runs_no_code(folder: Path, tmp_path: Path) -> None:
    file, sign = to_pickle(folder), tmp_path / "sign"
    torch.save({"weight": Code(sign)}, file)
    fails(folder, "nothing else; convert it to safetensors")
    assert not sign.exists()
    pickle.loads(pickle.dumps(Code(sign)))
    assert sign.exists()


@pytest.mark.parametrize("prefix", ["", "hubert."])
def test_a_layer_too_many(folder: Path, prefix: str) -> None:
    """Otherwise `last` would be another layer, and nobody would be told."""

    def rename(tensors: dict[str, Tensor]) -> None:
        for key in list(tensors):
            tensors[prefix + key] = tensors.pop(key)

    change(folder, rename)
    file = folder / "config.json"
    settings = json.loads(file.read_text())
    layers = settings["num_hidden_layers"]
    file.write_text(json.dumps(settings | {"num_hidden_layers": layers - 1}))
    fails(folder, f"more layers than their config.json says: .*layers.{layers - 1}.* has no place")


def test_a_layer_that_is_missing(folder: Path) -> None:
    change(folder, lambda tensors: tensors.pop("encoder.layers.1.attention.q_proj.weight"))
    fails(folder, r"1 tensors are missing or of another size \(encoder.layers.1.attention.q_proj")


def test_a_layer_of_another_size(folder: Path) -> None:
    key = "encoder.layers.1.feed_forward.output_dense.bias"
    change(folder, lambda tensors: tensors.update({key: torch.zeros(17)}))
    fails(folder, r"1 tensors are missing or of another size \(encoder.layers.1.feed_forward")


def test_an_empty_file_of_tensors(folder: Path) -> None:
    change(folder, lambda tensors: tensors.clear())
    fails(folder, r"\d\d tensors are missing .*\.\.\.\)")


# the hub


def test_weights_that_are_not_here_say_what_to_fetch_and_where_to_put_it(cache: Path) -> None:
    with pytest.raises(SerbenchError) as caught:
        make(weights="base")
    said = str(caught.value)
    assert f"hf download {ID} --local-dir FOLDER" in said
    assert all(file in said for file in ("config.json", "model.safetensors", "pytorch_model.bin"))
    assert "--weights FOLDER" in said
    assert str(cache) in said


def test_half_a_download_is_not_taken(cache: Path, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    put_into(cache, folder)
    fails("base", "neither model.safetensors nor pytorch_model.bin")


def test_a_name_that_can_be_no_id(cache: Path) -> None:
    fails("a/b/c", r"'a/b/c' is no hub id \(owner/name\); a folder is written ./a/b/c")


def test_every_size_says_where_it_is_from() -> None:
    for entry in plugin.WEIGHTS.values():
        assert set(entry) - {"packaged"} == {"id", "licence", "trained_on"}
        owner = "serbench" if "packaged" in entry else "facebook"
        assert entry["id"].startswith(f"{owner}/hubert-")
