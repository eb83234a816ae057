"""A training under way: the system, its rates and its randomness, which a killed one takes up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from serbench.encoders.pretraining.checkpoint import fill_moments, moments_of
from serbench.encoders.tensors import keep_tensors, read_tensors
from serbench.training.learning import Learner, Pass
from serbench.training.optimizing import schedule
from serbench.training.system import System

_LAST = "last.safetensors"
_SYSTEM = "system."
_RANDOM = "random."


@dataclass
class _Clock:
    """The time of a training, of all its rates and its refit; moments are by `monotonic`.

    Attributes:
        began: when it would have begun, had it never been stopped.
        kept: when something of it was kept last.
        unkept: seconds of what ended and was not kept.
    """

    began: float
    kept: float
    unkept: float = 0.0


class Keeping(NamedTuple):
    """Where a training under way is kept: one that was killed goes on from there.

    Attributes:
        folder: of its files.
        every: seconds that have gone by, at least, before it is kept again; 0: after each epoch.
        clock: of all that is kept in there.
    """

    folder: Path
    every: float
    clock: _Clock

    @classmethod
    def of(cls, folder: Path, every: float = 0.0) -> Keeping:
        """Keep a training in a folder, which may hold what was kept of it before."""
        known = (_about(file).get("seconds", 0.0) for file in folder.rglob(f"*{_LAST}"))
        now = monotonic()
        return cls(folder, every, _Clock(now - max(known, default=0.0), now))

    @property
    def seconds(self) -> float:
        """How long it took so far; what a killed one did not keep is not in it."""
        return monotonic() - self.clock.began


class Course:
    """What goes from epoch to epoch; inside `seeded`, as it holds torch's random state.

    Args:
        learner: what is learnt.
        rate: of the head.
        make_system: makes a new one, from torch's generator.
        keeping: where it is kept between two epochs, and taken up if it is there; None: nowhere.
        name: of what else is kept there.

    Attributes:
        system: as it is now.
        known: what was kept with it, if it was taken up; else empty.
    """

    def __init__(
        self,
        learner: Learner,
        rate: float,
        make_system: Callable[[], System],
        keeping: Keeping | None = None,
        name: str = "",
    ) -> None:
        self.learner, self.keeping = learner, keeping
        self.file = file = keeping and keeping.folder / f"{name}{_LAST}"
        self._began = monotonic()
        trial = learner.trial
        kept = file is not None and file.exists()
        self.system = learner.empty(make_system) if kept else learner.start(make_system)
        updates = learner.updates * trial.training.epochs
        self.rates = schedule(self.system, rate, trial.training, updates)
        self.shuffle = np.random.default_rng(trial.seed)
        self.known: dict[str, Any] = self._take_up(file) if file is not None and kept else {}

    def epoch(self) -> Pass:
        """Make one pass over the training part."""
        return self.learner.learn(self.system, self.rates, self.shuffle)

    @property
    def due(self) -> bool:
        """Whether it is to be kept now."""
        keeping = self.keeping
        return keeping is not None and monotonic() - keeping.clock.kept >= keeping.every

    @property
    def worth_keeping(self) -> bool:
        """Whether its end is to be kept: not where all that was trained so far is short."""
        keeping, file = self.keeping, self.file
        if keeping is None or file is None:
            return False
        return file.exists() or keeping.seconds >= keeping.every

    def end_unkept(self) -> None:
        """Leave the time that it took out of what is kept later: it will be made again."""
        if self.keeping is not None:
            self.keeping.clock.unkept += monotonic() - self._began

    def keep(self, known: Mapping[str, Any], *, over: bool = False) -> None:
        """Write how far it is.

        Args:
            known: what else is known of it, as JSON values.
            over: it does not go on, so only `known` is written.
        """
        assert self.keeping is not None
        assert self.file is not None
        about = {
            "seconds": self.keeping.seconds - self.keeping.clock.unkept,
            "known": known,
            "over": over,
            "shuffle": self.shuffle.bit_generator.state,
            "rates": [self.rates.last_epoch, self.rates.get_last_lr()],
        }
        keep_tensors(self.file, {} if over else self._tensors(), {"about": json.dumps(about)})
        self.keeping.clock.kept = monotonic()

    def _tensors(self) -> dict[str, Tensor]:
        state = state_of(self.system)
        return {
            **{f"{_SYSTEM}{name}": value for name, value in state.items()},
            **moments_of(self.system, self.rates.optimizer),
            **{f"{_RANDOM}{name}": value for name, value in self._random().items()},
        }

    def _random(self) -> dict[str, Tensor]:
        found = {"cpu": torch.get_rng_state()}
        if self.learner.trial.device.type == "cuda":
            found["cuda"] = torch.cuda.get_rng_state(self.learner.trial.device)
        return found

    def _take_up(self, file: Path) -> dict[str, Any]:
        """Go back to where it was; return what else was known."""
        about = _about(file)
        known: dict[str, Any] = about["known"]
        if about["over"]:
            return known
        tensors = read_tensors(file)
        own = {n: tensors[n] for n in tensors if n.startswith(_SYSTEM)}
        self.system.load_state_dict({n.removeprefix(_SYSTEM): v for n, v in own.items()})
        fill_moments(self.system, self.rates.optimizer, tensors)
        self.rates.last_epoch, rates = about["rates"]
        self.rates._last_lr = rates
        for group, rate in zip(self.rates.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.shuffle.bit_generator.state = about["shuffle"]
        torch.set_rng_state(tensors[f"{_RANDOM}cpu"])
        if self.learner.trial.device.type == "cuda":
            torch.cuda.set_rng_state(tensors[f"{_RANDOM}cuda"], self.learner.trial.device)
        return known


def state_of(system: System) -> dict[str, Tensor]:
    """Return a copy of a system's parameters and buffers on the CPU."""
    return {n: v.detach().to("cpu", copy=True) for n, v in system.state_dict().items()}


def _about(file: Path) -> dict[str, Any]:
    """Return what was kept beside tensors."""
    with safe_open(file, "pt") as opened:
        about: dict[str, Any] = json.loads(opened.metadata()["about"])
    return about
