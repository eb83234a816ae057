"""Where published weights come from: a size, a hub id or a folder, and what is known of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from serbench import bounds
from serbench.durable import SUMS, harm
from serbench.errors import SerbenchError, unknown

# size to its hub id, its licence and what it was trained on; "packaged" is a folder of PACKAGED
Sizes = Mapping[str, Mapping[str, str]]

PACKAGED = Path(__file__).parent / "packaged"
CARD = "card.json"
SPEAKERS = "speakers.safetensors"
RECORDINGS = "recordings"
"""Option in a card: the digests of the samples of which the labels were seen, as `named`."""
HEARD = "heard"
"""Likewise: of which the audio alone was heard."""
_SHORT = 12
SETTINGS = ("config.json", "preprocessor_config.json", "processor_config.json")
VOCABULARY = (
    *("tokenizer.json", "vocab.txt", "vocab.json"),
    *("spiece.model", "spm.model", "sentencepiece.bpe.model"),
)
TOKENIZER = (
    *(*VOCABULARY, "merges.txt"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
SAFE = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin")
# of a preprocessor, in samples or samples a second
_SAMPLES = {"sampling_rate", "n_fft", "hop_length"}
_FASTEST = 192_000


@dataclass(frozen=True)
class Weights:
    """A folder in the layout of `save_pretrained`.

    Attributes:
        name: as the user wrote it.
        folder: where the files are.
        provenance: `id`, `digest`, and `revision`, `licence`, `trained_on`, `method` as far as
            known, from the card beside the weights if there is one. The digest is what
            `sha256sum FILE... | sha256sum` prints for the files that are read, in the order of
            their names.
    """

    name: str
    folder: Path
    provenance: dict[str, str]

    @property
    def tensors(self) -> list[Path]:
        """The files with the tensors: safetensors, or PyTorch's where there are none."""
        return _tensor_files(self.folder)

    def settings(self) -> dict[str, Any]:
        """Return `config.json`."""
        return _read_json(self.folder / "config.json")

    def preprocessor(self) -> dict[str, Any]:
        """Return the settings of the feature extractor, empty if none are there."""
        file, told = self.folder / "preprocessor_config.json", None
        if file.is_file():
            told = _read_json(file)
        elif (file := self.folder / "processor_config.json").is_file():
            told = _read_json(file).get("feature_extractor")
        told = told if isinstance(told, dict) else {}
        for key in _SAMPLES & told.keys():
            if type(told[key]) is not int or not 1 <= told[key] <= _FASTEST:
                msg = f"{file}: '{key}' is {told[key]!r}, not a number from 1 to {_FASTEST}"
                raise SerbenchError(msg)
        return told

    def tokenizer(self) -> dict[str, Any]:
        """Return the settings of the tokeniser, empty if none are there."""
        file = self.folder / "tokenizer_config.json"
        return _read_json(file) if file.is_file() else {}


class _Corpus(BaseModel):
    name: str
    hours: float
    recordings: int


class _Options(BaseModel):
    recordings: list[str] = []
    heard: list[str] = []


class _Card(BaseModel):
    """What is read of a card, whoever wrote it."""

    base: dict[str, str] | None = None
    corpora: list[_Corpus] = []
    options: _Options = _Options()


