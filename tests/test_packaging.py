"""The wheel holds what the tree holds, and nothing imports what it must not."""

from __future__ import annotations

import os
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
    "serbench.runs.recipe",
    "serbench.cli",
    "serbench.runs.run",
    "serbench.scoring.scores",
    "serbench.benchmarks.splitting.protocols",
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


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("scoring/metrics.py", "serbench.runs.recipe"),
        ("benchmarks/splitting/splits.py", "serbench.training.settings"),
        ("encoders/weights.py", "serbench.encoders.pretraining.card"),
        ("upstreams/__init__.py", "serbench.training.system"),
        ("digests.py", "serbench.benchmarks"),
        ("leaderboard/table.py", "torch"),
    ],
)
def test_an_upward_import_is_found(importer: str, imported: str, tmp_path: Path) -> None:
    """`lint-imports` runs on the tree in CI; here it has something to find."""
    shutil.copytree(PACKAGE, tmp_path / "serbench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "serbench" / importer).open("a") as file:
        file.write(f"\nimport {imported}\n")
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    path = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True)
    assert found.returncode == 1, found.stderr
    assert imported in found.stdout.replace("\n", " ")


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_stay_light(module: str) -> None:
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert not set(HEAVY) & set(result.stdout.split())
