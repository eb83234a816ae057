"""The part of a recipe that names several corpora: learnt from some, tested on others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.runs import recipe as recipes
from serbench.runs.parts import ACROSS, Part, validated

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark


class Across(BaseModel):
    """Several corpora, each a name, a file, or a name with options: `demo:task=dimensions`.

    Attributes:
        test: what is tested.
        train: what is learnt from; empty: the protocol decides.
        map: "happy=happiness", "demo.happy=happiness", or "boredom=" to leave a label out.
        rescale: bring numbers to the scale of the first tested corpus, linearly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    test: tuple[str, ...]
    train: tuple[str, ...] = ()
    map: tuple[str, ...] = ()
    rescale: bool = False


def across_part(options: Mapping[str, Any]) -> Part:
    """Return the complete part; what each corpus is counts in the digest.

    Raises:
        SerbenchError: a wrong key, no corpus to test, an unknown one, one twice, two of a name.
    """
    asked = validated(Across, "benchmark", {"test": (), **options})
    if not asked.test:
        raise SerbenchError("say what is tested: --benchmark emodb --train-on crema_d")
    written = [*asked.test, *asked.train]
    twice = [one for one in written if written.count(one) > 1]
    if twice:
        msg = (
            f"corpus '{twice[0]}' is named twice; to learn from and test on the same corpora, with "
            "speakers apart: --benchmark emodb,crema_d --protocol speaker_folds"
        )
        raise SerbenchError(msg)
    names = _names(written)
    parts = {one: _member(one) for one in written}
    unsaid = Across(test=()).model_dump(mode="json", exclude={"test"})
    return Part(
        name=ACROSS,
        options=asked.model_dump(mode="json"),
        defaults=unsaid,
        contents={names[one]: digest_json(part.identity()) for one, part in parts.items()},
    )


def _names(written: Sequence[str]) -> dict[str, str]:
    """Return what the column `corpus` calls each corpus: its file, if that tells it, or its name.

    Raises:
        SerbenchError: two have the same, and could not be told apart.
    """
    files = {one: Path(one).stem if one.endswith((".toml", ".py")) else one for one in written}
    often = Counter(files.values())
    names = {
        one: recipes.make_benchmark(_member(one)).name if often[file] > 1 else file
        for one, file in files.items()
    }
    for name, count in Counter(names.values()).items():
        if count > 1:
            same = " and ".join(one for one in written if names[one] == name)
            raise SerbenchError(f"{same} are both called '{name}'; give one another `name`")
    return names


def make_across(part: Part) -> Benchmark:
    """Return the benchmark of several corpora that a part of a recipe means."""
    from serbench.benchmarks.reading import union

    asked = validated(Across, "benchmark", part.options)
    names = _names([*asked.test, *asked.train])
    tested, trained = (
        {names[one]: recipes.make_benchmark(_member(one)) for one in side}
        for side in (asked.test, asked.train)
    )
    return union.unite(tested, trained, renamed=asked.map, rescale=asked.rescale)


def _member(written: str) -> Part:
    """Return the part of one corpus, of "demo" or "demo:task=dimensions"."""
    if written.endswith((".toml", ".py")):
        return recipes.benchmark_part(written)
    name, *settings = written.split(":")
    options = dict(setting.partition("=")[::2] for setting in settings)
    return recipes.benchmark_part({"name": name, **{k: _value(v) for k, v in options.items()}})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
