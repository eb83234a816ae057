"""What a recipe implies of the record that has it: what follows from it is not taken on trust.

Of a part that is somebody's own code, nothing is known here, and so nothing is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from serbench import benchmarks, plugins
from serbench.errors import SerbenchError
from serbench.leaderboard.builtin import ORIGIN, SEVERAL, own_benchmark, own_plugin, recorded
from serbench.leaderboard.identity import CORRECTED, FUSED, Fusion, Method, is_derived
from serbench.leaderboard.listing import some
from serbench.leaderboard.record import Encoder, Result
from serbench.leaderboard.trainings import unlike as trainings

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark, Protocol

_LONGEST = 100  # characters that are shown of what is not known
_UNLIKELY = re.compile("[\u2044\u2215\u2571\u29f8\uff0f]")  # look like the / of an id of the hub


def unlike(result: Result) -> Iterator[str]:
    """Yield in what a record differs from what its recipe implies, a sentence each."""
    parts: tuple[Callable[[Result], Iterator[str]], ...]
    parts = _seeds, _fusion, _benchmark, _protocol, _upstreams, _downstream, _heard, trainings
    if is_derived(result.recipe):
        made = {FUSED: _method, CORRECTED: _steps}
        parts = _shares, trainings, *(part for key, part in made.items() if key in result.recipe)
    yield from dict.fromkeys(sentence for part in parts for sentence in _followed(part, result))


def _followed(part: Callable[[Result], Iterator[str]], result: Result) -> Iterator[str]:
    try:
        yield from part(result)
    except SerbenchError as error:
        yield f"its recipe cannot be followed: {error}"
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        yield f"its recipe is not whole ({type(error).__name__}: {error})"


def _is_own(part: Mapping[str, Any]) -> bool:
    return bool(part.get("origin", ORIGIN) == ORIGIN)


def _seeds(result: Result) -> Iterator[str]:
    if "seeds" not in result.recipe:
        yield "its recipe is not whole: it does not say which seeds"


def _fusion(result: Result) -> Iterator[str]:
    """Yield that several upstreams are joined in no way that is known, or one in some way."""
    said, parts = result.recipe.get("fusion"), result.recipe.get("upstreams")
    known = get_args(Fusion) if isinstance(parts, list) and len(parts) > 1 else (None,)
    if said not in known:
        ways = f"{' and '.join(get_args(Fusion))} of several upstreams, none of one"
        yield f"its recipe has the fusion {said!r:.{_LONGEST}}, and there are {ways}"


def _benchmark(result: Result) -> Iterator[str]:
    said = result.benchmark
    part: Any = result.recipe.get("benchmark")
    if isinstance(part, dict) and part["name"] == SEVERAL:
        if plugins.builtin("benchmarks", said.name):
            yield f"its recipe is of several corpora, not of the benchmark '{said.name}'"
        return
    if isinstance(part, dict) and not _is_own(part) and plugins.builtin("benchmarks", part["name"]):
        yield f"its recipe says that '{part['name']}' is of other code, which cannot have that name"
    made = _known(result)
    if made is None:
        return
    if isinstance(part, dict):
        _complete(own_plugin("benchmarks", part["name"]), part)
    for key, own in recorded(made):
        if getattr(said, key) != own:
            what = f"{key} {own}" if isinstance(own, str | bool) else f"another {key}"
            yield f"its recipe is of another benchmark than the record: '{made.name}' has {what}"
    known, left_out = made.known_defects.keys(), {each.utterance for each in result.left_out}
    if said == recorded(made) and not len(known - left_out) <= result.known_defects <= len(known):
        yield (
            f"'{made.name}' lists {len(known - left_out)} known defects of what was used, and the "
            f"record says {result.known_defects}"
        )


def _known(result: Result) -> Benchmark | None:
    """Return the built-in benchmark of a result, or None; of older recipes nothing is known."""
    asked = is_derived(result.recipe) or "benchmark" in result.recipe
    return own_benchmark(result) if asked else None


def _protocol(result: Result) -> Iterator[str]:
    part, said = result.recipe.get("protocol"), result.protocol
    enrolled = None if said.enrolled is None else said.enrolled.model_dump(mode="json")
    if isinstance(part, dict):
        own = _known(result) is not None
        # as texts, in which 5 is not 5.0
        one, other = (
            json.dumps(each, sort_keys=True) for each in (part.get("options", {}), said.options)
        )
        if one != other or (own and part["name"] != said.name):
            yield f"its recipe is of another protocol than the record: '{part['name']}'"
            return
        if result.recipe.get("enrol") != enrolled:
            yield "its recipe enrols otherwise than the record says"
    yield from _shares(result)


def _shares(result: Result) -> Iterator[str]:
    """Yield where a record says otherwise what the parts of its folds share, and what they do not.

    What a protocol of somebody's own code shares, only that code knows.
    """
    said = result.protocol
    protocol = _splits(result, _known(result))
    if protocol is None:
        return
    own = tuple(sorted(protocol.shares)), tuple(sorted(protocol.apart))
    if own != (said.shares, tuple(sorted(said.apart))):
        yield (
            f"with its options protocol '{said.name}' shares {_listed(own[0])} and keeps apart "
            f"{_listed(own[1])}, and the record says {_listed(said.shares)} and "
            f"{_listed(said.apart)}"
        )


def _splits(result: Result, made: Benchmark | None) -> Protocol | None:
    said = result.protocol
    options: dict[str, Any] = {**said.options}
    if made is not None and said.name in made.protocols:
        return made.protocols[said.name](**options)
    part = result.recipe.get("benchmark")
    elsewhere = isinstance(part, dict) and not str(part["name"]).endswith((".toml", SEVERAL))
    if made is None and (elsewhere or said.name not in benchmarks.protocols.names()):
        return None
    found: Protocol = benchmarks.protocols.make(said.name, **options)
    return found


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names) or "nothing"


def _upstreams(result: Result) -> Iterator[str]:
    parts: Any = result.recipe.get("upstreams")
    if not isinstance(parts, list):
        return  # an older recipe
    if len(parts) != len(result.encoders):
        yield f"its recipe has {len(parts)} upstreams, and the record {len(result.encoders)}"
        return
    if len(parts) == 1 and result.recipe.get("finetune") and result.finetuned is None:
        yield f"its recipe fine-tunes '{parts[0]['name']}', and the record says that nothing was"
    if result.noted:
        yield "its record has notes of the runs that it was made of, and it was made of none"
    for part, encoder in zip(parts, result.encoders, strict=True):
        if encoder.finetuned is not None and not result.recipe.get("finetune"):
            yield f"its recipe does not fine-tune '{part['name']}', and the record says so"
        # one of another package cannot have the name of a built-in one
        if _is_own(part) or plugins.builtin("upstreams", part["name"]):
            plugin = own_plugin("upstreams", part["name"])
            options = _complete(plugin, part)
            yield from _unnamed(plugin, part, "weights")
            yield from _adapted(plugin, options, encoder)
            yield from _published(plugin, options, "weights" in part.get("contents", ()), encoder)


def _downstream(result: Result) -> Iterator[str]:
    """Yield whether a head cannot be, or was told otherwise of who speaks than the record says."""
    part: Any = result.recipe.get("downstream")
    if not isinstance(part, dict):
        return  # an older recipe
    if not _is_own(part) and not plugins.builtin("downstreams", part["name"]):
        return
    plugin = own_plugin("downstreams", part["name"])
    options = _complete(plugin, part)
    yield from _unnamed(plugin, part, "size")
    told = options.get(plugin.constants.get("CONDITIONED_BY", ""), "nothing")
    said = "nothing" if result.conditioning is None else result.conditioning.on
    if told != said:
        yield f"its recipe tells the head '{told}' of who speaks, and the record says '{said}'"


def _unnamed(plugin: plugins.Plugin, part: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield that a part does not say what its row is called by."""
    if key in plugin.options and key not in part["options"]:
        yield f"its recipe does not say the {key} of '{plugin.name}', by which its row is called"


