"""What the labels and the dimensions of several corpora are called where they are one benchmark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serbench.benchmarks import Benchmark, Regression
from serbench.errors import SerbenchError

# Which names say the same in the field.
_SAME = (
    {"anger", "angry", "ang"},
    {"boredom", "bored"},
    {"calm", "calmness"},
    {"contempt", "contemptuous"},
    {"disgust", "disgusted"},
    {"excitement", "excited", "exc"},
    {"fear", "fearful", "afraid"},
    {"frustration", "frustrated", "fru"},
    {"happiness", "happy", "joy", "joyful", "hap"},
    {"neutral", "neutrality", "neu"},
    {"sadness", "sad"},
    {"surprise", "surprised"},
    {"arousal", "activation"},
    {"valence", "pleasure"},
)


def mean_the_same(one: str, other: str) -> bool:
    """Return whether two names differ in form alone, or are known words for one thing.

    >>> mean_the_same("Happy", "joy"), mean_the_same("sadness", "anger")
    (True, False)
    """
    names = {one.casefold(), other.casefold()}
    return len(names) == 1 or any(names <= same for same in _SAME)


@dataclass(frozen=True)
class Union:
    """Corpora by what the column `corpus` calls them; their targets' names to those they get.

    Attributes:
        tested: what is tested.
        trained: what is learnt from; empty: the protocol decides.
        renamed: corpus to target to its name here; "" leaves it out.
        rescale: whether numbers are brought to the scale of the first one, linearly.
        given: the lines that say what is renamed.
    """

    tested: Mapping[str, Benchmark]
    trained: Mapping[str, Benchmark]
    renamed: Mapping[str, Mapping[str, str]]
    rescale: bool
    given: Sequence[str] = ()

    @property
    def all(self) -> dict[str, Benchmark]:
        """All corpora, those that are tested first."""
        return {**self.tested, **self.trained}

    def targets(self, corpora: Iterable[str]) -> list[str]:
        """Return the labels or dimensions of some corpora, by the names that they get."""
        names = [
            self.renamed[corpus].get(target, target)
            for corpus in corpora
            for target in self.all[corpus].task.outputs
        ]
        return [name for name in dict.fromkeys(names) if name]

    def own(self, corpus: str, name: str) -> str:
        """Return what a corpus itself calls a target, as the lines that rename have it."""
        back = {new: old for old, new in self.renamed[corpus].items()}
        return back.get(name, name)

    def written(self, corpus: str, name: str) -> str:
        """Return how a line says a target: of a corpus, where another means something else."""
        own = self.own(corpus, name)
        return own if own == name and not self.given else f"{corpus}.{own}"

    def sole(self, name: str) -> bool:
        """Return whether no corpus that has a target has another one that means the same."""
        sides = [self.targets([corpus]) for corpus in self.all]
        return not any(
            mean_the_same(name, other)
            for names in sides
            if name in names
            for other in names
            if other != name
        )


def check_targets(union: Union) -> None:
    """Refuse targets that one side alone has, with the setting that says what they are."""
    alone = {corpus: names for corpus in union.all if (names := _alone(union, corpus))}
    if not alone:
        return
    same = _synonyms(union, alone)
    left = dict.fromkeys(
        union.written(corpus, name)
        for corpus, names in alone.items()
        for name in names
        if (corpus, name) not in same and name not in same.values()
    )
    lines = [f"{corpus}.{union.own(corpus, name)}={new}" for (corpus, name), new in same.items()]
    setting = json.dumps([*union.given, *lines, *(f"{name}=" for name in left)], ensure_ascii=False)
    told = "; ".join(f"{corpus} alone has {', '.join(names)}" for corpus, names in alone.items())
    msg = (
        f"what is learnt and what is tested have other names: {told}. Say after each = what it is "
        f"on the other side, or nothing to leave it out: --set 'benchmark.map={setting}'"
    )
    raise SerbenchError(msg)


def _alone(union: Union, corpus: str) -> list[str]:
    """Return which targets of a corpus the other side does not have.

    A row needs a number for each dimension, but a label needs only be taught by one corpus.
    """
    own = union.targets([corpus])
    others = [other for other in union.all if other != corpus]
    if isinstance(union.all[corpus].task, Regression):
        every = [union.targets([other]) for other in others]
        return [name for name in own if not all(name in names for names in every)]
    if union.trained:
        others = [*(union.trained if corpus in union.tested else union.tested)]
    there = union.targets(others)
    return [name for name in own if name not in there]


def _synonyms(union: Union, alone: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], str]:
    """Return what a target that is alone in its corpus is called on the other side.

    Only a name that its corpus does not have, and the tested side alone if there is one, and that
    is the only one of its meaning wherever it stands.
    """
    order = union.targets(union.all)
    lonely = {name for names in alone.values() for name in names}
    found = {}
    for corpus in [c for c in alone if c in (union.trained or union.all)]:
        own = union.targets([corpus])
        others = [n for n in order if n not in own and (n in lonely or not union.trained)]
        for name in alone[corpus]:
            same = [n for n in others if mean_the_same(n, name) and union.sole(n)]
            same.sort(key=lambda n: n in lonely)
            kept = not same or (same[0] in lonely and order.index(name) < order.index(same[0]))
            if not kept and union.sole(name):
                found[corpus, name] = same[0]
    return found
