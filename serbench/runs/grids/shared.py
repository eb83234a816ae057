"""What the runs of a grid have in common: weights and features, each made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from serbench import plugins
from serbench.digests import digest_json
from serbench.runs.conditioning import head_like

if TYPE_CHECKING:
    from serbench.runs.recipe import Part, Recipe


class Made(NamedTuple):
    """Weights or features, by what of a recipe decides them.

    Attributes:
        folder: of `SERBENCH_HOME`, that has them.
        of: what decides them, whatever the folds are: those of two protocols may be the same.
        folds: the protocol with what is enrolled, if each fold has its own; else nothing.
    """

    folder: Literal["checkpoints", "features"]
    of: tuple[str, ...]
    folds: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """What is equal where the same may be made: one of them is made after the other."""
        return (self.folder, *self.of)

    def among(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of some paths in `SERBENCH_HOME` that it may be at."""
        return tuple(path for path in paths if path.startswith(f"{self.folder}/"))


class Together(NamedTuple):
    """What is the same for runs that are prepared at once.

    Attributes:
        corpus: benchmark, protocol, what is enrolled, and whether broken files are left out.
        upstreams: what they are.
        weights: that they are adapted and fine-tuned to.
        features: of each upstream, unless it learns with the head.
    """

    corpus: tuple[str, ...]
    upstreams: tuple[str, ...]
    weights: tuple[Made, ...]
    features: tuple[Made, ...]

    @property
    def made(self) -> tuple[Made, ...]:
        """All that is made for them, each once."""
        return tuple(dict.fromkeys((*self.weights, *self.features)))


class Sharing:
    """Tells what is prepared for a run, and asks each part of the recipes once."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], tuple[Part, str]] = {}

    def of(self, recipe: Recipe) -> Together:
        """Return what a run shares with all runs for which it is equal."""
        enrolled = "" if recipe.enrol is None else recipe.enrol.model_dump_json()
        split = (self._told(_whole, recipe.protocol), enrolled)
        stage = "" if recipe.finetune is None else recipe.finetune.model_dump_json()
        return Together(
            (self._told(_whole, recipe.benchmark), *split, str(recipe.leave_out_broken)),
            tuple(self._told(_whole, part) for part in recipe.upstreams),
            tuple(self._weights(recipe, split, stage)),
            () if recipe.training.finetune else tuple(self._features(recipe, split, stage)),
        )

    def _weights(self, recipe: Recipe, split: tuple[str, ...], stage: str) -> Iterator[Made]:
        corpus = recipe.benchmark.name
        for part in recipe.upstreams:
            if adapted := self._told(_adaptation, part):
                folds = split if _by_fold(part) else ()
                yield Made("checkpoints", (corpus, adapted), folds)
            if stage:
                yield Made("checkpoints", (corpus, self._told(_identity, part), stage), split)

    def _features(self, recipe: Recipe, split: tuple[str, ...], stage: str) -> Iterator[Made]:
        needs = self._told(_needs, recipe.downstream)
        kept = (needs, recipe.precision if needs == "frames" else "")
        for part in recipe.upstreams:
            what = (recipe.benchmark.name, self._told(_identity, part), stage, *kept)
            yield Made("features", what, split if stage or _by_fold(part) else ())

    def _told(self, ask: Callable[[Part], str], part: Part) -> str:
        key = ask.__name__, id(part)
        if key not in self._asked:
            self._asked[key] = part, ask(part)  # it is held, so that nobody else gets its id
        return self._asked[key][1]


def _whole(part: Part) -> str:
    return part.model_dump_json()


def _identity(part: Part) -> str:
    return digest_json(part.identity())


def _adaptation(part: Part) -> str:
    """Return what decides weights that an upstream is adapted to; nothing: it is not."""
    options = plugins.find("upstreams", part.name).adapted_by
    values = part.options | part.contents
    given = {key: values.get(key) for key in options}
    return digest_json([part.name, part.code, given]) if options else ""


def _by_fold(part: Part) -> bool:
    return part.options.get("adapt_on") == "train"


def _needs(head: Part) -> str:
    return head_like(head).needs