def _complete(plugin: plugins.Plugin, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a part of a recipe, of which older ones may lack some.

    Raises:
        SerbenchError: there is no such edition, no such option, or no such value of one; or it is
            said to have other code, files or defaults than it has.
    """
    edition, today = part.get("edition", 1), plugin.constants.get("EDITION", 1)
    if edition not in range(1, today + 1):
        msg = (
            f"'{plugin.name}' has the editions 1 to {today} here, not {edition!r}; update serbench"
        )
        raise SerbenchError(msg)
    if part.get("code"):
        raise SerbenchError(f"'{plugin.name}' comes with serbench, and is said to have other code")
    own = _defaults(plugin.kind, plugin.name)
    if edition < today:  # whatever it could be then
        return {**own, **part["options"]}
    said = part.get("defaults", {})
    # what equals a default does not count in the digest: two recipes would have the same
    for key in (key for key in said if key in own and said[key] != own[key]):
        msg = f"'{plugin.name}' has {key} = {own[key]!r} by default, not {said[key]!r:.{_LONGEST}}"
        raise SerbenchError(msg)
    # both are written of all options at once, and in one alone is what was taken out of the other;
    # a step has no defaults, and those options alone that are not as usual
    if "defaults" in part and (uneven := ({*said} ^ {*part["options"]}) & {*own}):
        raise SerbenchError(
            f"'{plugin.name}' is not whole: options and defaults do not both have "
            f"{some(sorted(uneven))}"
        )
    options = plugins.validate(plugin, part["options"])
    if foreign := {*part.get("contents", ())} - {*plugin.options}:
        raise SerbenchError(f"'{plugin.name}' takes no file as {some(sorted(foreign))}")
    return options


@cache
def _defaults(kind: plugins.Kind, name: str) -> Mapping[str, Any]:
    return plugins.defaults(own_plugin(kind, name))


def _adapted(plugin: plugins.Plugin, options: Mapping[str, Any], encoder: Encoder) -> Iterator[str]:
    """Yield where a record says otherwise whether, and on what, an upstream was adapted."""
    said, adapts = encoder.adaptation, _adapts(plugin, options)
    if said is None:
        # what adapts weights of another upstream takes none that were not adapted
        if adapts or (adapts is None and "SIZES_OF" in plugin.constants):
            yield f"its recipe adapts '{plugin.name}', and the record says that nothing was"
        return
    if adapts is False:
        yield f"its recipe does not adapt '{plugin.name}', and the record says so"
    elif said.on == "before":
        if adapts:
            yield f"its recipe adapts '{plugin.name}' in the run, and the record says before"
    else:
        on = options.get("adapt_on", "all")
        if (said.on, said.transductive) != (on, on == "all"):
            heard = "transductive" if said.transductive else "not transductive"
            yield (
                f"its recipe adapts '{plugin.name}' on {on}, and the record says {said.on}, {heard}"
            )


def _adapts(plugin: plugins.Plugin, options: Mapping[str, Any]) -> bool | None:
    """Return whether a run adapts an upstream; None: weights of one's own may come adapted.

    One that has the sizes of another upstream adapts these; one with sizes of its own trains anew.
    """
    weights = options.get("weights")
    if not plugin.adapted_by or (weights in plugin.sizes and "SIZES_OF" not in plugin.constants):
        return False
    if weights == "corpus" or weights in plugin.sizes:
        return True
    return None


def _published(
    plugin: plugins.Plugin, options: Mapping[str, Any], local: bool, encoder: Encoder
) -> Iterator[str]:
    """Yield where weights have another published id than those that the recipe names."""
    weights: Any = options.get("weights")
    said = encoder.provenance.get("id", "")
    if "weights" not in plugin.options and "name" not in plugin.options and said:
        yield f"'{plugin.name}' has no weights, and the record says '{said}'"
    if _UNLIKELY.search(said) or not said.isprintable():
        yield f"the id of weights {said!a:.{_LONGEST}} has signs that look like others or like none"
    known = plugin.sizes[weights]["id"] if weights in plugin.sizes else weights
    if plugin.sizes and not local and "/" not in str(known) and known not in _words(plugin):
        yield f"its recipe has weights '{known}', which are no published size, hub id or folder"
    if not local and isinstance(known, str) and "/" in known:
        if said != known:
            yield f"its recipe is of the weights '{known}', and the record says '{said}'"
    elif "/" in said and ("weights" in plugin.options or not said.startswith(f"{plugin.name}/")):
        yield f"its recipe is of no published weights, and the record says '{said}'"


def _words(plugin: plugins.Plugin) -> set[Any]:
    """Return what the option `weights` may be beside sizes, ids and folders."""
    types = get_args(plugin.options["weights"].type)
    return {word for each in types for word in get_args(each)}


def _heard(result: Result) -> Iterator[str]:
    """Yield where a record says otherwise whether training was led by those who are tested."""
    training = result.recipe.get("training")
    weighting = training.get("weighting") if isinstance(training, dict) else None
    asked = None if not weighting else "enrol" if result.recipe.get("enrol") else "test"
    said = None if result.weighted is None else result.weighted.heard
    if asked != said:
        yield f"by its recipe the weighting of training hears {asked}, and the record says {said}"


def _method(result: Result) -> Iterator[str]:
    """Yield that runs were fused in a way that is not known."""
    said, known = result.recipe[FUSED], get_args(Method)
    if said not in known:
        yield f"its recipe fuses by {said!r}, and there are {' and '.join(known)}"


def _steps(result: Result) -> Iterator[str]:
    """Yield whether a step looks at truths, and the record does not say so."""
    steps: Any = result.recipe[CORRECTED]
    for step in steps:
        named = plugins.builtin("postprocessors", step["name"])
        if not _is_own(step) and not named:
            continue
        plugin = own_plugin("postprocessors", step["name"])
        made = plugins.make(plugin, options=_complete(plugin, step))
        if made.oracle and (result.corrected is None or not result.corrected.oracle):
            yield f"'{step['name']}' looks at the truths of the test part, and the record denies it"
