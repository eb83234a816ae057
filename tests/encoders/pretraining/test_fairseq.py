"""Files in fairseq's formats, made by the libraries that make the published ones."""

from __future__ import annotations

import ast
import os
import pickle
import sys
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pytest
import sklearn
import torch
import torch.nn.functional as F
from joblib.numpy_pickle import NumpyArrayWrapper
from safetensors import safe_open
from sklearn.cluster import MiniBatchKMeans

import serbench
from serbench.encoders.pretraining import fairseq, inert
from serbench.encoders.pretraining.head import load_head
from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.pretraining.pseudo_labels import Quantizer
from serbench.encoders.tensors import read_tensors
from serbench.errors import SerbenchError

CLUSTERS, WIDTH, DIM = 7, 24, 32
SYMBOLS = ["<s>", "<pad>", "</s>", "<unk>", *map(str, range(CLUSTERS))]
OPENERS = {"load", "loads", "Unpickler", "_Unpickler", "read_pickle"}


class Harmful:
    """Its pickle makes a folder when opened by the ordinary unpickler."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Return what makes objects of fairseq's `Dictionary`, a class that is gone after the test."""
    kind = type("Dictionary", (), {"__module__": "fairseq.data.dictionary"})
    module = ModuleType("fairseq.data.dictionary")
    module.Dictionary = kind
    for name in ("fairseq", "fairseq.data", "fairseq.data.dictionary"):
        monkeypatch.setitem(sys.modules, name, module)

    def make(symbols: list[str]) -> object:
        made = kind()
        made.__dict__.update(symbols=symbols, count=[1] * len(symbols), bos_word="<s>")
        return made

    return make


def model(rows: int = CLUSTERS + 4) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(2)
    shapes = {
        "mask_emb": (DIM,),
        "label_embs_concat": (rows, WIDTH),
        "final_proj.weight": (WIDTH, DIM),
        "final_proj.bias": (WIDTH,),
    }
    return {
        name: torch.nn.Parameter(torch.randn(shape, generator=draw))
        for name, shape in shapes.items()
    }


def saved(folder: Path, tensors: dict[str, torch.Tensor], *, zipped: bool = True, **more) -> Path:
    path = folder / "hubert.pt"
    state = OrderedDict(tensors)
    state._metadata = OrderedDict({"": {"version": 1}})  # as a state_dict of PyTorch has
    content = {"args": Namespace(arch="hubert"), "model": state, **more}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def converted(path: Path, convert=fairseq.convert_head) -> dict[str, torch.Tensor]:
    target = path.parent / "made" / "part.safetensors"
    convert(fairseq.Pickle.at(path), target, trusted=True)
    return read_tensors(target)


def refused(path: Path, match: str, convert=fairseq.convert_head) -> None:
    target = path.parent / "part.safetensors"
    with pytest.raises(SerbenchError, match=match):
        convert(fairseq.Pickle.at(path), target, trusted=True)
    assert not target.exists()


def published_head(folder: Path, foreign: Callable[..., object], **options) -> Path:
    cfg = {"task": {"labels": ["lyr9.km500"]}, "model": {"logit_temp": 0.1}}
    state = {"dictionaries": [foreign(SYMBOLS)]}
    return saved(folder, model(), cfg=cfg, task_state=state, **options)


@pytest.fixture
def predictor(small_hubert) -> MaskedPrediction:
    with torch.random.fork_rng(devices=[]):
        return MaskedPrediction(small_hubert("layer"), CLUSTERS, width=WIDTH).eval()


@pytest.mark.parametrize("zipped", [True, False])
def test_logits_are_fairseqs_without_its_special_rows(
    tmp_path, foreign, monkeypatch, predictor, zipped
):
    path = published_head(tmp_path, foreign, zipped=zipped)
    monkeypatch.undo()
    with pytest.raises(ModuleNotFoundError, match="fairseq"):
        torch.load(path, weights_only=False)

    tensors = converted(path)
    assert tensors.keys() < predictor.state_dict().keys()
    load_head(tmp_path / "made" / "part.safetensors").fill(predictor)

    frames = torch.randn(5, DIM, generator=torch.Generator().manual_seed(3))
    theirs = model()
    projected = F.linear(frames, theirs["final_proj.weight"], theirs["final_proj.bias"])
    cosines = F.cosine_similarity(projected[:, None], theirs["label_embs_concat"][None], dim=-1)
    with torch.inference_mode():
        ours = predictor.logits(frames)
    torch.testing.assert_close(ours, cosines[:, 4:] / 0.1, rtol=1e-5, atol=1e-5)
    rows = theirs["label_embs_concat"]
    assert torch.equal(tensors["embeddings"], rows[4:])
    assert not any((row == tensors["embeddings"]).all(1).any() for row in rows[:4])


