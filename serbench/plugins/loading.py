"""How the code of a plugin is imported; a file finds the modules beside it, and nobody else's."""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.plugins import sources

# Followed by a digest of a file's code, the package in which it and what it imports live: two
# plugins may both have a `helper.py`, and a changed one is another module.
_PREFIX = "serbench_file_"
# Top-level packages of plugins by the digest of the code that was imported.
_IMPORTED: dict[str, str] = {}


def import_file(path: Path, code: str) -> ModuleType:
    """Import a Python file, which may import modules beside it.

    Args:
        path: of the file.
        code: digest of all that it is made of.
    """
    path = path.absolute()
    # by its place, too: what it reads beside itself is not part of its code
    package = _PREFIX + digest_json([code, str(path.parent)])
    name = f"{package}.{re.sub('[^0-9a-zA-Z_]', '_', path.stem)}"
    if name in sys.modules:
        return sys.modules[name]
    parent = ModuleType(package)
    parent.__path__ = [str(path.parent)]
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    importlib.invalidate_caches()
    module = importlib.util.module_from_spec(ModuleSpec(name, _Loader(name, str(path))))
    module.__file__ = str(path)
    before = set(sys.modules)
    sys.modules |= {package: parent, name: module}
    try:
        _Loader(name, str(path)).exec_module(module)
    except BaseException:
        for half in {n for n in sys.modules if n.startswith(package)} - before:
            del sys.modules[half]
        raise
    return module


def import_installed(module: str, code: str) -> ModuleType:
    """Import a module of an installed package.

    Args:
        module: its full name.
        code: digest of the package.

    Raises:
        SerbenchError: it was imported before in this process, and has changed since.
    """
    top = module.partition(".")[0]
    if _IMPORTED.setdefault(top, code) != code:
        msg = f"package '{top}' has changed since it was imported; start Python again"
        raise SerbenchError(msg)
    return importlib.import_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of plugin files."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of a plugin lies; None for all others."""
        if not fullname.startswith(_PREFIX):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Lets a module import those beside the plugin by their own names."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Say that nothing is known of a file, so that no bytecode of an older one is taken."""
        raise OSError

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, with an `import` of its own."""
        package = module.__name__.partition(".")[0]
        own = vars(builtins) | {"__import__": _importing(package)}
        module.__dict__["__builtins__"] = own
        super().exec_module(module)


def _importing(package: str) -> Callable[..., Any]:
    """Return the `__import__` of the modules of a plugin."""
    beside = functools.cache(partial(sources.beside, Path(sys.modules[package].__path__[0])))

    def imported(
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> Any:
        top = name.partition(".")[0]
        if level or not beside(top):
            return builtins.__import__(name, globals, locals, fromlist, level)
        found = builtins.__import__(f"{package}.{name}", globals, locals, fromlist, 0)
        return found if fromlist else sys.modules[f"{package}.{top}"]

    return imported
