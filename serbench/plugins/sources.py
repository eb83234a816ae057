"""The code that a plugin is: the files that count as its origin, found without importing any.

Of an installed package that is every `.py` of the top-level package, so that a changed module of an
editable install counts; of a single file it is the modules beside it that it imports, and those
that these import.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Set
from importlib.metadata import EntryPoint, packages_distributions
from pathlib import Path

from serbench.digests import digest_json, digest_path
from serbench.errors import SerbenchError

# What is never meant by the name of a folder or file that happens to lie beside a plugin.
_ELSEWHERE = sys.stdlib_module_names | {"serbench"}
_SERBENCH = Path(__file__).resolve().parents[1]
_LIBRARIES = (
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")),
    _SERBENCH,
)


def of_file(path: Path) -> dict[str, Path]:
    """Return a file and all beside it that it imports, by their names from its folder."""
    return _named(path.parent, _reached(path))


def of_entry(entry: EntryPoint) -> dict[str, Path]:
    """Return the files of the top-level package that an entry point names, by their names.

    Empty if it is not there.
    """
    top = entry.module.partition(".")[0]
    folders, file = _places(top)
    if folders:
        return {
            name: path for folder in folders for name, path in _named(folder, _all(folder)).items()
        }
    if file is None:
        return {}
    return _named(file.parent, _reached(file, _of_others(entry)))


def module_file(entry: EntryPoint) -> Path | None:
    """Return the file of the module that an entry point names; None if it is not there."""
    top, *parts = entry.module.split(".")
    folders, file = _places(top)
    if not parts and not folders:
        return file
    for folder in folders:
        whole = folder.joinpath(*parts)
        for path in (whole / "__init__.py", whole.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def digest(files: dict[str, Path]) -> str:
    """Return the SHA-256 (64 hex) of some files with their names.

    Raises:
        SerbenchError: one cannot be read.
    """
    try:
        return digest_json({name: digest_path(path) for name, path in files.items()})
    except OSError as error:
        msg = f"{error.filename} cannot be read ({error.strerror}); it is code of a plugin"
        raise SerbenchError(msg) from error


def is_library(path: Path) -> bool:
    """Return whether a file is Python's, serbench's or of an installed package."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(folder) for folder in _LIBRARIES)


def beside(folder: Path, name: str) -> list[Path]:
    """Return the files of the module that an `import name` means in a file of this folder.

    None if it does not lie there, or belongs to Python or to serbench. A folder without an
    `__init__.py` counts unless something of that name is installed, as in Python.
    """
    if name in _ELSEWHERE:
        return []
    package, module = folder / name, folder / f"{name}.py"
    if (package / "__init__.py").is_file():
        return _all(package)
    if module.is_file():
        return [module]
    return _all(package) if package.is_dir() and not _installed(name) else []


def _installed(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None


def _places(top: str) -> tuple[list[Path], Path | None]:
    """Return the folders of a top-level package, or the file of a module."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return [], None
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    return folders, Path(spec.origin) if spec.origin and not folders else None


def _of_others(entry: EntryPoint) -> set[str]:
    """Return the top-level names that belong to other distributions than the entry point's."""
    own = entry.dist.name if entry.dist is not None else ""
    return {top for top, names in packages_distributions().items() if own not in names}


def _all(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*.py") if path.is_file())
    return sorted(f for f in files if not any(p[0] == "." for p in f.relative_to(folder).parts))


def _reached(path: Path, others: Set[str] = frozenset()) -> list[Path]:
    """Return a file and all beside it that it imports, however far, but for modules of others."""
    found, pending = {path}, [path]
    while pending:
        file = pending.pop()
        for name in set(_imports(file, at_root=file.parent == path.parent)) - others:
            new = set(beside(path.parent, name)) - found
            found |= new
            pending += new
    return sorted(found)


def _imports(path: Path, *, at_root: bool) -> Iterator[str]:
    """Yield the first parts of the names that a file imports from its plugin's folder."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return  # it counts, and whoever imports it is told
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=level) if level == 0 or at_root:
                yield module.partition(".")[0]
            case ast.ImportFrom(module=None, names=names) if at_root:
                yield from (alias.name for alias in names)


def _named(folder: Path, files: list[Path]) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in files}
