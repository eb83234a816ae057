"""The names of `serbench`: found late, known to type checkers, and free until they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import serbench

HEAVY = {"torch", "torchaudio", "transformers", "speechbrain", "sklearn", "scipy", "matplotlib"}
NUMBERS = {"numpy", "pandas", "pyarrow", "pydantic", "soundfile", "soxr", "typer", "rich"}
ALL = ", ".join(serbench.__all__)


def imported(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has imported after some code."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", script]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_serbench_alone_costs_nothing() -> None:
    assert not imported("import serbench; dir(serbench)") & (HEAVY | NUMBERS)


@pytest.mark.parametrize(
    "code",
    [
        "from serbench import run, load_results, splitter, concordance_cc, FeatureExtractor",
        f"from serbench import {ALL}",
        "import serbench; serbench.FeatureExtractor('hubert', weights='nano', layers='last')",
        "import serbench; serbench.splitter('speaker_folds', k=5, balance=['gender'])",
        "import serbench; serbench.unweighted_accuracy(['a', 'b'], ['a', 'a'], ['a', 'b'])",
    ],
)
def test_nobody_pays_for_torch_before_it_computes(code: str) -> None:
    assert not imported(code) & HEAVY


def test_results_are_loaded_without_torch(tmp_path: Path) -> None:
    code = f"""
import serbench
try:
    serbench.load_results({str(tmp_path)!r})
except serbench.SerbenchError as error:
    assert "no results" in str(error)
"""
    assert not imported(code) & HEAVY


@pytest.mark.parametrize("name", serbench.__all__)
def test_every_name_is_found_and_documented(name: str) -> None:
    found = getattr(serbench, name)
    assert found.__name__ == name
    assert found.__module__.startswith("serbench.")
    assert found.__doc__
    assert name in dir(serbench)


def test_type_checkers_know_the_same_names() -> None:
    tree = ast.parse(Path(serbench.__file__).read_text())
    hidden = next(n for n in tree.body if isinstance(n, ast.If) and "TYPE" in ast.unparse(n.test))
    imports = [node for node in hidden.body if isinstance(node, ast.ImportFrom)]
    known = {(node.module, alias.name) for node in imports for alias in node.names}
    assert {name for _, name in known} == set(serbench.__all__)
    for module, name in known:
        assert getattr(serbench, name) is getattr(sys.modules[str(module)], name)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'serbench' has no attribute 'runn'"):
        _ = serbench.runn  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from serbench import runn")
    from serbench import plugins

    assert plugins.names("upstreams"), "modules of the package are imported as ever"


def test_a_demo_corpus_that_is_there_is_read_without_what_makes_one() -> None:
    read = "from serbench.benchmarks import demo; demo.make().read(None)"
    imported(read)
    assert not imported(read) & HEAVY