def find(name: str, revision: str | None, sizes: Sizes, *, text: bool = False) -> Weights:
    """Turn what the user wrote into a folder of weights, downloading it if it is a hub id.

    Args:
        name: a folder (anything that starts with `.`, `/` or `~`, or exists), a published size,
            which wins over a folder of its name, or a hub id (`owner/name`).
        revision: branch, tag or commit on the hub; None for the newest.
        sizes: the published sizes by name.
        text: whether the files of a tokeniser belong to the weights and count in their digest.

    Raises:
        SerbenchError: the folder, the size or the id does not exist, files are missing, or the
            hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if name.startswith((".", "/", "~")) or (folder.is_dir() and name not in sizes):
        return _from_folder(name, folder, revision, text)
    if name not in sizes and "/" not in name:
        raise unknown(
            "published size",
            name,
            sizes,
            "a hub id is written owner/name, a folder in the working directory ./name",
        )
    known = sizes.get(name) or _known(name, sizes)
    if "packaged" in known:
        return _from_package(name, revision, known)
    return _from_hub(name, revision, known, text)


def _known(identity: str, sizes: Sizes) -> Mapping[str, str]:
    """Return what is known of a published size that is asked for by its hub id."""
    entries = (entry for entry in sizes.values() if entry["id"] == identity)
    return next(entries, {"id": identity})


def _from_folder(name: str, folder: Path, revision: str | None, text: bool) -> Weights:
    if not folder.is_dir():
        what = f"{folder} is a file" if folder.is_file() else f"there is no folder {folder}"
        msg = f"weights '{name}': {what}; give a folder of `save_pretrained`"
        raise SerbenchError(msg)
    if revision is not None:
        msg = f"weights '{name}' are a folder, which has no revision '{revision}'; leave it out"
        raise SerbenchError(msg)
    _require(name, folder, text)
    _unharmed(name, folder)
    known = {"id": folder.resolve().name} | _card(folder)
    return Weights(name, folder, {**known, "digest": digest(folder, text=text)})


def _from_package(name: str, revision: str | None, known: Mapping[str, str]) -> Weights:
    if revision is not None:
        msg = f"weights '{name}' come with serbench and have no revision '{revision}'; leave it out"
        raise SerbenchError(msg)
    folder = PACKAGED / known["packaged"]
    _require(name, folder)
    told = {key: value for key, value in known.items() if key != "packaged"} | _card(folder)
    return Weights(name, folder, {**told, "digest": digest(folder)})


def _card(folder: Path) -> dict[str, str]:
    """Return what the card beside weights that were trained here says of them."""
    card = read_card(folder)
    told = {key: str(card[key]) for key in ("licence", "trained_on", "method") if card.get(key)}
    base = (card.get("base") or {}).get("trained_on")
    corpora = list(dict.fromkeys(text for text in (base, told.get("trained_on")) if text))
    return told | ({"trained_on": ", ".join(corpora)} if corpora else {})


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card beside weights; empty if there is none.

    Raises:
        SerbenchError: it is no card.
    """
    file = folder / CARD
    if not file.is_file():
        return {}
    card = _read_json(file)
    try:
        _Card.model_validate(card)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        msg = f"{file}: {place}: {first['msg']}; put back the card that came with the weights"
        raise SerbenchError(msg) from error
    return card


def _from_hub(name: str, revision: str | None, known: Mapping[str, str], text: bool) -> Weights:
    folder = _download(known["id"], revision, text)
    _require(name, folder, text)
    commit = {"revision": folder.name} if re.fullmatch("[0-9a-f]{40}", folder.name) else {}
    return Weights(name, folder, {**known, **commit, "digest": digest(folder, text=text)})


def _require(name: str, folder: Path, text: bool = False) -> None:
    """Refuse a folder without settings or without tensors, or with files that are none."""
    _admit(folder, text)
    if not (folder / "config.json").is_file():
        msg = f"weights '{name}': no config.json in {folder}; give a folder of `save_pretrained`"
        raise SerbenchError(msg)
    if not _tensor_files(folder):
        msg = f"weights '{name}': neither {SAFE[0]} nor {PICKLED[0]} (nor their parts) in {folder}"
        raise SerbenchError(msg)


def _unharmed(name: str, folder: Path) -> None:
    """Refuse a folder that was sealed when it was trained, and damaged since."""
    if (folder / SUMS).exists() and (reason := harm(folder)):
        msg = (
            f"weights '{name}' are damaged: in {folder}, {reason}. Copy the folder again or train "
            f"it anew; if it was changed on purpose, delete its {SUMS}"
        )
        raise SerbenchError(msg)


def _tensor_files(folder: Path) -> list[Path]:
    for whole, index, _ in (SAFE, PICKLED):
        if (folder / whole).is_file():
            return [folder / whole]
        if (folder / index).is_file():
            return [folder / Path(part).name for part in _parts(folder / index)]
    return []


def _parts(index: Path) -> list[str]:
    """Return the names of the files that an index lists."""
    listed = _read_json(index).get("weight_map")
    names = listed.values() if isinstance(listed, dict) else [None]
    if not all(isinstance(name, str) for name in names):
        msg = f"{index}: 'weight_map' is not an object of file names; fetch it again"
        raise SerbenchError(msg)
    return sorted(set(names))


