"""fairseq's published HuBERT quantizer and pre-training head, turned into safetensors.

Both are published as pickles, which are opened only when told that the source is trusted, and then
by `inert`, for which neither fairseq nor scikit-learn of the right version is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serbench.digests import digest_path
from serbench.encoders.pretraining.inert import Array, inside, read_joblib, read_torch
from serbench.encoders.tensors import write_tensors
from serbench.errors import SerbenchError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""What fairseq's dictionary puts before the clusters (`fairseq/data/dictionary.py`)."""

_MOST_CLUSTERS = 2**16  # labels are uint16
_LABELS, _WEIGHT, _BIAS = "label_embs_concat", "final_proj.weight", "final_proj.bias"


@dataclass(frozen=True)
class Pickle:
    """A pickle from someone else, hashed and not opened.

    Attributes:
        path: where it is.
        sha256: 64 hex digits, to compare with what its publisher tells.
    """

    path: Path
    sha256: str

    @classmethod
    def at(cls, path: Path) -> Pickle:
        """Hash a file.

        Raises:
            SerbenchError: there is no such file.
        """
        if not path.is_file():
            raise SerbenchError(f"there is no file {path}")
        return cls(path, digest_path(path))

    @property
    def warning(self) -> str:
        """What to know before it is opened."""
        return (
            f"warning: {self.path} is a pickle, and a pickle can run any code when it is opened. "
            "Only arrays, tensors and plain values are taken from it here, yet open none "
            f"that is not from a source you trust.\nSHA-256 {self.sha256}"
        )


def convert_quantizer(published: Pickle, target: Path, *, trusted: bool) -> dict[str, str]:
    """Write the centres of a k-means as `Quantizer.load` reads them.

    Args:
        published: what fairseq's `learn_kmeans.py` dumps with joblib: scikit-learn's
            MiniBatchKMeans, such as `hubert_base_ls960_L9_km500.bin`; any version of both.
        target: to write; must not exist.
        trusted: the file comes from a source that the user trusts; nothing is opened otherwise.

    Returns:
        What is recorded in the file beside the centres: `source`, `sha256`, `what`.

    Raises:
        SerbenchError: not trusted, the target exists, or the file holds no fitted k-means.
    """
    _admit(published, target, trusted)
    path = published.path
    wrapped = inside(read_joblib(path), "cluster_centers_")
    if not isinstance(wrapped, Array):
        raise SerbenchError(f"{path} holds no cluster_centers_ of a fitted k-means of scikit-learn")
    if wrapped.values.ndim != 2 or wrapped.values.dtype.kind != "f":
        raise SerbenchError(
            f"{path}: cluster_centers_ are {wrapped.values.dtype} of shape {wrapped.values.shape}; "
            "a table (clusters, features) of floating-point numbers is needed"
        )
    centres = torch.from_numpy(wrapped.values.astype(np.float32))
    if not 1 <= len(centres) <= _MOST_CLUSTERS:
        raise SerbenchError(f"{path} has {len(centres)} clusters; it must be 1 to {_MOST_CLUSTERS}")
    clusters, features = centres.shape
    what = f"k-means of {clusters} clusters over {features} features, from scikit-learn"
    return _write(published, target, {"centres": centres}, {"what": what})


