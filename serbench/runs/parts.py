"""All that defines a run, validated: a recipe and its parts."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    field_validator,
    model_validator,
)

from serbench.errors import SerbenchError, hidden, unknown
from serbench.leaderboard.identity import (
    FORMAT,
    Fusion,
    corrected_by,
    digest_of,
    identity_of,
    labels_of,
)
from serbench.leaderboard.record import Enrolled, Labels
from serbench.plugins import is_switch
from serbench.training.settings import Precision, Seed, Stage, Training

ACROSS = "across"
"""What the benchmark of several corpora is called in a recipe."""

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)
Layers = Literal["all", "last"] | tuple[NonNegativeInt, ...]

# Settings that came later, with what older recipes meant by leaving them out: at that value they
# count neither in the digest nor in the record. Options of plugins need no such list.
_YOUNGER: Mapping[str, Any] = {
    "enrol": None,
    "finetune": None,
    "precision": "float16",
    "training.average": 1,
    "training.schedule": "constant",
    "training.weighting": None,
}
# What is left out of a part's plain values where it says nothing.
_UNSAID = {"code", "edition", "versions", "contents", "layers", "recommends"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _seen(value: Any) -> Any:
    """Refuse what cannot be seen in a table, and what a terminal would obey."""
    for text in value.values() if isinstance(value, dict) else [value]:
        if isinstance(text, str) and (found := hidden(text)):
            msg = f"has the character {found}, which cannot be seen; take it out"
            raise ValueError(msg)
    return value


class Part(_Frozen):
    """One pluggable part of a run.

    Attributes:
        name: of the plugin, or the path of a file.
        options: all of them, defaults included.
        defaults: what options have that are left out; those with these values do not count.
        origin: where the code comes from: "serbench", a distribution with its version, "file".
        code: SHA-256 of the code of a plugin that does not come with serbench.
        edition: of one that does; raised when it or its defaults give other numbers than before.
        versions: of distributions that count as its code.
        layers: which of an upstream's layers are learnt from: "all", "last", or numbers from 0.
        contents: option name to SHA-256, for options that name a file or folder; the content
            counts in the recipe's digest, the path does not.
        recommends: of a head that does not come with serbench, its `TRAINING`; its code counts in
            any case.
    """

    name: Annotated[str, AfterValidator(_seen)]
    options: Annotated[dict[str, Any], AfterValidator(_seen)] = Field(default_factory=dict)
    defaults: dict[str, Any] = Field(default_factory=dict)
    origin: str = "serbench"
    code: str = ""
    edition: int = 1
    versions: dict[str, str] = Field(default_factory=dict)
    contents: dict[str, str] = Field(default_factory=dict)
    recommends: dict[str, Any] = Field(default_factory=dict)
    layers: Layers = "all"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values, without the places of files on this machine."""
        made = self.model_dump(mode="json")
        if made["name"].endswith((".py", ".toml")):
            made["name"] = Path(made["name"]).name
        if made["name"] == ACROSS:
            made["options"] = {k: _public(v) for k, v in made["options"].items()}
        for key in made["contents"].keys() & made["options"].keys():
            path = Path(made["options"][key]).expanduser().absolute()
            made["options"][key] = f"./{path.name}"
        unsaid = _nothing_said()
        return {key: value for key, value in made.items() if value != unsaid.get(key, ...)}

    def identity(self) -> dict[str, Any]:
        """Return what the part is, wherever its files lie."""
        return identity_of(self.plain())


@cache
def _nothing_said() -> dict[str, Any]:
    """Return the plain values of a part that says nothing but its name."""
    return Part(name="").model_dump(mode="json", include=_UNSAID)


def _public(value: Any) -> Any:
    """Return a list of names without the folders of those that are files."""
    if not isinstance(value, list):
        return value
    return [Path(one).name if one.endswith((".py", ".toml")) else one for one in value]


