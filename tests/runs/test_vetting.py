"""A run checks code that it has not seen, and refuses what gives other numbers than it should."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import serbench
from serbench import plugins
from serbench.benchmarks import Regression
from serbench.checks import check_plugin
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs.postprocessing import made_of
from serbench.runs.recipe import resolve
from serbench.vetting.elsewhere import _compared
from serbench.vetting.vet import vet

ENCODER = """
import torch
from torch import nn
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream, stack

class Mine(Upstream):
    sample_rate, depth, dim = 16_000, 1, 4

    def __init__(self):
        super().__init__()
        self.weight = torch.ones(320, 4)
        self.seen = 0.0

    def frames(self, samples):
        return samples // 320

    def forward(self, clips):
        FORWARD
        return stack([self.encode(wave) for wave in clips.waves])

    def encode(self, wave):
        frames = self.frames(len(wave))
        return (wave[: frames * 320].view(frames, 320) @ self.weight)[None]

def make(*, width: int = 4):
    made = Mine()
    MAKE
    return made
"""
BAD = {
    "random": ("clips = clips._replace(waves=[w + torch.rand(1) for w in clips.waves])", ""),
    "state": (
        "self.seen += 1; clips = clips._replace(waves=[w * self.seen for w in clips.waves])",
        "",
    ),
    "first clip": (
        "self.seen = self.seen or float(clips.waves[0].std())\n"
        "        clips = clips._replace(waves=[w / self.seen for w in clips.waves])",
        "",
    ),
    "padding": (
        "most = max(map(len, clips.waves))\n"
        "        clips = clips._replace(waves=[w * len(w) / most for w in clips.waves])",
        "",
    ),
    "unseeded": ("pass", "made.weight = torch.randn(320, 4)"),
}
SAID = {
    "random": "the same clips have other features the second time",
    "state": "the same clips have other features the second time",
    "first clip": "made a second time, and after other clips, it gives other features",
    "padding": "differs from itself alone by",
    "unseeded": "made a second time, and after other clips, it gives other features",
}

HEAD = """
import torch
from torch import nn
from serbench.downstreams import Downstream

TRAINING = TABLE

class Head(Downstream):
    def __init__(self, dim):
        super().__init__()
        self.embedding_dim = dim
        self.project = nn.Linear(dim, dim)

    def forward(self, frames, lengths, speakers):
        means = frames.sum(1) / lengths[:, None]
        return self.project(means BATCH)

def make(dim):
    return Head(dim)
"""

STEP = """
import numpy as np
from serbench.postprocessors import PostProcessor

class Step(PostProcessor):
    serves = frozenset({"regression"})
    known = 0.0

    def correct(self, predicted, evidence):
        values = predicted.values
        BODY
        return values + self.known

def make():
    return Step()
