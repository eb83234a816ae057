"""What a recipe is called: the digest that names its results, and the labels of their rows.

Both follow from the recipe as plain JSON values, as a record holds it, so that a run can name a
result and a board can see whether a record has the name that it should.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from serbench import plugins
from serbench.digests import digest_json
from serbench.leaderboard.builtin import ORIGIN
from serbench.leaderboard.record import LABEL, Labels, Result

FORMAT = 3
"""Of what is digested; raised when a change of the code changes the numbers of any recipe."""

FUSED = "fuse"
"""What the recipe of fused runs has, and that of a run has not: how they were fused."""
Method = Literal["mean", "stack"]
"""What is made of several predictions: their mean, or what was learnt on the validation parts."""
Fusion = Literal["early", "late"]
"""Of several upstreams in a run: one head gets their frames side by side, or each has a head."""
CORRECTED = "postprocess"
"""What the recipe of a corrected run has, and that of a run has not: the steps."""

OTHER = "other code"
"""What a label says of a part that has the name of a built-in one and is none."""

_DIGEST = re.compile("[0-9a-f]{64}")
_PLAIN = re.compile(r"[!-~]+( [!-~]+)*")  # letters, digits and signs of ASCII, blanks between them
_PARTS = ("downstream", "benchmark", "protocol")


def is_derived(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe is that of a result that was made of others: fused, or corrected."""
    return FUSED in recipe or CORRECTED in recipe


def digest_of(recipe: Mapping[str, Any], left_out: Iterable[str] = ()) -> str:
    """Return the SHA-256 (64 hex) that names a run: same digest, same result.

    Args:
        recipe: as `Recipe.plain` gives it, or which runs were fused, and how.
        left_out: utterances that could not be used.
    """
    if is_derived(recipe):
        return digest_json(dict(recipe))
    parts: dict[str, Any] = {name: identity_of(recipe[name]) for name in _PARTS}
    parts["upstreams"] = [identity_of(part) for part in recipe["upstreams"]]
    without = {"left_out": sorted(left_out)} if left_out else {}
    return digest_json({**recipe, **parts, **without})


def corrected_by(steps: Iterable[Mapping[str, Any]], digest: str) -> dict[str, Any]:
    """Return the recipe of a corrected run.

    Args:
        steps: identities of the post-processors, in their order.
        digest: of the run.
    """
    return {CORRECTED: [*steps], "of": {"digest": digest}}


def identity_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a part of a recipe is, wherever its files lie.

    An option with its default does not count, so that a later version may have more of them; nor
    does what a TOML file is called, as it says its name itself.
    """
    name, defaults = str(part["name"]), part["defaults"]
    said = {k: v for k, v in part["options"].items() if k not in defaults or v != defaults[k]}
    contents = {key: f"sha256:{digest}" for key, digest in part.get("contents", {}).items()}
    known = {
        "name": "" if name.endswith(".toml") else _stem(name),
        "options": said | contents,
        "origin": part.get("code") or part["origin"],
    }
    return known | {key: part[key] for key in ("layers", "edition", "versions") if key in part}


def labels_of(recipe: Mapping[str, Any]) -> Labels:
    """Return how the row of a result is called.

    Args:
        recipe: as `Recipe.plain` gives it.
    """
    upstreams, downstream = recipe["upstreams"], recipe["downstream"]
    weights = [_weights(part) for part in upstreams]
    size = downstream["options"].get("size")
    # as in the table of Morais et al.: + is early fusion, & is late
    joined = "&" if recipe.get("fusion") == "late" else "+"
    return Labels(
        upstream=joined.join(_called("upstreams", part) for part in upstreams),
        weights="-" if set(weights) == {"-"} else ", ".join(weights),
        downstream=_called("downstreams", downstream, "" if size is None else f".{size}"),
    )


def relabelled(result: Result) -> Result:
    """Return a run with the labels of today if its own only lack that a part is other code.

    Those of an older serbench do, and those of before a built-in plugin came to have that name.
    """
    try:
        labels, before = labels_of(result.recipe), labels_of(_as_own(result.recipe))
    except (KeyError, TypeError, AttributeError, ValueError):
        return result  # what is wrong with the recipe, others say
    unsaid = result.labels == before != labels
    return result.model_copy(update={"labels": labels}) if unsaid else result


def _as_own(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe as if all of its code came with serbench."""

    def own(part: Mapping[str, Any]) -> dict[str, Any]:
        return {**part, "name": _stem(part["name"]), "origin": ORIGIN}

    parts = {"upstreams": [*map(own, recipe["upstreams"])], "downstream": own(recipe["downstream"])}
    return {**recipe, **parts}