def test_loss_is_fairseqs_over_the_clusters(tmp_path, predictor):
    """Take `compute_nce`: the truth in column 0, minus infinity where it stands among the rest."""
    predictor.load_state_dict(converted(saved(tmp_path, model())), strict=False)
    draw = torch.Generator().manual_seed(4)
    frames = torch.randn(6, DIM, generator=draw)
    truth = torch.randint(CLUSTERS, (6,), generator=draw)
    theirs = model()
    projected = F.linear(frames, theirs["final_proj.weight"], theirs["final_proj.bias"])
    table = theirs["label_embs_concat"]
    positive = table.index_select(0, truth + 4)[None]
    negatives = table[4:, None].expand(-1, 6, -1)
    targets = torch.cat([positive, negatives])
    logits = torch.cosine_similarity(projected, targets, dim=-1) / 0.1
    logits[1:][(positive == negatives).all(-1)] = float("-inf")
    expected = F.cross_entropy(logits.T, torch.zeros(6, dtype=torch.int64))
    found = F.cross_entropy(predictor.logits(frames), truth)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_clusters_are_found_by_the_dictionary(tmp_path, foreign):
    shuffled = [*SYMBOLS[:4], *reversed(SYMBOLS[4:])]
    path = saved(tmp_path, model(), task_state={"pt_dictionaries": {"km": foreign(shuffled)}})
    expected = model()["label_embs_concat"][4:].flip(0).detach()
    assert torch.equal(converted(path)["embeddings"], expected)


def test_half_precision_becomes_single(tmp_path):
    half = {name: value.detach().half() for name, value in model().items()}
    tensors = converted(saved(tmp_path, half))
    assert {value.dtype for value in tensors.values()} == {torch.float32}


def test_it_is_recorded_where_a_part_comes_from(tmp_path, foreign):
    path = published_head(tmp_path, foreign)
    published = fairseq.Pickle.at(path)
    about = fairseq.convert_head(published, tmp_path / "head.safetensors", trusted=True)
    with safe_open(tmp_path / "head.safetensors", "pt") as file:
        assert file.metadata() == about
    assert about["source"] == "hubert.pt"
    assert about["sha256"] == published.sha256
    assert f"{CLUSTERS} clusters, {DIM} to {WIDTH} wide" in about["what"]
    assert "looked up" in about["order"]


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in model().items() if key != name}


@pytest.mark.parametrize(
    "tensors, match",
    [
        (without("label_embs_concat"), "no pre-training head"),
        (without("final_proj.bias"), "no pre-training head"),
        (model(rows=4), "4 rows"),
        (model(rows=2), "2 rows"),
        (model() | {"final_proj.weight": torch.zeros(2 * WIDTH, DIM)}, "2 sets of labels"),
        (model() | {"final_proj.weight": torch.zeros(WIDTH + 1, DIM)}, "do not fit together"),
        (model() | {"final_proj.bias": torch.zeros(1)}, "do not fit together"),
        (model() | {"final_proj.weight": torch.zeros(WIDTH)}, "not of the right shape"),
        (model() | {"label_embs_concat": torch.full((9, WIDTH), torch.nan)}, "not finite"),
        (model() | {"target_glu.0.weight": torch.zeros(2, 2)}, "target_glu"),
    ],
)
def test_heads_that_do_not_fit_are_refused(tmp_path, tensors, match):
    path = tmp_path / "hubert.pt"
    torch.save({"model": tensors}, path)
    refused(path, match)


