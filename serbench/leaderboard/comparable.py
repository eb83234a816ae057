"""Who may meet on a board: results on the same utterances, audio, labels and speakers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench import benchmarks, plugins
from serbench.digests import digest_json
from serbench.leaderboard.record import BenchmarkRecord, ProtocolRecord, Result, Split
from serbench.leaderboard.standing import Standing

if TYPE_CHECKING:
    from pandas import DataFrame, Index, Series

    from serbench.benchmarks import Benchmark

_FACTS = ("labels", "speakers", "tests", "folds", "truths")  # of an utterance, or of a split
_NAMED = 3
_ROUNDING = 1e-6
_KINDS = {kind: kind for kind in Split.model_fields if kind != "folds"}  # of hashes in a record
_KINDS |= {"hash": "split", "recordings": "set of audio"}
_OTHER = {
    "audio": "other audio under the same ids",
    "set of audio": "other audio under the same ids",
    "labels": "other labels",
    "speakers": "other speakers",
    "tests": "other tests",
    "folds": "other folds under the same hash of the split",
    "truths": "other hashes of the truths of a fold",
}


class Rival(NamedTuple):
    """Results that others contradict: one of the two sides must be wrong.

    what: in which facts, in words.
    entries: the results.
    """

    what: str
    entries: list[Standing]


class Group(NamedTuple):
    """Results that may be compared, what they are on, and what they must not be compared with."""

    title: str
    sentences: tuple[str, ...]
    entries: list[Standing]
    rivals: tuple[Rival, ...] = ()


@dataclass
class _Material:
    """What some results were computed from: hashes in their records, facts in their predictions.

    As long as the facts have one digest, nobody needs to read them.
    """

    hashes: dict[str, str]
    digests: set[str]
    entries: list[Standing]

    def add(self, other: _Material) -> None:
        """Take in results on the same, which may know more of it."""
        if not other.digests <= self.digests:
            from pandas import concat

            new = other.facts.index.difference(self.facts.index)
            self.facts = concat([self.facts, other.facts.loc[new]]) if len(new) else self.facts
        self.hashes |= other.hashes
        self.digests |= other.digests
        self.entries += other.entries

    @cached_property
    def facts(self) -> DataFrame:
        """The speaker and the truths of each utterance, by its id."""
        return self.entries[0].facts()

    @property
    def whole(self) -> bool:
        """Whether every utterance that is tested has its prediction."""
        return self.entries[0].result.complete

    def name(self, kind: str, *, told: bool) -> str:
        """Return eight digits that tell apart what differs in this kind.

        Args:
            kind: of hashes or facts.
            told: whether the facts differ, whatever the hashes say.
        """
        if kind in self.hashes and not told:
            return self.hashes[kind][:8]
        facts = self.facts[_columns(self.facts, kind)].sort_index()
        return digest_json(facts.astype(str).reset_index().to_numpy().tolist())[:8]


def _options(benchmark: str, protocol: ProtocolRecord) -> dict[str, Any]:
    """Return the options of a protocol, also those that a record leaves out."""
    return {**_usual(benchmark, protocol.name), **protocol.options}


@cache
def _usual(benchmark: str, protocol: str) -> Mapping[str, Any]:
    """Return the options of a protocol of a built-in benchmark that need not be given."""
    own = _builtin(benchmark)
    if own is None or protocol not in own.protocols:
        return {}
    usual = benchmarks.protocols.complete(own.protocols[protocol], {})
    found: Mapping[str, Any] = json.loads(json.dumps(usual))
    return found


def title(benchmark: BenchmarkRecord, protocol: ProtocolRecord) -> str:
    """Return "emodb 1 · emotion, 7 classes · speaker_folds (k=5)", and whatever qualifies it."""
    corpus = f"{benchmark.name} {benchmark.version}" + ", synthetic" * benchmark.synthetic
    said = _options(benchmark.name, protocol)
    given = {key: value for key, value in sorted(said.items()) if value != []}
    options = ", ".join(f"{key}={_option(value)}" for key, value in given.items())
    split = protocol.name + (f" ({options})" if options else "")
    split += ", speaker-dependent" * ("speaker" in protocol.shares)
    split += f", {protocol.enrolled.words}" if protocol.enrolled is not None else ""
    return f"{corpus} · {benchmark.task.summary} · {split}"


def _option(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def groups(results: Iterable[Standing], *, by_heard: bool = True) -> list[Group]:
    """Return results in groups that may be compared, in the order of benchmark and protocol.

    Benchmark, task, protocol and split are equal in a group; none of it or all of it heard the
    test part; and no utterance has another label, another speaker or other audio in one result
    than in another. Which side is right where two disagree cannot be known from the files.

    Args:
        results: with what their predictions come to, in any order.
        by_heard: whether those that heard the test part are in groups of their own, as they must
            not be ranked among others.
    """
    settings: dict[tuple[str, ...], list[Standing]] = defaultdict(list)
    for each in results:
        settings[_setting(each.result, by_heard)].append(each)
    return [group for key in sorted(settings) for group in _groups(settings[key])]


def _setting(result: Result, by_heard: bool) -> tuple[str, ...]:
    benchmark = result.benchmark
    task = _sorted(benchmark.model_dump_json(include={"task"}))
    protocol = _completed(benchmark.name, result.protocol.model_dump_json())
    tests = [[*fold.tests] for fold in result.split.folds if fold.tests]
    told = (benchmark.synthetic, disowned(result) is not None, by_heard and result.transductive)
    return benchmark.name, benchmark.version, task, protocol, *map(str, told), str(tests)


@lru_cache(maxsize=1_000)
def _sorted(written: str) -> str:
    return json.dumps(json.loads(written), sort_keys=True)


@lru_cache(maxsize=1_000)
def _completed(benchmark: str, written: str) -> str:
    """Return a protocol as JSON in one order, with the options that its record leaves out."""
    protocol = ProtocolRecord.model_validate_json(written)
    options = _options(benchmark, protocol)
    return _sorted(protocol.model_copy(update={"options": options}).model_dump_json())


def disowned(result: Result) -> str | None:
    """Return why a result is not on the built-in benchmark whose name it has, or None."""
    own = _builtin(result.benchmark.name)
    if own is None:
        return None
    part = result.recipe.get("benchmark")
    origin = part.get("origin", "serbench") if isinstance(part, dict) else "serbench"
    if origin != "serbench":
        return f"is made by other code ({origin})"
    if result.benchmark.name != own.name:
        return f"serbench writes '{own.name}', so that something else wrote the record"
    said = result.benchmark
    if said.version == own.version and said.synthetic != own.synthetic:
        return f"says synthetic: {str(said.synthetic).lower()}"
    return None


@cache
def _builtin(name: str) -> Benchmark | None:
    own = plugins.builtin("benchmarks", name)
    if own is None:
        return None
    made: Benchmark = plugins.make(plugins.find("benchmarks", own), options={})
    return made


def _groups(entries: list[Standing]) -> Iterator[Group]:
    """Yield the groups of one setting, by what their results were computed from."""
    found: list[_Material] = []
    for each in sorted(entries, key=lambda e: (not e.result.complete, e.result.digest)):
        own = _material(each)
        same = next((each for each in found if not _differences(each, own)), None)
        if same is None:
            found.append(own)
        else:
            same.add(own)
    apart = [
        {i: _differences(each, other) for i, other in enumerate(found) if other is not each}
        for each in found
    ]
    made = [
        Group(
            _title(each, others),
            tuple(_sentences(each, others, found)),
            each.entries,
            tuple(_rivals(others, found)),
        )
        for each, others in zip(found, apart, strict=True)
    ]
    yield from sorted(made, key=lambda group: group.title)


def _material(entry: Standing) -> _Material:
    split = entry.result.split
    hashes: dict[str, str] = {kind: getattr(split, key) for key, kind in _KINDS.items()}
    hashes["tests"] = _tested(entry)
    hashes["folds"] = _digest((*sorted(split.listed),))
    truths = [(fold.name, *sorted(fold.truths.items())) for fold in split.folds]
    hashes["truths"] = _digest((*sorted(truths),)) if all(each[1:] for each in truths) else ""
    known = {kind: value for kind, value in hashes.items() if value}
    return _Material(known, {entry.measured.facts}, [entry])


@lru_cache(maxsize=1_000)
def _digest(known: tuple[tuple[Any, ...], ...]) -> str:
    return digest_json(known)


def _tested(entry: Standing) -> str:
    """Return a digest of who speaks in each of several tests; empty where that is not known."""
    if not any(fold.tests for fold in entry.result.split.folds):
        return ""
    rank, shares = entry.result.benchmark.task.rank, entry.measured.shares
    own = {key: sorted(shares[key].speakers) for key in shares if key.rpartition("/")[2] == rank}
    return digest_json(own) if own else ""


def _columns(facts: DataFrame, kind: str) -> list[str]:
    return [str(name) for name in facts if (name == "speaker") == (kind == "speakers")]


def _differences(one: _Material, other: _Material) -> dict[str, list[str]]:
    """Return the kinds in which two differ, each with the utterances as far as they are known."""
    both = one.hashes.keys() & other.hashes.keys()
    found: dict[str, list[str]] = {
        kind: [] for kind in one.hashes if kind in both and one.hashes[kind] != other.hashes[kind]
    }
    if "split" in found:
        return {"split": []}
    if not {"labels", "speakers"} <= both - found.keys():
        found.pop("truths", None)  # nothing says that they should be equal
    if "audio" in both:
        # which tells of each utterance what the other tells of all together
        found.pop("set of audio", None)
    if other.digests <= one.digests:
        return found
    if one.whole and other.whole and len(lone := _lone(one, other)):
        found["tests"] = [*lone]
    common = one.facts.index.intersection(other.facts.index)
    for kind in ("labels", "speakers"):
        for column in _columns(one.facts, kind):
            unequal = _unequal(one.facts.loc[common, column], other.facts.loc[common, column])
            if unequal.any():
                found.setdefault(kind, []).extend(common[unequal])
    return {kind: [*dict.fromkeys(utterances)] for kind, utterances in found.items()}


def _lone(one: _Material, other: _Material) -> Index[str]:
    """Return the utterances that only one of two was tested on."""
    return one.facts.index.symmetric_difference(other.facts.index)


def _unequal(one: Series[Any], other: Series[Any]) -> Series[bool]:
    """Return where two columns differ; processors may round the mean of some raters differently."""
    if one.dtype.kind == "f":
        return (one - other).abs() > _ROUNDING
    return one != other


def _title(own: _Material, others: Mapping[int, Mapping[str, list[str]]]) -> str:
    result = own.entries[0].result
    kinds: dict[str, bool] = {}
    for each in others.values():
        kinds |= {kind: kinds.get(kind, False) or bool(each[kind]) for kind in each}
    parts = [title(result.benchmark, result.protocol)]
    parts += ["not serbench's own"] * (disowned(result) is not None)
    parts += ["transductive"] * result.transductive
    return " · ".join([*parts, *(f"{kind} {own.name(kind, told=kinds[kind])}" for kind in kinds)])


def _sentences(
    own: _Material, others: Mapping[int, Mapping[str, list[str]]], found: Sequence[_Material]
) -> Iterator[str]:
    """Yield what sets the results apart from others that look as if they were on the same."""
    result = own.entries[0].result
    if reason := disowned(result):
        yield (
            f"Not comparable with serbench's own {result.benchmark.name}: it has that name, but "
            f"{reason}."
        )
    splits = [found[i].name("split", told=False) for i, kinds in others.items() if "split" in kinds]
    if splits:
        yield (
            f"Not comparable with split {', '.join(dict.fromkeys(splits))} of the same benchmark "
            "and protocol: other utterances or other folds."
        )
    for number, kinds in others.items():
        if "split" not in kinds:
            other = found[number]
            named = ", ".join(
                f"{kind} {other.name(kind, told=bool(kinds[kind]))}" for kind in kinds
            )
            what = ", ".join(_what(kind, utterances) for kind, utterances in kinds.items())
            yield (
                f"Not comparable with {named} of the same benchmark and protocol: {what}. Which "
                "side is right cannot be known from the results."
            )


def _rivals(
    others: Mapping[int, Mapping[str, list[str]]], found: Sequence[_Material]
) -> Iterator[Rival]:
    for number, kinds in others.items():
        if what := [_what(kind, kinds[kind]) for kind in _FACTS if kind in kinds]:
            yield Rival(", ".join(what), found[number].entries)


def _what(kind: str, utterances: Sequence[str]) -> str:
    said = _OTHER.get(kind, f"other {kind}")
    if not utterances:
        return said
    more = [f"{len(utterances) - _NAMED} more"] * (len(utterances) > _NAMED)
    return f"{said} of {', '.join([*utterances[:_NAMED], *more])}"
