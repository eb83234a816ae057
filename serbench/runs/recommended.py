"""What the plugins of a stored recipe recommend, to tell what somebody set otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.leaderboard.identity import CORRECTED
from serbench.training.settings import Stage, Training

# Options that the name of a row has already.
_IN_LABELS = ("weights", "size")


def recommended(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe of a record with what is recommended in the place of what was set.

    Options get their defaults, training the downstream's `TRAINING`, a fine-tuning its defaults;
    post-processors, of which a record has what is not as by default, no options.
    What says which system it is, on what, stays. Of a plugin that is not installed here, the record
    itself says what it recommends.

    Args:
        stored: as in a record, perhaps of another release, or of somebody who means no good.
    """
    try:
        return _recommended(stored)
    except (SerbenchError, LookupError, TypeError, ValueError, AttributeError):
        return dict(stored)


def _recommended(stored: Mapping[str, Any]) -> dict[str, Any]:
    if CORRECTED in stored:
        return {**stored, CORRECTED: [{**step, "options": {}} for step in stored[CORRECTED]]}
    made = {**stored, "upstreams": [_part("upstreams", part) for part in stored["upstreams"]]}
    head = stored["downstream"]
    made["downstream"] = _part("downstreams", head)
    plugin = _known("downstreams", head["name"])
    training = plugin.constants.get("TRAINING", {}) if plugin else head.get("recommends", {})
    made["training"] = Training.model_validate(training).model_dump(mode="json")
    if "precision" in stored:
        made["precision"] = "float16"
    if isinstance(stored.get("finetune"), Mapping):
        made["finetune"] = Stage().model_dump(mode="json")
    return made


def _part(kind: plugins.Kind, part: Mapping[str, Any]) -> Mapping[str, Any]:
    own, plugin = part["options"], _known(kind, part["name"])
    if plugin is None:
        # a file of somebody's own is called in tables like a built-in plugin of the same name
        alike = plugins.builtin(kind, Path(part["name"]).stem)
        defaults = part.get("defaults", {})
        options = {k: v if k in _IN_LABELS else defaults.get(k, v) for k, v in own.items()}
        return {**part, "options": options} | ({"origin": "serbench"} if alike else {})
    options = {
        name: own[name] if name in _IN_LABELS else option.default
        for name, option in plugin.options.items()
        if name in own
    }
    # a recipe that says nothing of layers means all
    layers = plugin.constants.get("LAYERS", "all")
    usual = {"layers": layers} if "layers" in part or layers != "all" else {}
    return {**part, "options": options, **usual}


def _known(kind: plugins.Kind, name: str) -> plugins.Plugin | None:
    """Return a plugin if it is installed; a path in the file of a stranger is not opened."""
    if name.endswith(".py"):
        return None
    try:
        return plugins.find(kind, name)
    except SerbenchError:
        return None