def fused_labels(members: Sequence[Labels], method: str) -> Labels:
    """Return how the row of fused runs is called: "cpc & hubert", "nano, nano", "mean of 2 runs".

    Args:
        members: how the rows of the runs are called, in the order of the recipe.
        method: of the fusion.
    """
    encoders = list(dict.fromkeys((each.upstream, each.weights) for each in members))
    weights = [weights for _, weights in encoders]
    return Labels(
        upstream=_joined(" & ", [upstream for upstream, _ in encoders]),
        weights="-" if set(weights) == {"-"} else _joined(", ", weights),
        downstream=f"{method} of {len(members)} runs",
    )


def _joined(sign: str, names: Sequence[str]) -> str:
    """Return names with a sign between them; of more than a label holds, how many there are."""
    text = sign.join(names)
    return text if len(text) <= LABEL else f"{len(names)} encoders"


def called_steps(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return how the post-processors of a corrected run are called.

    Args:
        parts: their identities, as `corrected_by` takes them.
    """
    return [_called("postprocessors", part) for part in parts]


def is_own(part: object) -> bool:
    """Whether a part of a recipe, or its identity, is code that comes with serbench."""
    if not isinstance(part, Mapping):
        return False
    return part.get("origin", ORIGIN) == ORIGIN and not str(part.get("name", "")).endswith(".py")


def _called(kind: plugins.Kind, part: Mapping[str, Any], size: str = "") -> str:
    """Return how a part is called: "cpc", "ecapa.full", "cpc (other code: wonder 1.0)"."""
    said = str(part["name"])
    name = _stem(said)
    # a letter of elsewhere, or none that is seen, may make it look like a built-in one
    mistaken = plugins.builtin(kind, name) is not None or not _PLAIN.fullmatch(name)
    if is_own(part) or not mistaken:
        return f"{name}{size}"
    origin = "file" if said.endswith(".py") else str(part["origin"])
    return f"{name}{size} ({OTHER}: {origin[:8] if _DIGEST.fullmatch(origin) else origin})"


def corrected_labels(before: Labels, steps: Iterable[str]) -> Labels:
    """Return how the row of a corrected run is called: "ecapa > pldc"."""
    head = " > ".join([before.downstream, *steps])
    return before.model_copy(update={"downstream": head})


def _stem(name: str) -> str:
    return Path(name).stem if name.endswith((".py", ".toml")) else name


def _weights(part: Mapping[str, Any]) -> str:
    """Return how the weights of an upstream are called in a table."""
    weights = str(part["options"].get("weights") or "-")
    # a folder of somebody's own is not taken for a published size of the same name
    place = "./" if "weights" in part.get("contents", ()) else ""
    return f"{place}{Path(weights).name}"


def has_demo_weights(result: Result) -> bool:
    """Whether an encoder has weights that come with serbench; other code only says so."""
    parts = result.recipe.get("upstreams")
    if isinstance(parts, list):
        own = [is_own(part) for part in parts]
    else:  # a result that was made of others, or an older one
        own = [OTHER not in result.labels.upstream] * len(result.encoders)
    return any(
        ours and encoder.provenance.get("id", "").startswith(f"{ORIGIN}/")
        for encoder, ours in zip(result.encoders, own, strict=False)
    )
