from __future__ import annotations

import json
import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from serbench.encoders.pretraining.schedule import Settings, mix
from serbench.encoders.pretraining.trainer import Outcome, Trainer
from serbench.encoders.tensors import read_tensors, write_tensors
from serbench.errors import SerbenchError
from serbench.progress import Silent

from ...damage import HARM, cut_short  # noqa: TID252


class Pair(NamedTuple):
    """Inputs (B, 4) and targets (B,)."""

    inputs: Tensor
    targets: Tensor


class Lines:
    """A regression with noise in its inputs; can be broken at a given batch."""

    def __init__(self, batches: int = 7, fault: tuple[int, float | BaseException] | None = None):
        self.batches, self.fault, self.loaded = batches, fault, 0

    def epoch(self, number: int) -> list[int]:
        order = torch.randperm(self.batches, generator=torch.Generator().manual_seed(number))
        return order.tolist()

    def batch(self, cut: int, generator: torch.Generator) -> Pair:
        self.loaded += 1
        clean = torch.randn(16, 4, generator=torch.Generator().manual_seed(cut))
        noisy = clean + 0.1 * torch.randn(16, 4, generator=generator)
        if self.fault is not None and self.loaded == self.fault[0]:
            if isinstance(self.fault[1], BaseException):
                raise self.fault[1]
            noisy = noisy + self.fault[1]
        return Pair(noisy, clean.sum(1))


class Regressor(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 1))

    def forward(self, batch: Pair) -> Outcome:
        loss = (self.layers(batch.inputs)[:, 0] - batch.targets).square().mean()
        return Outcome(loss, {"loss": loss}, len(batch.targets))


class Told(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


def trainer(folder, source=None, progress=None, **options) -> Trainer:
    settings = Settings(**{"updates": 40, "peak": 1e-2, "validate_every": 10} | options)
    return Trainer(
        Regressor(), source or Lines(), Lines(2), settings, folder, loss="loss", progress=progress
    )


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def without_time(log: list[dict]) -> list[dict]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in log]


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(ours, theirs) for ours, theirs in pairs)


@pytest.mark.parametrize("stop", [1, 12, 22, 39])
@pytest.mark.parametrize("minutes", [0.0, 60.0])
def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path, stop, minutes):
    whole = trainer(tmp_path / "whole")
    expected = whole.run()
    broken = Lines(fault=(stop, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "parts", broken, checkpoint_minutes=minutes).run()
    (tmp_path / "parts" / "state.safetensors.new").write_bytes(b"half a file")
    resumed = trainer(tmp_path / "parts", checkpoint_minutes=minutes)
    assert resumed.reached.update == (stop - 1 if minutes == 0 else 0)
    assert resumed.run() == expected
    assert same(whole.model, resumed.model)
    assert without_time(lines(tmp_path / "whole")) == without_time(lines(tmp_path / "parts"))


def test_another_seed_ends_elsewhere(tmp_path):
    first, second = trainer(tmp_path / "0", seed=0), trainer(tmp_path / "1", seed=1)
    first.run()
    second.run()
    assert not same(first.model, second.model)


def test_training_leaves_the_global_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    trainer(tmp_path).run()
    assert torch.equal(before, torch.get_rng_state())


def test_training_on_the_cpu_does_not_seed_gpus(tmp_path, monkeypatch):
    """Not even those of a process that has not used them yet: they would be seeded when it does."""
    made = trainer(tmp_path)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("all are seeded"))
    made.run()


def test_it_learns_and_keeps_the_best(tmp_path):
    run = trainer(tmp_path, updates=300, validate_every=25)
    report = run.run()
    valid = [line["loss"] for line in lines(tmp_path) if line["kind"] == "valid"]
    assert len(valid) == 13
    assert report["loss"] == pytest.approx(min(valid), rel=1e-5)
    assert report["loss"] < 0.3 * valid[0]
    assert run.reached.best == report["loss"]


def test_a_finished_run_is_not_made_again(tmp_path):
    done = trainer(tmp_path)
    expected = done.run()
    source = Lines()
    assert trainer(tmp_path, source).run() == expected
    assert source.loaded == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(tmp_path, value):
    broken = trainer(tmp_path, Lines(fault=(15, value)), checkpoint_minutes=0.0)
    with pytest.raises(SerbenchError, match=r"update 15: loss .*last good state is kept in"):
        broken.run()
    again = trainer(tmp_path, checkpoint_minutes=0.0)
    assert again.reached.update == 14
    assert all(torch.isfinite(value).all() for value in again.model.state_dict().values())
    assert math.isfinite(again.run()["loss"])


def test_other_settings_do_not_resume(tmp_path):
    trainer(tmp_path).run()
    with pytest.raises(SerbenchError, match="made with other settings"):
        trainer(tmp_path, peak=2e-2)


@pytest.mark.parametrize("name", ["state.safetensors", "best.safetensors"])
@pytest.mark.parametrize("how", HARM)
def test_a_training_whose_files_are_damaged_begins_anew_and_ends_the_same(tmp_path, name, how):
    whole = trainer(tmp_path / "whole")
    expected = whole.run()
    with pytest.raises(KeyboardInterrupt):
        stopped = Lines(fault=(25, KeyboardInterrupt()))
        trainer(tmp_path / "parts", stopped, checkpoint_minutes=0.0).run()
    how(tmp_path / "parts" / name)
    told = Told()
    again = trainer(tmp_path / "parts", progress=told)
    assert again.reached.update == 0
    assert told.lines[0].startswith("damaged and made anew: ")
    assert told.lines[0].endswith(f"parts/{name}")
    assert again.run() == expected
    assert same(whole.model, again.model)


def test_half_a_line_of_the_log_is_no_obstacle(tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        stopped = Lines(fault=(35, KeyboardInterrupt()))
        trainer(tmp_path / "parts", stopped, checkpoint_minutes=0.0).run()
    cut_short(tmp_path / "parts" / "log.jsonl")
    trainer(tmp_path / "parts").run()
    assert without_time(lines(tmp_path / "whole")) == without_time(lines(tmp_path / "parts"))


def test_parameters_without_gradient_stay(tmp_path):
    model = Regressor()
    model.layers[0].requires_grad_(False)
    start = model.layers[0].weight.clone()
    settings = Settings(updates=20, peak=1e-2, weight_decay=0.1)
    Trainer(model, Lines(), Lines(2), settings, tmp_path, loss="loss").run()
    assert torch.equal(model.layers[0].weight, start)


def test_the_rate_rises_then_falls_as_transformers_schedule():
    from transformers import get_linear_schedule_with_warmup

    settings = Settings(updates=50, peak=3e-3, warmup=0.1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=3e-3)
    theirs = get_linear_schedule_with_warmup(optimizer, 5, 51)  # 0 only after our last update
    for update in range(1, 51):
        optimizer.step()
        theirs.step()
        assert settings.rate(update) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_seeds_are_all_different():
    assert len({mix(seed, number) for seed in range(20) for number in range(-5, 50)}) == 20 * 55


def test_checkpoints_hold_no_pickle(tmp_path):
    trainer(tmp_path).run()
    names = {path.name for path in tmp_path.glob("[!.]*")}
    assert names == {"state.safetensors", "best.safetensors", "log.jsonl"}
    assert "exp_avg.layers.0.weight" in read_tensors(tmp_path / "state.safetensors")


def test_checkpoints_can_be_read_by_all_who_may_read_new_files(tmp_path):
    (tmp_path / "new").touch()
    write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(2)})
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "new").stat().st_mode
