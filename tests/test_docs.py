"""The pages that people copy from are run as they stand."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from serbench import checks, plugins
from serbench.progress import Silent
from serbench.runs.corpus import prepare

from .conftest import ROOT, copy_me


@pytest.fixture
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the path of a copy-me file of CONTRIBUTING.md, written out."""
    path = tmp_path / f"my_{request.param}.py"
    path.write_text(copy_me(request.param))
    return str(path)


@pytest.mark.parametrize("copied", ["upstream"], indirect=True)
def test_the_upstream_to_copy_keeps_the_contract(copied: str) -> None:
    plugin = plugins.find("upstreams", copied)
    assert checks.check_upstream(plugins.make(plugin, options={})) == []


@pytest.mark.parametrize("copied", ["downstream"], indirect=True)
def test_the_downstream_to_copy_keeps_the_contract(copied: str) -> None:
    plugin = plugins.find("downstreams", copied)
    make = lambda dim: plugins.make(plugin, dim, options={})  # noqa: E731
    assert checks.check_downstream(make) == []


@pytest.mark.parametrize("copied", ["benchmark"], indirect=True)
def test_the_benchmark_to_copy_passes_its_audit(copied: str, tmp_path: Path) -> None:
    wav = tmp_path / "data" / "my-corpus" / "wav"
    wav.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for speaker in ("f01", "f02", "f03", "m01", "m02", "m03"):
        for sentence in range(3):
            for emotion in "AN":
                name = f"{speaker}_{sentence:02d}_{emotion}.wav"
                soundfile.write(wav / name, rng.normal(0, 0.1, 8000), 16000)
    made = plugins.make(plugins.find("benchmarks", copied), options={})
    protocol = next(iter(made.protocols.values()))()
    prepared = prepare(
        made, protocol, data=tmp_path / "data", leave_out_broken=False, progress=Silent()
    )
    assert len(prepared.table) == 36
    assert [len(fold.test) for fold in prepared.folds] == [12, 12, 12]


def examples(page: str, language: str) -> list[str]:
    """Return the code blocks of a page that are in a language."""
    found = re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert found, f"{page} has no block of {language}"
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_examples_in_python_run_one_after_the_other(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    names: dict[str, Any] = {}
    for number, block in enumerate(examples(page, "python"), 1):
        exec(compile(block, f"{page}, example {number}", "exec"), names)
    assert names["outcome"].path.is_relative_to("results")
    assert names["outcome"].result.digest in set(names["scores"]["digest"])


def test_examples_of_metrics_give_what_they_show() -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    for block in examples("docs/python.md", "pycon"):
        runner.run(parser.get_doctest(block, {}, "docs/python.md", None, 0))
    assert runner.summarize().failed == 0
    assert runner.summarize().attempted == 5