"""
BAD_STEPS = {
    "values = values + np.random.rand()": "corrected differently the second time",
    "self.known += 1.0": "corrected differently the second time",
    "self.known = self.known or evidence.train.truths.mean()": "after another fold",
    "values = values + values[:1]": "depends on the order of the utterances",
    "values += 1.0": "changes what it is given; work on copies",
    "values = values[1:]": r"must return an array of shape \(48, 3\)",
    "values = values * np.inf": "corrected values are not finite",
    "values = values + {}": r"correcting ends in TypeError: .*/step\.py line 11, in correct\)",
}


def encoder(folder: Path, forward: str = "pass", make: str = "") -> str:
    """Write an upstream; it lets clips that are too short pass, which changes no number."""
    path = folder / "mine.py"
    path.write_text(ENCODER.replace("FORWARD", forward).replace("MAKE", make or "pass"))
    return str(path)


def head(folder: Path, table: str = "{}", batch: str = "") -> str:
    """Write a downstream."""
    path = folder / "head.py"
    path.write_text(HEAD.replace("TABLE", table).replace("BATCH", batch))
    return str(path)


@pytest.mark.parametrize("fault", BAD)
def test_an_upstream_that_depends_on_more_than_the_clip_is_not_run(
    fault: str, tmp_path: Path
) -> None:
    path = encoder(tmp_path, *BAD[fault])
    with pytest.raises(SerbenchError, match=f"upstream 'mine' is not run: .*{SAID[fault]}"):
        serbench.run(upstream=path, downstream="mean_pool", results=tmp_path / "results")
    assert any(SAID[fault] in said for said in check_plugin("upstreams", path, {}))


def test_a_head_that_depends_on_its_batch_is_not_run(tmp_path: Path) -> None:
    path = head(tmp_path, batch="- means.mean(0)")
    with pytest.raises(SerbenchError, match=r"downstream 'head' is not run: .*padding must not"):
        serbench.run(upstream="fbank", downstream=path, results=tmp_path / "results")


def step(folder: Path, body: str = "pass") -> str:
    """Write a post-processor."""
    path = folder / "step.py"
    path.write_text(STEP.replace("BODY", body))
    return str(path)


@pytest.mark.parametrize("body", BAD_STEPS)
def test_a_step_that_depends_on_more_than_it_is_given_corrects_nothing(
    body: str, tmp_path: Path
) -> None:
    """What a step remembers of another fold may be truths of those whom it corrects now."""
    path, said = step(tmp_path, body), BAD_STEPS[body]
    made = resolve({"upstream": "fbank", "downstream": "mlp", "postprocess": path})
    told = f"post-processor 'step' is not run: regression: .*{said}"
    with pytest.raises(SerbenchError, match=told):
        made_of(made.postprocess, Regression(("arousal",), 1, 5))
    assert any(re.search(said, each) for each in check_plugin("postprocessors", path, {}))


class Told(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


def vetted(path: str, kind: plugins.Kind = "upstreams", device: str = "cpu") -> list[str]:
    """Return what a run tells of checking a plugin."""
    key = "postprocess" if kind == "postprocessors" else kind[:-1]
    made, told = resolve({"upstream": "fbank", "downstream": "mlp", key: path}), Told()
    (part, *_) = {"upstreams": made.upstreams, "downstreams": [made.downstream]}.get(
        kind, made.postprocess
    )
    vet(plugins.find(kind, path), part.identity(), part.options, told, device)
    return told.lines


def test_sound_code_is_checked_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    new = ["upstream 'mine' is checked on cpu, as its code is new here"]
    path = encoder(tmp_path)
    assert [vetted(path), vetted(path)] == [new, []]
    assert vetted(encoder(tmp_path, "self.seen = 0.0")) == new
    assert vetted("fbank") == []
    assert vetted(head(tmp_path), "downstreams") != []
    told = [vetted(step(tmp_path), "postprocessors") for _ in range(2)]
    assert told == [["post-processor 'step' is checked on cpu, as its code is new here"], []]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that CUDA can use here")
def test_code_is_checked_on_the_device_of_the_run(tmp_path: Path) -> None:
    """Its weight is no parameter and no buffer, so that it stays on the CPU."""
    path = encoder(tmp_path)
    vetted(path)
    with pytest.raises(SerbenchError, match=r"upstream 'mine' is not run: .*same device"):
        vetted(path, device="cuda")
    assert vetted(head(tmp_path), "downstreams", "cuda") != []


@pytest.mark.parametrize(
    ("kind", "fault", "said"),
    [
        (
            "upstreams",
            "made.weight = torch.randn(320, 4, generator=torch.Generator().manual_seed("
            "hash('mine') % 2**31))",
            "in another process it gives other numbers",
        ),
        ("downstreams", "+ hash('mine') % 1000", "in another process it gives other numbers"),
        (
            "upstreams",
            "import runpy; made.weight *= runpy.run_path("
            "__file__.replace('mine.py', 'late.py'))['SIZE']",
            "it runs late.py, which does not count as its code",
        ),
    ],
)
def test_code_that_differs_between_processes_or_is_not_counted_is_not_run(
    kind: plugins.Kind, fault: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "late.py").write_text("SIZE = 2.0\n")
    write = {"upstreams": lambda: encoder(tmp_path, make=fault)}
    path = write.get(kind, lambda: head(tmp_path, batch=fault))()
    with pytest.raises(SerbenchError, match=f"is not run: {said}"):
        vetted(path, kind)


def test_code_that_changes_under_a_run_stops_it(tmp_path: Path) -> None:
    from serbench.runs.plugin_part import plugin_of

    made = resolve({"upstream": encoder(tmp_path), "downstream": "mlp"}).upstreams[0]
    assert plugin_of("upstreams", made).code == made.code
    encoder(tmp_path, "self.seen = 2")
    with pytest.raises(SerbenchError, match="has changed since this run began; start again"):
        plugin_of("upstreams", made)


def test_what_changes_no_number_is_for_check_alone(tmp_path: Path) -> None:
    path = encoder(tmp_path)
    vetted(path)
    assert any("raise SerbenchError" in said for said in check_plugin("upstreams", path, {}))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("{'epoch': 3}", "no setting of TRAINING 'epoch'; did you mean 'epochs'?"),
        ("{'epochs': 0}", "TRAINING: 'epochs': Input should be greater than or equal to 1, not 0"),
        ("dict(epochs=3)", "TRAINING is read without importing; write it as a literal"),
    ],
)
def test_what_a_head_recommends_is_checked(table: str, said: str, tmp_path: Path) -> None:
    failures = check_plugin("downstreams", head(tmp_path, table), {})
    assert len(failures) == 1
    assert said in failures[0]


def test_a_failing_plugin_is_a_failed_check(tmp_path: Path) -> None:
    (said,) = check_plugin("upstreams", encoder(tmp_path, make="made.nothing"), {})
    assert "upstream 'mine' ends in AttributeError" in said
    assert re.search(r"mine\.py line \d+, in make", said)
    (said,) = check_plugin("upstreams", encoder(tmp_path, "clips.nothing"), {})
    assert "ends in AttributeError" in said
    assert re.search(r"mine\.py line \d+, in forward\); forward was given clips = ", said)


def test_an_error_that_torch_raises_is_told_of_the_plugin_with_a_log(tmp_path: Path) -> None:
    """The first time, and in a batch as large as those of a run."""
    for many in (0, 6):
        late = f"len(clips.waves) > {many} and nn.Linear(5, 5)(clips.waves[0][:4])"
        with pytest.raises(SerbenchError, match="upstream 'mine' is not run: ") as caught:
            vetted(encoder(tmp_path, late))
        told = re.search(
            r"mine\.py line \d+, in forward\).*; traceback: (\S+\.log)", str(caught.value)
        )
        assert "linear.py" in Path(told[1]).read_text()


@pytest.mark.parametrize("place", [0, 1])
def test_nan_in_another_process_is_another_number_in_whichever_array(place: int) -> None:
    here = [np.ones(3), np.ones(3)]
    there = [each.copy() for each in here]
    assert not _compared(here, there)
    there[place][1] = np.nan
    (said,) = _compared(here, there)
    assert said.startswith("in another process it gives other numbers")