def convert_head(published: Pickle, target: Path, *, trusted: bool) -> dict[str, str]:
    """Write the head of a pre-trained HuBERT under the names of `MaskedPrediction.state_dict()`.

    These are `project.weight` (P, D), `project.bias` (P,) and `embeddings` (C, P), float32. fairseq
    keeps a row for each of `SPECIAL` before the clusters: cluster c is its row c + 4. Where the
    file holds the dictionary, each cluster's row is looked up there. In fairseq's loss the four are
    never right but stand in the denominator; here they are gone.

    Args:
        published: a checkpoint of fairseq's `hubert_pretraining`, such as `hubert_large_ll60k.pt`.
        target: to write; must not exist.
        trusted: the file comes from a source that the user trusts; nothing is opened otherwise.

    Returns:
        What is recorded in the file beside the tensors: `source`, `sha256`, `what`, and in `order`
        how the clusters' rows were found.

    Raises:
        SerbenchError: not trusted, the target exists, or the file has no head for one set of
            clusters: it was fine-tuned, predicts several sets, or transforms its embeddings.
    """
    _admit(published, target, trusted)
    path = published.path
    saved = read_torch(path)
    weight, bias, table = _head_tensors(path, inside(saved, "model"))
    symbols = _dictionaries(saved)
    _refuse_label_sets(path, max(len(symbols), _labels(saved), len(weight) // table.shape[1]))
    if len(weight) != table.shape[1] or weight.shape[:1] != bias.shape:
        raise SerbenchError(
            f"{path}: {_WEIGHT} {tuple(weight.shape)}, {_BIAS} {tuple(bias.shape)} and {_LABELS} "
            f"{tuple(table.shape)} do not fit together"
        )
    rows = _cluster_rows(path, len(table), symbols[0] if symbols else None)
    tensors = {"project.weight": weight, "project.bias": bias, "embeddings": table[rows]}
    what = f"HuBERT head for {len(rows)} clusters, {weight.shape[1]} to {len(weight)} wide"
    looked_up = "row of cluster c: looked up in the dictionary that the file holds"
    by_rule = "row of cluster c: c + 4; the file holds no dictionary to check it by"
    order = looked_up if symbols else by_rule
    return _write(published, target, tensors, {"what": f"{what}, from fairseq", "order": order})


def _admit(published: Pickle, target: Path, trusted: bool) -> None:
    if target.exists():
        raise SerbenchError(f"{target} exists; give another name for what is to be written")
    if not trusted:
        raise SerbenchError(
            f"{published.path} was not opened; if you trust its source and the SHA-256 is the one "
            "told there, repeat with --trust"
        )


def _write(
    published: Pickle, target: Path, tensors: Mapping[str, Tensor], about: dict[str, str]
) -> dict[str, str]:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise SerbenchError(f"{published.path}: {name} has numbers that are not finite")
    about = {"source": published.path.name, "sha256": published.sha256, **about}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(target, tensors, about)
    return about


def _head_tensors(path: Path, model: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return projection (n P, D), its bias and the table (R, P)."""
    found = [inside(model, name) for name in (_WEIGHT, _BIAS, _LABELS)]
    if not all(isinstance(tensor, Tensor) for tensor in found):
        raise SerbenchError(
            f"{path} has no pre-training head ({_LABELS}, {_WEIGHT}, {_BIAS} in its `model`); "
            "fine-tuned models have lost it"
        )
    if inside(model, "target_glu.0.weight") is not None:
        raise SerbenchError(
            f"{path} transforms its label embeddings (target_glu), which no "
            "published HuBERT does; it cannot be converted"
        )
    weight, bias, table = (tensor.detach().float().contiguous() for tensor in found)
    if (weight.ndim, bias.ndim, table.ndim) != (2, 1, 2) or 0 in (*weight.shape, *table.shape):
        raise SerbenchError(f"{path}: {_LABELS}, {_WEIGHT} or {_BIAS} is not of the right shape")
    return weight, bias, table


def _refuse_label_sets(path: Path, sets: int) -> None:
    if sets > 1:
        raise SerbenchError(
            f"{path} predicts {sets} sets of labels, one after the other in {_LABELS}; "
            "only a head for one set can be converted"
        )


def _labels(saved: Any) -> int:
    """Return how many sets of labels the settings name, 0 if there are none to read."""
    labels = inside(saved, "cfg", "task", "labels")
    return len(labels) if isinstance(labels, list) else 0


def _dictionaries(saved: Any) -> list[list[str]]:
    """Return the symbols of each dictionary in the state of fairseq's task."""
    for name in ("dictionaries", "pt_dictionaries"):
        kept = inside(saved, "task_state", name)
        entries = kept.values() if isinstance(kept, dict) else kept
        if isinstance(kept, list | dict):
            symbols = [inside(entry, "symbols") for entry in entries]
            return [names for names in symbols if isinstance(names, list)]
    return []


def _cluster_rows(path: Path, rows: int, symbols: list[str] | None) -> list[int]:
    """Return the rows of clusters 0, 1, ... in fairseq's table."""
    clusters = [str(cluster) for cluster in range(rows - len(SPECIAL))]
    if not clusters:
        raise SerbenchError(
            f"{path}: {_LABELS} has {rows} rows; there must be more than the {len(SPECIAL)} of "
            f"fairseq's special symbols ({' '.join(SPECIAL)})"
        )
    names = [*SPECIAL, *clusters] if symbols is None else symbols
    if tuple(names[: len(SPECIAL)]) != SPECIAL or sorted(names[len(SPECIAL) :]) != sorted(clusters):
        raise SerbenchError(
            f"{path}: its dictionary ({len(names)} symbols) is not {' '.join(SPECIAL)} and then "
            f"the clusters 0 to {len(clusters) - 1} that {_LABELS} has rows for"
        )
    return [names.index(cluster) for cluster in clusters]
