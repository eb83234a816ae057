"""A plugin with its options as a part of a recipe: its code, its files and its revision pinned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from serbench import plugins
from serbench.digests import digest_path, local_path
from serbench.editions import installed
from serbench.errors import SerbenchError
from serbench.runs.parts import Part, validated


def plugin_part(kind: plugins.Kind, name: str, options: Mapping[str, Any]) -> Part:
    """Return the complete part of a recipe that a plugin with some options is.

    Args:
        kind: one of `plugins.KINDS`.
        name: of the plugin, or the path of a Python file.
        options: those given.

    Raises:
        SerbenchError: no such plugin, a wrong option, or a file that is missing.
    """
    plugin = plugins.find(kind, name)
    options = _pinned(plugin, plugins.validate(plugin, options))
    contents = {}
    for key, value in options.items():
        path = local_path(value) if _may_be_path(plugin, key, value) else None
        if path is not None:
            contents[key] = _content(f"option '{key}' of {plugins.called(kind)} '{name}'", path)
    given = {
        "name": name,
        "options": options,
        "defaults": plugins.defaults(plugin),
        "origin": plugin.origin,
        "code": plugin.code,
        "edition": plugin.constants.get("EDITION", 1),
        "versions": installed(plugin.constants.get("PACKAGES", ())),
        "contents": contents,
        "recommends": plugin.constants.get("TRAINING", {}) if plugin.code else {},
    }
    return validated(Part, plugins.called(kind), given)


def plugin_of(kind: plugins.Kind, part: Part) -> plugins.Plugin:
    """Return the plugin that a part of a recipe names.

    Raises:
        SerbenchError: its code has changed since the recipe was made, which names what is made.
    """
    plugin = plugins.find(kind, part.name)
    if plugin.code != part.code:
        what = f"{plugins.called(kind)} '{part.name}'"
        msg = f"the code of {what} has changed since this run began; start again"
        raise SerbenchError(msg)
    return plugin


def _pinned(plugin: plugins.Plugin, options: dict[str, Any]) -> dict[str, Any]:
    """Return options with the commit in place of a branch, a tag or the newest of the hub."""
    weights, sizes = options.get("weights"), plugin.sizes
    if "revision" not in options or not isinstance(weights, str):
        return options
    if weights not in sizes and local_path(weights) is not None:
        return options
    published = sizes.get(weights, {"id": weights})
    if "packaged" in published or "/" not in published["id"]:
        return options
    from serbench.encoders.revisions import commit_of

    commit = commit_of(published["id"], options["revision"])
    return options if commit is None else {**options, "revision": commit}


def _may_be_path(plugin: plugins.Plugin, key: str, value: Any) -> bool:
    """Whether a value is a text, and no word of the option's type and no published size."""
    if key == "weights" and value in plugin.sizes:
        return False
    option = plugin.options[key]
    types = get_args(option.type) or (option.type,)
    words = [word for each in types for word in get_args(each)]
    return str in types and isinstance(value, str) and value not in words


def _content(what: str, path: Path) -> str:
    if not path.exists():
        msg = f"{what}: '{path}' does not exist; give an existing file or folder"
        raise SerbenchError(msg)
    return digest_path(path)
