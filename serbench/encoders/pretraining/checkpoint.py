"""The state of a training run in one file, replaced whole, without pickle."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn
from torch.optim import Optimizer

from serbench.encoders.tensors import keep_tensors, read_tensors
from serbench.errors import SerbenchError

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Reached:
    """How far training is.

    Attributes:
        update: done.
        epoch: under way, from 0.
        taken: batches of this epoch.
        best: lowest validation loss so far.
        seconds: spent in updates and validations, over all resumptions.
        samples: of audio in all updates.
        log: lines of what was told on the way, as JSON.
    """

    update: int = 0
    epoch: int = 0
    taken: int = 0
    best: float = math.inf
    seconds: float = 0.0
    samples: int = 0
    log: list[str] = field(default_factory=list)


def save(
    path: Path, model: nn.Module, optimizer: Optimizer, reached: Reached, settings: str
) -> None:
    """Write model, optimiser and how far they are.

    Args:
        path: replaced.
        model: all of it is kept.
        optimizer: Adam over the model's parameters.
        reached: how far training is.
        settings: digest of the settings; `load` asks for the same.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= moments_of(model, optimizer)
    keep_tensors(path, tensors, {"reached": json.dumps(asdict(reached)), "settings": settings})


def load(path: Path, model: nn.Module, optimizer: Optimizer, settings: str) -> Reached:
    """Fill model and optimiser with what `save` wrote and return how far they are.

    Raises:
        SerbenchError: the file was made with other settings.
    """
    tensors = read_tensors(path)
    with safe_open(path, "pt") as file:
        about = file.metadata()
    if about["settings"] != settings:
        raise SerbenchError(
            f"{path} was made with other settings; give those again, or another folder"
        )
    model.load_state_dict(
        {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
    )
    fill_moments(model, optimizer, tensors)
    return Reached(**json.loads(about["reached"]))


def moments_of(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Return what Adam knows of the parameters of a model, by names that `fill_moments` takes."""
    return {
        f"{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def fill_moments(model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser back what `moments_of` found; other tensors are left over."""
    for name, parameter in model.named_parameters():
        for key in _MOMENTS:
            if (value := tensors.get(f"{key}.{name}")) is not None:
                optimizer.state[parameter][key] = value.to(parameter.device)
