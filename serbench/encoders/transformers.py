"""Published encoders out of transformers, loaded whole, in float32, and without a word."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from logging import ERROR
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as checkpointed

from serbench.encoders.tensors import bound_header, read_pickled, require_finite, write_tensors
from serbench.encoders.weights import Weights
from serbench.errors import SerbenchError, brief

# what masked pre-training puts in the place of frames, and what is above the frames of a text
# encoder; an encoder in use never reads them
UNUSED = ("masked_spec_embed", "pooler.")
_SPARE = 2**26  # numbers that may be missing until `_require_whole` says which
_LAYER = re.compile(r"(?:^|encoder\.)layers?\.\d+\.")  # a tensor of one, whatever its prefix
_LAYERS = 1_000  # no encoder has as many, nor as many entries of a list
# a full Whisper has its encoder below one of these
WHISPER_PREFIX = {r"^(model\.)?encoder\.": ""}


def check_type(weights: Weights, upstream: str, accepted: Collection[str]) -> str:
    """Return transformers' `model_type` of the weights if the upstream can encode with it.

    Raises:
        SerbenchError: it cannot; the message names both.
    """
    kind = str(weights.settings().get("model_type"))
    if kind not in accepted:
        msg = (
            f"weights '{weights.name}' are of model type '{kind}'; upstream '{upstream}' takes "
            f"{', '.join(sorted(accepted))}"
        )
        if upstream != "huggingface":
            msg += " (upstream 'huggingface' takes any type it knows)"
        raise SerbenchError(msg)
    return kind


def load(weights: Weights) -> Any:
    """Build the encoder and fill it: frozen, float32.

    Heads and decoders in the file are left over; a tensor of the encoder that is missing or of
    another size is an error, never a random layer. Tensors are read from safetensors, or where a
    checkpoint has none from PyTorch's own files, with the unpickler that runs no code.

    Raises:
        SerbenchError: a file cannot be read, does not hold this encoder, or holds NaN.
    """
    tensors: dict[str, Tensor] = {}
    for file in weights.tensors:
        tensors |= _read(file)
    _require_layers(weights, len(tensors))
    with _quiet(), torch.random.fork_rng(devices=[]):
        model, report = _fill(weights, tensors)
    _require_whole(weights, report)
    _require_all_used(weights, report)
    require_finite(weights.name, model.state_dict(), UNUSED)
    return model.requires_grad_(False)


def save(model: Any, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`, which `load` reads to the same bits.

    Args:
        model: as `load` returned it, whatever was trained of it.
        folder: made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    tensors = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    write_tensors(folder / "model.safetensors", tensors, {"format": "pt"})


def write_preprocessor(folder: Path, *, normalize: bool, rate: int = 16_000) -> None:
    """Write `preprocessor_config.json` of an encoder of waveforms.

    Args:
        folder: of its weights.
        normalize: whether waveforms are brought to mean 0 and variance 1.
        rate: in Hz.
    """
    from transformers import Wav2Vec2FeatureExtractor

    extractor = Wav2Vec2FeatureExtractor(  # type: ignore[no-untyped-call]
        do_normalize=normalize, return_attention_mask=False, sampling_rate=rate
    )
    extractor.save_pretrained(folder)


def checkpoint(blocks: Iterable[nn.Module]) -> None:
    """Let blocks keep only their inputs for the backward pass, and compute the rest again.

    Transformers' own way of it asks for training mode, in which there is dropout.
    """
    for block in blocks:
        block.forward = partial(checkpointed, _unwarned(block.forward), use_reentrant=False)


def _unwarned(forward: Callable[..., Any]) -> Callable[..., Any]:
    def quiet(*args: Any, **kwargs: Any) -> Any:
        with unwarned_of_masks():
            return forward(*args, **kwargs)

    return quiet


@contextmanager
def unwarned_of_masks() -> Iterator[None]:
    """Hold back the warning that WavLM gives torch a float bias and a bool mask."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
        yield