def test_several_label_sets_are_refused(tmp_path, foreign):
    many = [foreign(SYMBOLS[: 4 + n]) for n in (3, 4)]
    refused(saved(tmp_path, model(), task_state={"dictionaries": many}), "2 sets of labels")
    refused(saved(tmp_path, model(), cfg={"task": {"labels": ["a", "b", "c"]}}), "3 sets of labels")


@pytest.mark.parametrize(
    "symbols", [SYMBOLS[:-1], SYMBOLS[1:], [*SYMBOLS[:-1], "x"], SYMBOLS[::-1]]
)
def test_dictionaries_that_do_not_fit_are_refused(tmp_path, foreign, symbols):
    path = saved(tmp_path, model(), task_state={"dictionaries": [foreign(symbols)]})
    refused(path, "dictionary")


CONVERSIONS = [fairseq.convert_head, fairseq.convert_quantizer]


@pytest.mark.parametrize("convert", CONVERSIONS)
@pytest.mark.parametrize("content", [b"", b"no pickle at all", pickle.dumps([1, 2])[:-1]])
def test_what_is_no_pickle_is_refused(tmp_path, convert, content):
    (tmp_path / "part.bin").write_bytes(content)
    refused(tmp_path / "part.bin", "cannot be read", convert)


def test_a_file_cut_short_is_refused(tmp_path, foreign, fitted):
    head = published_head(tmp_path, foreign)
    head.write_bytes(head.read_bytes()[:-100])
    refused(head, "cannot be read")
    quantizer = dumped(tmp_path, fitted)
    quantizer.write_bytes(quantizer.read_bytes()[:-500])
    refused(quantizer, "cannot be read", fairseq.convert_quantizer)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_is_refused(tmp_path):
    traced = torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1, 1))
    torch.jit.save(traced, tmp_path / "script.pt")
    refused(tmp_path / "script.pt", "cannot be read")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SerbenchError, match="no file"):
        fairseq.Pickle.at(tmp_path / "hubert.pt")


@pytest.mark.parametrize("convert", CONVERSIONS)
def test_nothing_is_opened_or_replaced_unasked(tmp_path, convert):
    source, target = tmp_path / "source.bin", tmp_path / "target.safetensors"
    source.write_bytes(b"opened, this would fail otherwise")
    published = fairseq.Pickle.at(source)
    with pytest.raises(SerbenchError, match="--trust"):
        convert(published, target, trusted=False)
    assert not target.exists()
    target.write_bytes(b"kept")
    with pytest.raises(SerbenchError, match=r"target\.safetensors exists"):
        convert(published, target, trusted=True)
    assert target.read_bytes() == b"kept"


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path, zipped):
    folder = tmp_path / "harm"
    path = saved(tmp_path, model(), zipped=zipped, extra_state=Harmful(folder))
    converted(path)
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.exists(), "the file would have done harm elsewhere"


@pytest.fixture(scope="module")
def fitted() -> MiniBatchKMeans:
    return MiniBatchKMeans(5, batch_size=50, n_init=2, random_state=0).fit(frames())


def frames() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((200, 6)).astype(np.float32)


def dumped(folder: Path, content: object, protocol: int | None = None) -> Path:
    path = folder / "km.bin"
    joblib.dump(content, path, protocol=protocol)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_quantizer_labels_as_scikit_learn_does(tmp_path, fitted, protocol):
    path = dumped(tmp_path, fitted, protocol)
    fairseq.convert_quantizer(fairseq.Pickle.at(path), tmp_path / "km.safetensors", trusted=True)
    quantizer = Quantizer.load(tmp_path / "km.safetensors")
    assert np.array_equal(quantizer.centres, fitted.cluster_centers_)
    assert np.array_equal(quantizer(frames()), fitted.predict(frames()))
    quantizer.save(tmp_path / "saved.safetensors")
    assert list(read_tensors(tmp_path / "saved.safetensors")) == ["centres"]
    assert list(read_tensors(tmp_path / "km.safetensors")) == ["centres"]