class Recipe(_Frozen):
    """All that defines a run.

    Attributes:
        upstreams: what encodes, one or several.
        downstream: what aggregates.
        benchmark: corpus and task.
        protocol: how it is split.
        training: how the head is trained.
        seeds: one training a fold for each, in ascending order.
        leave_out_broken: go on without unusable files. What is left out counts, not the permission.
        fusion: of several upstreams: "early" gives one head their frames side by side, "late"
            gives each a head of its own.
        finetune: how each upstream is trained with labels first, one a fold, with a mean and a
            linear output; the head then learns from the frozen result. None: it is not.
        precision: in which the frames of frozen upstreams are stored; means over time are in
            single precision in any case.
        enrol: what of each test speaker is given to adaptation and post-processors, and is not
            scored. None: nothing.
        postprocess: what corrects the predictions, in this order. The run without it is a result
            of its own; the corrected one lies beside it.
    """

    upstreams: tuple[Part, ...] = Field(min_length=1)
    downstream: Part
    benchmark: Part
    protocol: Part
    training: Training
    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1)
    leave_out_broken: bool = False
    fusion: Fusion | None = None
    finetune: Stage | None = None
    precision: Precision = "float16"
    enrol: Enrolled | None = None
    postprocess: tuple[Part, ...] = ()

    @field_validator("seeds")
    @classmethod
    def _each_seed_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            msg = "a seed twice gives the same trial twice; give different ones"
            raise ValueError(msg)
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _fused_if_several(self) -> Self:
        if len(self.upstreams) == 1 and self.fusion is not None:
            name = self.upstreams[0].name
            msg = f"fusion '{self.fusion}' of one upstream, {name}; give several, or leave it out"
            raise ValueError(msg)
        if len(self.upstreams) > 1 and self.fusion is None:
            names = ", ".join(part.name for part in self.upstreams)
            msg = f"{len(self.upstreams)} upstreams ({names}) need fusion: early or late"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _trained_once(self) -> Self:
        if self.finetune is not None and self.training.finetune:
            msg = (
                "upstreams are fine-tuned before the head (finetune) or together with it "
                "(training.finetune), not both; leave one out"
            )
            raise ValueError(msg)
        return self

    @property
    def labels(self) -> Labels:
        """How its row in a table is called."""
        return labels_of(self.plain())

    @property
    def trained(self) -> Recipe:
        """The same without what corrects its predictions."""
        return self.model_copy(update={"postprocess": ()})

    def plain(self) -> dict[str, Any]:
        """Return what is trained as JSON values, less what is meant by leaving it out."""
        unsaid = {"leave_out_broken", "postprocess"}
        made = _without(self.model_dump(mode="json", exclude=unsaid), _YOUNGER)
        parts = {name: getattr(self, name).plain() for name in ("downstream", "benchmark")}
        upstreams = [part.plain() for part in self.upstreams]
        return made | parts | {"upstreams": upstreams, "format": FORMAT}

    def digest(self, left_out: Collection[str] = ()) -> str:
        """Return the SHA-256 (64 hex) that names this run: same digest, same result.

        Args:
            left_out: utterances of the corpus that are not used.
        """
        trained = digest_of(self.plain(), left_out)
        steps = [step.identity() for step in self.postprocess]
        return digest_of(corrected_by(steps, trained)) if steps else trained


def _without(tree: Mapping[str, Any], unsaid: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a nested dict less the entries, by their dotted paths, that have an unsaid value."""
    kept = {}
    for key, value in tree.items():
        path = f"{above}{key}"
        if path not in unsaid or value != unsaid[path]:
            nested = isinstance(value, dict)  # asking for any mapping takes far longer
            kept[key] = _without(value, unsaid, f"{path}.") if nested else value
    return kept


def validated(model: type[M], what: str, values: Mapping[str, Any]) -> M:
    """Return a model of some values.

    Raises:
        SerbenchError: a key that it does not have, or a wrong value.
    """
    for key in values:
        if key not in model.model_fields:
            raise unknown(f"{what} key", key, model.model_fields)
    try:
        made = model.model_validate(dict(values))
    except ValidationError as error:
        raise SerbenchError(f"{what} {_said(error.errors()[0])}") from error
    for key, value in values.items():
        if _is_switch(value, getattr(made, key)):
            msg = f"{what} key '{key}' takes numbers, not {reprlib.repr(value)}"
            raise SerbenchError(msg)
    return made


def _is_switch(given: Any, made: Any) -> bool:
    """Whether true or false was given where numbers are meant, in a table of settings, too."""
    if isinstance(given, Mapping) and isinstance(made, BaseModel):
        return any(_is_switch(value, getattr(made, key)) for key, value in given.items())
    return is_switch(given, made)


def _said(error: ErrorDetails) -> str:
    """Return what is wrong with which key, in the words of this project."""
    # what follows the key of a list or of a union is pydantic's, and says nothing to a user
    field, own = str(error["loc"][0]) if error["loc"] else "", error["type"] == "value_error"
    wrong = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if error["type"] == "too_short":
        wrong = f"a list of {error['ctx']['min_length']} or more values"
    elif error["type"] == "tuple_type":
        wrong = "a list such as [1, 2]"
    if not field:
        return f"cannot be: {wrong}"
    if error["type"] == "missing":
        return f"key '{field}' is missing"
    return (
        f"key '{field}': {wrong}"
        if own
        else f"key '{field}' must be {wrong}, not {reprlib.repr(error['input'])}"
    )
