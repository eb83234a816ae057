"""The pages that people copy from are run as they stand, and so are the examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
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