def test_a_quantizer_of_2021_is_read(tmp_path, fitted, monkeypatch):
    """Without joblib 1.2's padding, with numpy's flags of then and another scikit-learn."""
    monkeypatch.setattr(NumpyArrayWrapper, "safe_get_numpy_array_alignment_bytes", lambda _: None)
    initialise = NumpyArrayWrapper.__init__

    def bare(self, *args, **options):
        initialise(self, *args, **options)
        del self.numpy_array_alignment_bytes

    monkeypatch.setattr(NumpyArrayWrapper, "__init__", bare)
    path = dumped(tmp_path, fitted, 3)
    content = path.read_bytes()
    version = sklearn.__version__.encode()
    assert b"\x89\x88\x87" in content
    assert content.count(version) == 1
    aged = content.replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
    path.write_bytes(aged.replace(version, b"0" * len(version)))
    tensors = converted(path, fairseq.convert_quantizer)
    assert np.array_equal(tensors["centres"].numpy(), fitted.cluster_centers_)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0, 3), (3, 4), (2, 3, 4)])
def test_arrays_are_those_that_joblib_dumped(tmp_path, dtype, order, shape):
    array = np.asarray(10 * np.random.default_rng(0).standard_normal(shape)).astype(dtype, order)
    first, second = inert.read_joblib(dumped(tmp_path, [array, array.T]))
    assert first.values.dtype == array.dtype
    np.testing.assert_array_equal(first.values, array)
    np.testing.assert_array_equal(second.values, array.T)


def test_quantizers_that_do_not_fit_are_refused(tmp_path, fitted):
    convert = fairseq.convert_quantizer
    refused(dumped(tmp_path, MiniBatchKMeans(3)), "no cluster_centers_", convert)
    refused(dumped(tmp_path, {"a": frames()}), "no cluster_centers_", convert)
    refused(dumped(tmp_path, {"cluster_centers_": frames()[0]}), "shape", convert)
    refused(dumped(tmp_path, {"cluster_centers_": frames()[:0]}), "0 clusters", convert)
    refused(dumped(tmp_path, {"cluster_centers_": np.ones((2, 2), int)}), "int64", convert)
    refused(dumped(tmp_path, {"cluster_centers_": np.full((2, 2), np.nan)}), "not finite", convert)
    joblib.dump(fitted, tmp_path / "small.bin", compress=3)
    refused(tmp_path / "small.bin", "uncompressed", convert)


def test_code_in_a_quantizer_is_not_run(tmp_path, fitted):
    folder = tmp_path / "harm"
    harmful = {"harm": Harmful(folder), "cluster_centers_": fitted.cluster_centers_}
    centres = inert.inside(inert.read_joblib(dumped(tmp_path, harmful)), "cluster_centers_")
    assert np.array_equal(centres.values, fitted.cluster_centers_)
    assert not folder.exists()
    joblib.load(tmp_path / "km.bin")
    assert folder.exists(), "the file would have done harm elsewhere"


def test_code_in_an_array_of_objects_is_not_run(tmp_path):
    folder = tmp_path / "harm"
    path = dumped(tmp_path, {"cluster_centers_": np.array([[Harmful(folder)]], dtype=object)})
    refused(path, "cannot be read", fairseq.convert_quantizer)
    assert not folder.exists()
    joblib.load(path)
    assert folder.exists(), "the file would have done harm elsewhere"


def calls(path: Path) -> list[str]:
    """Return the calls and imports of a source file that can open a pickle that runs code."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            found += [name for name in names if name.split(".")[0] in ("joblib", "dill")]
            found += [name for name in names if names[0] == "pickle" and name in OPENERS]
        elif isinstance(node, ast.Attribute) and node.attr in OPENERS:
            owner = ast.unparse(node.value)
            found += [owner] if owner in ("pickle", "pandas", "pd") else []
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            safe = any(
                k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords
            )
            found += [] if safe else ["torch.load"]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found += [] if ast.unparse(node.value) == "False" else ["allow_pickle"]
    return found


def test_no_other_module_opens_pickles_that_run_code():
    root = Path(serbench.__file__).parent
    opening = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if calls(path)}
    # but for the first they talk to processes of the same run, over pipes or a group of its own
    ours = {"runs/workers.py", "runs/trials.py", "ranks.py"}
    assert opening == {"encoders/pretraining/inert.py", *ours}