def _admit(folder: Path, text: bool) -> None:
    """Refuse files that are none, or larger than such files are, before any of them is read."""
    limits = dict.fromkeys(SETTINGS, bounds.SETTINGS)
    limits |= dict.fromkeys(TOKENIZER, bounds.VOCABULARY) if text else {}
    tensors = [*SAFE[:2], *PICKLED[:2], SPEAKERS, *(f.name for f in _tensor_files(folder))]
    for name, limit in (limits | dict.fromkeys(tensors, bounds.TENSORS)).items():
        if (folder / name).is_dir():
            raise SerbenchError(f"weights in {folder}: {name} is a folder; put the file there")
        if (folder / name).exists():
            bounds.regular(folder / name, limit)


def digest(folder: Path, *, text: bool = False) -> str:
    """Return the digest of the files in `folder` that make the encoder what it is."""
    settings = [folder / file for file in _settings(text) if (folder / file).is_file()]
    lines = hashlib.sha256()
    speakers = [folder / SPEAKERS] if (folder / SPEAKERS).is_file() else []
    for file in sorted(settings + _tensor_files(folder) + speakers):
        if not file.is_file():
            msg = f"weights in {folder}: {file.name} is listed in the index but is not there"
            raise SerbenchError(msg)
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.update(f"{content}  {file.name}\n".encode())
    return lines.hexdigest()


def _settings(text: bool) -> tuple[str, ...]:
    return (*SETTINGS, *TOKENIZER) if text else SETTINGS


def _download(identity: str, revision: str | None, text: bool) -> Path:
    """Return the folder of a hub id in Hugging Face's cache, filled from the hub if need be."""
    from huggingface_hub import errors, snapshot_download

    def fetch(*patterns: str) -> Path:
        return Path(snapshot_download(identity, revision=revision, allow_patterns=list(patterns)))

    try:
        folder = fetch(*_settings(text), *SAFE)
        return folder if _tensor_files(folder) else fetch(*_settings(text), *PICKLED)
    except errors.HFValidationError as error:
        msg = f"'{identity}' is no hub id (owner/name); a folder is written ./{identity}"
        raise SerbenchError(msg) from error
    except errors.RevisionNotFoundError as error:
        msg = f"weights '{identity}' have no revision '{revision}' on the hub"
        raise SerbenchError(msg) from error
    except errors.RepositoryNotFoundError as error:
        msg = f"no weights '{identity}' on the hub, or they are not open to you; "
        raise SerbenchError(msg + _by_hand(identity, text)) from error
    except OSError as error:
        msg = f"weights '{identity}' are not on this machine and the hub cannot be reached; "
        raise SerbenchError(msg + _by_hand(identity, text)) from error


def _by_hand(identity: str, text: bool) -> str:
    from huggingface_hub import constants

    settings = "the files of the tokeniser" if text else SETTINGS[1]
    return (
        f"on a machine with access, `hf download {identity} --local-dir FOLDER` gets them; needed "
        f"are {SETTINGS[0]}, {settings} and {SAFE[0]} (or {PICKLED[0]}). Copy FOLDER "
        f"here and give `--weights FOLDER`, or fill the cache {constants.HF_HUB_CACHE}"
    )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = bounds.read_json(file)
    except ValueError as error:
        msg = f"{file} is not JSON ({error}); it is cut short or not from `save_pretrained`"
        raise SerbenchError(msg) from error
    if not isinstance(content, dict):
        msg = f"{file} is JSON but not an object; it is not from `save_pretrained`"
        raise SerbenchError(msg)
    return content


def named(recordings: Iterable[str]) -> list[str]:
    """Return the digests of recordings as a card has them: shortened, sorted, each once."""
    return sorted({digest[:_SHORT] for digest in recordings if digest})


def seen_by(card: Mapping[str, Any], what: str) -> list[str]:
    """Return what a card names under `RECORDINGS` or `HEARD`; nothing if it names none."""
    found: list[str] = card.get("options", {}).get(what, [])
    return found
