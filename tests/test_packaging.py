"""The wheel holds what the tree holds, and nothing imports what it must not."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "serbench"
FOLDERS = ("upstreams", "downstreams", "benchmarks", "leaderboard")
HEAVY = ("torch", "torchaudio", "transformers", "speechbrain", "s3prl", "matplotlib")
LIGHT = (
    "serbench.plugins",
    "serbench.recipe",
    "serbench.cli",
    "serbench.run",
    "serbench.benchmarks.scores",
    "serbench.benchmarks.protocols",
    "serbench.leaderboard.store",
)


def _not_in_a_checkout(folder: str, names: list[str]) -> set[str]:
    """Leave out what git ignores and git itself."""
    made = {".git", "build", "dist", "results", "data", "__pycache__"}
    return {n for n in names if n in made or n.endswith((".egg-info", "_cache")) or ".venv" in n}


def test_the_wheel_holds_the_tree(tmp_path: Path) -> None:
    # not in place: a build folder of before would put files into the wheel that are gone
    tree = shutil.copytree(ROOT, tmp_path / "tree", symlinks=True, ignore=_not_in_a_checkout)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    subprocess.run([*command, tree], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("serbench/")}
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "serbench"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert packed == set(listing.stdout.split())


@pytest.mark.parametrize("folder", FOLDERS)
def test_root_links_lead_into_the_package(folder: str) -> None:
    assert (ROOT / folder).is_symlink()
    assert (ROOT / folder).resolve() == PACKAGE / folder


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_parts_import_nothing_of_each_other(folder: str) -> None:
    others = {f"serbench.{other}" for other in FOLDERS if other != folder}
    above = {f"serbench.{name}" for name in ("run", "cli", "recipe", "system", "training")}
    for path in (PACKAGE / folder).rglob("*.py"):
        wrong = {m for m in imported(path) if ".".join(m.split(".")[:2]) in others | above}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_stay_light(module: str) -> None:
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert not set(HEAVY) & set(result.stdout.split())


def test_the_benchmarks_never_import_torch() -> None:
    for path in [*(PACKAGE / "benchmarks").rglob("*.py"), *(PACKAGE / "leaderboard").rglob("*.py")]:
        assert not {m.split(".")[0] for m in imported(path)} & set(HEAVY), path
