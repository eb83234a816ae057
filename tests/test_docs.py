"""The pages that people copy from are run as they stand, and so are the examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from serbench import checks, plugins
from serbench.progress import Silent
from serbench.runs.corpus import prepare

from .conftest import ROOT, copy_me

CONTRACTS = [f"serbench.{kind}" for kind in plugins.KINDS]
EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "serbench").rglob("*.py"))
    if ">>> " in path.read_text()
]


def run_examples(module: str) -> dict[str, Any]:
    """Run the examples of a module, which must hold; return the names that they define."""
    names: dict[str, Any] = {}
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(module)):
        runner.run(test, clear_globs=False)
        names |= test.globs
    assert runner.tries > 0
    assert runner.failures == 0
    return names


@pytest.mark.parametrize("module", sorted({*EXAMPLES, *CONTRACTS, "serbench.scoring.metrics"}))
def test_the_examples_hold(module: str) -> None:
    run_examples(module)


def test_the_examples_of_contracts_keep_them() -> None:
    assert checks.check_upstream(run_examples("serbench.upstreams")["Peaks"]()) == []
    assert checks.check_downstream(run_examples("serbench.downstreams")["Mean"]) == []


def test_the_benchmark_to_copy_passes_its_audit(tmp_path: Path, my_corpus: Path) -> None:
    path = tmp_path / "my_corpus.py"
    path.write_text(copy_me("benchmark"))
    made = plugins.make(plugins.find("benchmarks", str(path)), options={})
    protocol = next(iter(made.protocols.values()))()
    prepared = prepare(made, protocol, data=my_corpus, leave_out_broken=False, progress=Silent())
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
