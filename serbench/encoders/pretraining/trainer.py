"""The loop that trains every encoder: updates, validation, checkpoints, resume, logs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from serbench import ranks
from serbench.devices import forked, reseed
from serbench.durable import drop, usable
from serbench.encoders.pretraining import checkpoint
from serbench.encoders.pretraining.checkpoint import Reached
from serbench.encoders.pretraining.schedule import Settings, mix
from serbench.encoders.tensors import keep_tensors, read_tensors
from serbench.errors import SerbenchError
from serbench.progress import Progress, Silent, Step
from serbench.sharing import Shared

_LOG_EVERY = 20  # updates
_RATE = 16_000  # Hz, of all these encoders


class Outcome(NamedTuple):
    """What a model makes of a batch.

    objective: () what is minimised.
    report: () each, what is logged; losses are in nats.
    weight: how many predictions the report is a mean over.
    """

    objective: Tensor
    report: dict[str, Tensor]
    weight: int


class Source(Protocol):
    """Batches in a reproducible order; a batch is a named tuple of tensors, waves first."""

    def epoch(self, number: int) -> Sequence[Any]:
        """Return what identifies each batch of an epoch, always the same for the same number."""

    def batch(self, cut: Any, generator: torch.Generator) -> Any:
        """Load a batch; all chance in it comes from the generator."""


class _Updating:
    """What each of several processes does: a row of what its share of a batch comes to."""

    def __init__(self, model: nn.Module) -> None:
        self.module = model
        self.names: list[str] = []

    def __call__(self, batch: Any) -> tuple[Tensor]:
        """Return (1, 2 + report): weight, objective and report."""
        objective, report, weight = cast(Outcome, self.module(batch))
        self.names = [*report]
        values = [objective.new_tensor(weight), objective, *report.values()]
        return (torch.stack([each.float() for each in values])[None],)

    def outcome(self, rows: Tensor) -> Outcome:
        """Return what the whole batch comes to: the mean of its shares, each by its weight."""
        weights = rows[:, 0].detach()
        objective, *report = (rows[:, 1:] * (weights / weights.sum())[:, None]).sum(0).unbind()
        return Outcome(objective, dict(zip(self.names, report, strict=True)), int(weights.sum()))


class Trainer:
    """Trains one model in one folder.

    The folder holds `state.safetensors` (model, optimiser, what is reached; replaced at once, so
    that a kill leaves the last whole one), `best.safetensors` (the model with the lowest validation
    loss) and `log.jsonl`. A resumed run ends with the same weights, bit for bit on a CPU with
    as many threads. If one of the first two is damaged, the work begins anew.

    Attributes:
        model: under training; after `run` it is the best one.
        reached: how far it is.
    """

    def __init__(
        self,
        model: nn.Module,
        train: Source,
        valid: Source,
        settings: Settings,
        folder: Path,
        *,
        loss: str,
        progress: Progress | None = None,
    ) -> None:
        """Prepare, and take up where the folder says the work stopped.

        Args:
            model: its forward takes a batch and gives an `Outcome`.
            train: batches to learn from.
            valid: its epoch 0 is the validation set, with the same masks and negatives each time.
            settings: how to train.
            folder: made if need be; a state in it is resumed.
            loss: the entry of the report by which the best model is chosen.
            progress: where losses are shown.

        Raises:
            SerbenchError: the folder's state was made with other settings.
        """
        self.model = model.to(settings.device)
        self.train, self.valid, self.settings, self.folder = train, valid, settings, folder
        self.loss, self.progress = loss, progress or Silent()
        self.reached = Reached()
        self._updating = _Updating(self.model)
        group = ranks.here()
        self._shared = None if group is None else Shared(group, self._updating)
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        self._optimizer = kind(
            self._parameters,
            betas=settings.betas,
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self._resume()

    def run(self) -> dict[str, float]:
        """Train to the end, take the model with the best validation loss, return its validation.

        Raises:
            SerbenchError: a loss or gradient that is no number; the last checkpoint is kept.
        """
        with (
            forked(self.settings.device),
            self.progress.step("pre-training", self.settings.updates) as step,
        ):
            step.advance(self.reached.update)
            self._loop(step)
        self.model.load_state_dict(read_tensors(self._best))
        return self.validate()

    def validate(self) -> dict[str, float]:
        """Return the report over the validation batches, each weighted by its predictions."""
        self.model.eval()
        sums: dict[str, float] = {}
        total = 0
        for number, cut in enumerate(self.valid.epoch(0)):
            generator = torch.Generator().manual_seed(mix(self.settings.seed, -1 - number))
            with torch.inference_mode():
                outcome = self._outcome(self.valid.batch(cut, generator))
            for name, value in outcome.report.items():
                sums[name] = sums.get(name, 0.0) + float(value) * outcome.weight
            total += outcome.weight
        return {name: value / total for name, value in sums.items()}

    def _loop(self, step: Step) -> None:
        if math.isinf(self.reached.best):
            self._select()
            self._save()
        saved = time.monotonic()
        while self.reached.update < self.settings.updates:
            for cut in self.train.epoch(self.reached.epoch)[self.reached.taken :]:
                self._update(cut, step)
                if time.monotonic() - saved > 60 * self.settings.checkpoint_minutes:
                    self._save()
                    saved = time.monotonic()
                if self.reached.update == self.settings.updates:
                    break
            else:
                self.reached.epoch, self.reached.taken = self.reached.epoch + 1, 0
        self._save()

    def _update(self, cut: Any, step: Step) -> None:
        began = time.monotonic()
        number = self.reached.update + 1
        seed = mix(self.settings.seed, number)
        batch = self.train.batch(cut, torch.Generator().manual_seed(seed))
        reseed(seed, self.settings.device)  # of dropout; `run` has forked the generators
        self.model.train()
        outcome = self._outcome(batch, seed)
        norm = self._descend(outcome.objective, number)
        self.reached.update, self.reached.taken = number, self.reached.taken + 1
        self.reached.seconds += time.monotonic() - began
        self.reached.samples += batch[0].numel()
        self._tell(outcome, norm, step)

    def _outcome(self, batch: Any, seed: int | None = None) -> Outcome:
        moved = type(batch)(*(value.to(self.settings.device) for value in batch))
        kind = torch.device(self.settings.device).type
        precision: AbstractContextManager[Any] = torch.autocast(
            kind, torch.bfloat16, enabled=self.settings.bf16
        )
        with precision:
            if self._shared is None:
                return cast(Outcome, self.model(moved))
            (rows,) = self._shared(moved, seed)
        return self._updating.outcome(rows)

    def _descend(self, objective: Tensor, number: int) -> float:
        """Make one step and return the gradient's norm; refuse one that is no number."""
        self._optimizer.zero_grad()
        objective.backward()  # type: ignore[no-untyped-call]
        if self._shared is not None:
            self._shared.backward()
        norm = float(nn.utils.clip_grad_norm_(self._parameters, self.settings.clip_norm))
        if not torch.isfinite(objective.detach() + norm):
            raise SerbenchError(
                f"update {number}: loss {float(objective.detach())}, gradient norm {norm}; "
                f"the last good state is kept in {self.folder / 'state.safetensors'}; try a lower "
                "peak learning rate in another folder"
            )
        for group in self._optimizer.param_groups:
            group["lr"] = self.settings.rate(number)
        self._optimizer.step()
        return norm

    def _tell(self, outcome: Outcome, norm: float, step: Step) -> None:
        step.advance()
        update = self.reached.update
        if update % _LOG_EVERY == 0:
            losses = {name: float(value.detach()) for name, value in outcome.report.items()}
            rate = self.settings.rate(update)
            self._log("train", losses | {"gradient_norm": norm, "learning_rate": rate})
            step.note(f"{self.loss} {losses[self.loss]:.3f} nats")
        if update % self.settings.validate_every == 0 or update == self.settings.updates:
            self._select()

    def _select(self) -> None:
        """Validate, and keep the model if it is the best so far."""
        began = time.monotonic()
        report = self.validate()
        self.reached.seconds += time.monotonic() - began
        self._log("valid", report)
        if report[self.loss] < self.reached.best:
            self.reached.best = report[self.loss]
            keep_tensors(self._best, self.model.state_dict())

    def _log(self, kind: str, values: dict[str, float]) -> None:
        where = {"kind": kind, "update": self.reached.update, "epoch": self.reached.epoch}
        line = where | {"seconds": round(self.reached.seconds, 1)}
        line |= {"hours": self.reached.samples / _RATE / 3600}
        line |= {name: float(f"{value:.6g}") for name, value in values.items()}
        self.reached.log.append(json.dumps(line) + "\n")
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(self.reached.log[-1])

    def _save(self) -> None:
        path = self.folder / "state.safetensors"
        checkpoint.save(path, self.model, self._optimizer, self.reached, self.settings.digest)

    def _resume(self) -> None:
        """Take up the folder's state, and drop the log of updates that will be made again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path, tell = self.folder / "state.safetensors", self.progress.tell
        if usable(path, "state in", tell, read_tensors) and usable(
            self._best, "best model in", tell, read_tensors
        ):
            digest = self.settings.digest
            self.reached = checkpoint.load(path, self.model, self._optimizer, digest)
        else:
            drop(path)  # the state goes with its best model
        (self.folder / "log.jsonl").write_text("".join(self.reached.log))

    @property
    def _best(self) -> Path:
        return self.folder / "best.safetensors"