def _fill(weights: Weights, tensors: dict[str, Tensor]) -> tuple[Any, dict[str, Any]]:
    """Return the encoder and transformers' report of what it did not find."""
    from transformers import MODEL_MAPPING, AutoConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    try:
        # no code of the folder's own, nor a question about it
        config = AutoConfig.from_pretrained(
            weights.folder, local_files_only=True, trust_remote_code=False
        )
        whisper = config.model_type == "whisper"
        kind: Any = WhisperEncoder if whisper else MODEL_MAPPING[type(config)]
        _require_enough(weights, kind, config, tensors)
        filled: tuple[Any, dict[str, Any]] = kind.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            key_mapping=WHISPER_PREFIX if whisper else None,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except SerbenchError:
        raise
    except Exception as error:  # what config.json says reaches all of transformers
        msg = (
            f"weights '{weights.name}': transformers cannot build what config.json says: "
            f"{brief(error)}"
        )
        raise SerbenchError(msg) from error
    return filled


def _require_layers(weights: Weights, tensors: int) -> None:
    """Refuse settings that ask for more layers than there are tensors to fill them."""
    for key, value in weights.settings().items():
        count = len(value) if isinstance(value, list) else value if key.endswith("layers") else 0
        if isinstance(count, int) and not 0 <= count <= max(tensors, _LAYERS):
            msg = (
                f"weights '{weights.name}': config.json has {count:,} {key}, but the files have "
                f"{tensors:,} tensors in all; they do not belong together"
            )
            raise SerbenchError(msg)


def _require_enough(weights: Weights, kind: Any, config: Any, tensors: dict[str, Tensor]) -> None:
    """Refuse an encoder of more numbers than the files have, before memory is taken for it."""
    with torch.device("meta"):
        described = kind(config).named_parameters()
    needed = sum(value.numel() for name, value in described if not name.startswith(UNUSED))
    there = sum(value.numel() for value in tensors.values())
    if needed - there > _SPARE:
        msg = (
            f"weights '{weights.name}' do not fill the encoder that their config.json describes: "
            f"{needed:,} numbers are needed, {there:,} are there; the files are cut short or of "
            "another model"
        )
        raise SerbenchError(msg)


def _require_whole(weights: Weights, report: dict[str, Any]) -> None:
    """Refuse an encoder that the file did not fill; `ignore_mismatched_sizes` only reports."""
    missing = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    names = sorted(key for key in missing if not key.startswith(UNUSED))
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        msg = (
            f"weights '{weights.name}' do not fill the encoder that their config.json describes: "
            f"{len(names)} tensors are missing or of another size ({shown}); the files are cut "
            "short or of another model"
        )
        raise SerbenchError(msg)


def _require_all_used(weights: Weights, report: dict[str, Any]) -> None:
    """Refuse an encoder of fewer layers than the files have: its last one would be another."""
    names = sorted(key for key in report["unexpected_keys"] if _LAYER.search(key))
    if names:
        msg = (
            f"weights '{weights.name}' have more layers than their config.json says: {names[0]} "
            "has no place in the encoder; give the config.json that came with them"
        )
        raise SerbenchError(msg)


def _read(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            bound_header(file)
            return load_file(file)
        return _only_tensors(read_pickled(file))
    except SafetensorError as error:
        msg = f"{file} is not a whole safetensors file ({error}); fetch it again"
        raise SerbenchError(msg) from error
    except SerbenchError:
        raise
    except Exception as error:  # a bad pickle can end in an error of any kind
        msg = f"{file} is not a PyTorch file of tensors and nothing else; convert it to safetensors"
        raise SerbenchError(msg) from error


def _only_tensors(content: Any) -> dict[str, Tensor]:
    tensors = dict(content)
    if not all(isinstance(value, Tensor) for value in tensors.values()):
        raise TypeError
    return tensors


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back transformers' report and progress bar of loading, and nothing else."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    hook = logging.set_tqdm_hook(lambda bar, args, kwargs: bar(*args, **kwargs | {"disable": True}))
    logging.set_verbosity(ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.set_tqdm_hook(hook)
