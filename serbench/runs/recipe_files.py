"""Recipe files: those that are shipped, and anyone's, as nested dicts that nothing has checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serbench import bounds
from serbench.errors import SerbenchError, unknown


def shipped() -> list[Path]:
    """Return the recipe files that come with the package, sorted."""
    return sorted((Path(__file__).parent / "recipes").glob("*.toml"))


def path_of(name: str) -> Path:
    """Return the file of a recipe: the path of a .toml file, or the name of a shipped one."""
    if name.endswith(".toml"):
        return Path(name).expanduser()
    known = {path.stem: path for path in shipped()}
    if name not in known:
        raise unknown("recipe", name, known, "or give the path of a .toml file")
    return known[name]


def summary(path: Path) -> str:
    """Return what a recipe file is for: its first line, a comment."""
    return path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")


def read_recipe(
    path: Path,
    kind: str = "recipe file",
    remedy: str = "`serbench list recipes` shows those shipped",
) -> dict[str, Any]:
    """Return a recipe file (TOML) as a nested dict, unchecked.

    Args:
        path: of the file.
        kind: what messages call it.
        remedy: what helps if there is none.

    Raises:
        SerbenchError: no such file, or not TOML.
    """
    try:
        return bounds.read_toml(path)
    except FileNotFoundError as error:
        msg = f"{kind} '{path}' does not exist; {remedy}"
        raise SerbenchError(msg) from error
    except OSError as error:
        msg = f"{kind} '{path}' cannot be read ({error.strerror}); give a TOML file"
        raise SerbenchError(msg) from error
    except ValueError as error:
        msg = f"{kind} '{path}' is not valid TOML: {error}"
        raise SerbenchError(msg) from error
