"""Whether the recipe of a record is one that serbench makes: what a stranger wrote may be none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.leaderboard.builtin import ORIGIN
from serbench.leaderboard.differing import as_text, leaves
from serbench.leaderboard.identity import FORMAT, is_derived
from serbench.leaderboard.record import Result
from serbench.runs import recipe as recipes
from serbench.runs import rerunning
from serbench.runs.remembering import remembering

# What stands in for an upstream and a head that are not looked at.
_UPSTREAM, _DOWNSTREAM = "fbank", "mean_pool"
_SETTINGS = ("", "training", "training.weighting", "finetune")
_LONGEST = 100  # characters that are shown of a value
# Parts that come with serbench are the same for as long as a process lives.
_KNOWN: dict[str, Any] = {}


def impossible(result: Result) -> Iterator[str]:
    """Yield in what the recipe of a run is none that serbench makes, a sentence each.

    Of fused and corrected results, recipes of older formats, and corpora of others, nothing is
    said; nor of parts that are code or files of others, or were of an older edition. No file that
    a record names is opened.
    """
    recipe: Mapping[str, Any] = result.recipe
    if is_derived(recipe) or recipe.get("format") != FORMAT:
        return
    try:
        if _is_known("benchmarks", recipe["benchmark"]) and not _names_files(recipe["protocol"]):
            yield from _unlike(result, recipe)
    except SerbenchError as error:
        yield f"its recipe cannot be: {error}"
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        yield f"its recipe is not whole ({type(error).__name__}: {error})"


def _unlike(result: Result, recipe: Mapping[str, Any]) -> Iterator[str]:
    raw, left_out = _with_others_left_out(result, recipe)
    with remembering(_KNOWN):
        made = leaves(recipes.resolve(raw).plain())
    told = leaves(recipe)
    # an older record may lack options that a part has by now, and settings never
    lacking = [key for key in made if key not in told and key.rpartition(".")[0] in _SETTINGS]
    for key in (*told, *lacking):
        one, other = (as_text(each[key]) if key in each else "nothing" for each in (told, made))
        if one != other and not key.startswith(left_out):
            yield f"its recipe has {one:.{_LONGEST}} as {key}, and serbench makes {other} of it"


def _with_others_left_out(
    result: Result, recipe: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a recipe to resolve, and how the keys of its parts begin that were replaced."""
    raw, left_out = rerunning.raw_of(result), []
    parts, given = recipe["upstreams"], raw["upstream"]
    upstreams = given if isinstance(given, list) else [given]
    for number, part in enumerate(parts):
        if not _is_known("upstreams", part):
            upstreams[number] = {"name": _UPSTREAM, "layers": part.get("layers", "all")}
            left_out.append(f"upstreams.{number + 1}." if len(parts) > 1 else "upstreams.")
    if not _is_known("downstreams", recipe["downstream"]):
        raw["downstream"] = _DOWNSTREAM
        left_out.append("downstream.")
    return raw | {"upstream": upstreams if len(parts) > 1 else upstreams[0]}, tuple(left_out)


def _is_known(kind: plugins.Kind, part: Mapping[str, Any]) -> bool:
    """Return whether a part is of serbench as it is today, and names no file."""
    name = part["name"]
    if part.get("origin", ORIGIN) != ORIGIN or plugins.builtin(kind, name) != name:
        return False
    today = plugins.find(kind, name).constants.get("EDITION", 1)
    return part.get("edition", 1) == today and not _names_files(part)


def _names_files(part: Mapping[str, Any]) -> bool:
    given = map(str, part.get("options", {}).values())
    return bool(part.get("contents")) or any("/" in each or "\\" in each for each in given)
