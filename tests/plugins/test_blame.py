"""An exception in somebody's plugin: one sentence says where, with what; a file keeps the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from serbench import FeatureExtractor, plugins
from serbench.plugins.blame import PluginError

HEAD = """
from torch import nn
from helper import shrink
from serbench.downstreams import Downstream

class Head(Downstream):
    def __init__(self, dim):
        super().__init__()
        self.embedding_dim = dim

    def forward(self, frames, lengths, speakers):
        return shrink(frames)

def make(dim, *, width: int = 3):
    if width > 3:
        raise KeyError("width")
    return Head(dim)
"""


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> plugins.Plugin:
    """Return a head that fails in a file beside it."""
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.py").write_text(HEAD)
    (tmp_path / "helper.py").write_text("def shrink(frames):\n    return frames.view(7)\n")
    return plugins.find("downstreams", str(tmp_path / "mine.py"))


def test_the_sentence_names_plugin_file_line_and_what_it_was_given(
    head: plugins.Plugin, tmp_path: Path
) -> None:
    made = plugins.make(head, 4, options={})
    given = torch.zeros(2, 3, 4), torch.tensor([3, 1]), torch.tensor([0, 0])
    with pytest.raises(PluginError) as caught, plugins.blamed(head):
        made(*given)
    said = str(caught.value)
    assert said.startswith("downstream 'mine' ends in RuntimeError: shape '[7]' is invalid")
    assert f"({tmp_path / 'helper.py'} line 2, in shrink)" in said
    assert "forward was given frames = torch.float32 (2, 3, 4), lengths = torch.int64 (2,)" in said
    log = Path(re.search(r"traceback: (.*\.log)$", said)[1])
    assert log.is_relative_to(tmp_path / "home" / "logs")
    assert "Traceback (most recent call last)" in log.read_text()
    assert len(said.splitlines()) == 1


def test_making_and_importing_are_blamed_as_well(head: plugins.Plugin, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"KeyError: 'width'.*make was given dim = 4, width = 9"):
        plugins.make(head, 4, options={"width": 9})
    (tmp_path / "helper.py").write_text("import sys\nsys.exit('no')\n")
    broken = plugins.find("downstreams", str(tmp_path / "mine.py"))
    with pytest.raises(PluginError, match=r"SystemExit: no \(.*helper.py line 2\)"):
        plugins.make(broken, 4, options={})


def test_an_error_of_somebody_else_is_left_as_it_is(head: plugins.Plugin) -> None:
    with pytest.raises(ZeroDivisionError), plugins.blamed(head):
        1 / 0  # noqa: B018


def test_a_home_that_cannot_be_written_costs_the_log_alone(
    head: plugins.Plugin, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(PluginError, match=r"width = 9$"):
        plugins.make(head, 4, options={"width": 9})


def test_a_feature_extractor_blames_too(tmp_path: Path) -> None:
    path = tmp_path / "deaf.py"
    path.write_text(
        "from serbench.upstreams import Upstream\nclass Deaf(Upstream):\n"
        "    sample_rate, depth, dim = 16000, 1, 1\n    def frames(self, samples):\n"
        "        return samples // 320\n    def forward(self, clips):\n        raise OSError(5)\n"
        "def make():\n    return Deaf()\n"
    )
    with pytest.raises(PluginError, match=r"'deaf' ends in OSError: 5 .*clips = Clips\(waves \["):
        FeatureExtractor(str(path), rate=16000).means([torch.randn(3200).numpy()])
