"""The code of a plugin: what counts as it, and how a file finds what lies beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.plugins import sources
from serbench.runs import recipe

HEAD = '''"""A number."""
from helper import SIZE
import tools.more

def make(*, times: int = 1):
    from late import LATE
    return SIZE * times + tools.more.EXTRA + LATE
'''
FILES = {
    "mine.py": HEAD,
    "helper.py": "from deeper import BASE\nSIZE = BASE * 10\n",
    "deeper.py": "BASE = 1\n",
    "late.py": "LATE = 500\n",
    "tools/__init__.py": "",
    "tools/more.py": "from .least import EXTRA\n",
    "tools/least.py": "EXTRA = 2000\n",
    "stranger.py": "raise SystemExit\n",
}


def write(folder: Path, **changes: str) -> str:
    """Write a plugin with modules beside it; return its path as a user gives it."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changes.get(path.stem, text))
    return str(folder / "mine.py")


def made(path: str) -> int:
    """Return what a plugin makes."""
    number: int = plugins.make(plugins.find("benchmarks", path), options={})
    return number


def test_a_file_imports_what_lies_beside_it(tmp_path: Path) -> None:
    known = {*sys.path}, {*sys.modules}
    assert made(write(tmp_path)) == 2510
    assert {*sys.path} == known[0]
    assert not {"helper", "deeper", "tools", "late"} & set(sys.modules), "nobody else finds them"


@pytest.mark.parametrize("name", ["mine", "helper", "deeper", "late", "more", "least"])
def test_all_that_a_file_imports_is_its_code(tmp_path: Path, name: str) -> None:
    path, code = write(tmp_path), plugins.find("benchmarks", str(tmp_path / "mine.py")).code
    (changed,) = tmp_path.rglob(f"{name}.py")
    changed.write_text(changed.read_text() + "# changed\n")
    assert plugins.find("benchmarks", path).code != code


def test_what_a_file_does_not_import_is_none_of_its_code(tmp_path: Path) -> None:
    path, code = write(tmp_path), plugins.find("benchmarks", str(tmp_path / "mine.py")).code
    (tmp_path / "stranger.py").write_text("changed = 1\n")
    (tmp_path / "json.py").write_text("changed = 1\n")
    assert plugins.find("benchmarks", path).code == code
    assert plugins.find("benchmarks", write(tmp_path / "elsewhere")).code == code


def test_a_changed_helper_is_imported_anew_though_size_and_time_are_the_same(
    tmp_path: Path,
) -> None:
    path, deeper = write(tmp_path), tmp_path / "deeper.py"
    assert made(path) == 2510
    times = deeper.stat()
    deeper.write_text("BASE = 2\n")
    os.utime(deeper, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert made(path) == 2520


def test_two_plugins_have_each_their_helper(tmp_path: Path) -> None:
    first = write(tmp_path / "a")
    second = write(tmp_path / "b", helper="SIZE = 7\n", late="LATE = 1\n")
    assert [made(first), made(second), made(first)] == [2510, 2008, 2510]


def test_modules_that_import_each_other_end(tmp_path: Path) -> None:
    path = write(tmp_path, deeper="import helper\nBASE = 3\n")
    assert set(sources.of_file(Path(path))) == set(FILES) - {"stranger.py"}
    assert made(path) == 2530


def test_a_file_of_any_name_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "my-encoder v2.0.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\n"
        "class A:\n    a: int\n\ndef make():\n    return A(3).a\n"
    )
    assert made(str(path)) == 3


def test_a_broken_file_beside_does_not_stay_half_imported(tmp_path: Path) -> None:
    path = write(tmp_path, helper="from deeper import NOTHING\n")
    for _ in range(2):
        with pytest.raises((ImportError, SerbenchError), match="NOTHING"):
            made(path)


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[str], str]:
    """Return what says which code an editable package has after a change of one of its files."""
    package = tmp_path / "lab" / "deep"
    package.mkdir(parents=True)
    (tmp_path / "lab" / "__init__.py").write_text("raise SystemExit('never imported')\n")
    (package / "__init__.py").write_text("")
    (package / "energy.py").write_text('"""Energy."""\ndef make(): ...\n')
    (tmp_path / "lab" / "net.py").write_text("LAYERS = 1\n")
    (tmp_path / "six.py").write_text("")
    about = tmp_path / "lab-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[serbench.upstreams]\nenergy = lab.deep.energy:make\n")
    ask = (
        "from serbench import plugins; p = plugins.find('upstreams', 'energy')\n"
        "print(p.origin, p.code, p.summary)"
    )

    def code(changed: str = "") -> str:
        if changed:
            (tmp_path / changed).write_text("LAYERS = 2\n")
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", ask], env=environment, check=True, capture_output=True, text=True
        ).stdout

    return code


def test_any_module_of_an_installed_package_is_its_code(installed: Callable[..., str]) -> None:
    before = installed()
    assert before.startswith("lab 1.2 ")
    assert installed("six.py") == before
    assert installed("lab/net.py") != before


def test_a_changed_helper_gives_another_digest(tmp_path: Path) -> None:
    path = write(tmp_path, mine='"""."""\nimport helper\ndef make(dim, *, width: int = 3): ...\n')
    digests = set()
    for size in (1, 2):
        (tmp_path / "helper.py").write_text(f"SIZE = {size}\n")
        digests.add(recipe.resolve({"upstream": "fbank", "downstream": path}).digest())
    assert len(digests) == 2
