"""The contract of a benchmark: a corpus, its task, its protocols.

Every file of this folder is one benchmark, made by its `make(...)`; whose name begins with an
underscore is none. Nothing here imports torch. `serbench check benchmark NAME` runs the contract on
any of them, or on a foreign one.

Beside `make`, a file may say how an encoder is known that heard the corpus before, in tuples of
texts, written as literals: `NAMES`, what the corpus is called, in whatever case and with whatever
signs between its words ("=URDU": in these letters alone, as Urdu is the language); `NAMESAKES`,
what is called so and is something else; `HOLDS`, the benchmarks and other corpora whose recordings
are among its own. Without `NAMES` it is the name of the benchmark.

A benchmark says what is measured; its protocols turn a table of utterances into folds:

    >>> from pandas import DataFrame
    >>> from serbench.benchmarks import Benchmark, Classification, protocols
    >>> def read(folder):  # the contract's columns from path to split are left out here
    ...     return DataFrame({"utterance": list("abcd"), "speaker": ["ann", "bob", "cid", "cid"],
    ...                       "session": None, "emotion": ["angry", "calm", "angry", "calm"]})
    >>> mine = Benchmark("mine", "1", Classification(("angry", "calm")), read,
    ...                  {"leave_one_speaker_out": protocols.leave_one_speaker_out},
    ...                  folder=None, licence="CC0 1.0", citation="Me, 2026", obtain="ask me")
    >>> for fold in mine.protocols["leave_one_speaker_out"]().split(mine.read(None), mine.task):
    ...     print(fold.name, fold.train, fold.valid, fold.test)
    speaker ann [2 3] [1] [0]
    speaker bob [0] [2 3] [1]
    speaker cid [1] [0] [2 3]
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.benchmarks.tasks import Classification, Distribution, Finding, Regression, Rows, Task
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks.splitting import protocols


# What a benchmark may be called: its results lie in a folder of that name.
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
PARTS = r"train|valid|test\w*|unlabelled"
"""What the column `split` may say."""
UNLABELLED = "unlabelled"
UNKNOWN = "Unknown"
"""The speaker of an utterance of which nobody knows who speaks: several people, not one."""
SHAREABLE = ("speaker", "session", "recording")
"""Columns of which no two parts of a fold have a value in common, unless a protocol says so."""


def _no_rows() -> Rows:
    import numpy as np

    return np.zeros(0, np.int64)


class Chosen(NamedTuple):
    """Some of the rows of an order that folds share: a bit each, not 8 bytes.

    order: row numbers.
    bits: (len(order) / 8,) which of them.
    """

    order: Rows
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, order: Rows, mask: NDArray[np.bool_]) -> Chosen:
        """Return those rows of an order that a mask says."""
        import numpy as np

        return cls(order, np.packbits(mask))

    def rows(self) -> Rows:
        """Return the row numbers, in the order."""
        import numpy as np

        return self.order[np.unpackbits(self.bits, count=len(self.order)).view(np.bool_)]


class _Part:
    """A part of a fold: row numbers, made when asked for where `Chosen` is what is kept."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, fold: Fold | None, owner: type) -> Rows:
        if fold is None:  # a field without a default
            raise AttributeError(self.name)
        kept = vars(fold)[self.name]
        return kept.rows() if isinstance(kept, Chosen) else kept

    def __set__(self, fold: Fold, kept: Rows | Chosen) -> None:
        vars(fold)[self.name] = kept


@dataclass(frozen=True)
class Fold:
    """Row numbers of the table for the parts of a fold; refuses overlap of rows.

    Of a large corpus with a fold a speaker, row numbers would fill the memory: a protocol may give
    train, valid and test as `Chosen` of an order that its folds share. Who reads them gets row
    numbers, made anew each time.

    Attributes:
        name: different from that of other folds.
        train: what is learnt from.
        valid: what is chosen by.
        test: what is scored; of several tests, all.
        tests: the rows of each test by its name, where there are several: each has scores of its
            own, and the first one ranks. Together they are `test`.
        unlabelled: rows without truth, which are predicted and never scored.
        enrol: of the speakers who are tested, given to adaptation and to post-processors; never
            scored. A run fills it where its recipe asks for enrolment; protocols leave it empty.
    """

    name: str
    train: _Part = _Part()
    valid: _Part = _Part()
    test: _Part = _Part()
    enrol: Rows = field(default_factory=_no_rows)
    tests: Mapping[str, Rows] = field(default_factory=dict)
    unlabelled: Rows = field(default_factory=_no_rows)

    def __post_init__(self) -> None:
        import numpy as np

        if self.tests and not np.array_equal(np.concatenate([*self.tests.values()]), self.test):
            msg = f"fold '{self.name}': its tests, one after the other, are not its test part"
            raise SerbenchError(msg)
        if self._overlaps():
            msg = (
                f"fold '{self.name}': a row is in two parts; train, valid and test must be disjoint"
            )
            raise SerbenchError(msg)

    def _overlaps(self) -> bool:
        import numpy as np

        kept = [vars(self)[part] for part in ("train", "valid", "test")]
        more = np.concatenate([self.enrol, self.unlabelled])
        if not len(more) and all(isinstance(part, Chosen) for part in kept):
            train, valid, test = (part.bits for part in kept)
            return bool((train & valid | train & test | valid & test).any())
        rows = np.concatenate([self.train, self.valid, self.test, more])
        seen = np.zeros(rows.max(initial=-1) + 1, dtype=bool)
        seen[rows] = True
        return bool(seen.sum() != len(rows))

    def but(self, **changed: Any) -> Fold:
        """Return the same fold with other parts; those that are `Chosen` stay so."""
        return Fold(**vars(self) | changed)

    def merged(self) -> Fold:
        """Return the same fold with the validation part in the training part."""
        import numpy as np

        whole = np.concatenate([self.train, self.valid])
        return self.but(train=whole, valid=self.valid[:0])


@dataclass(frozen=True)
class Protocol:
    """A way to split: a pure function of the table, the same folds each time.

    Attributes:
        name: as the user writes it.
        split: table and task to folds.
        shares: what two parts of a fold may have in common, out of "speaker", "session" and
            "recording"; "valid speaker" and the like where only training and validation part may,
            and the test part is apart. The audit refuses anything else, and every table shows this.
        apart: what else no two parts have in common: "text", what is said; the audit checks it.
    """

    name: str
    split: Callable[[DataFrame, Task], list[Fold]]
    shares: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()

    @property
    def speaker_dependent(self) -> bool:
        """Whether speakers of the test part are also trained on."""
        return "speaker" in self.shares


@dataclass(frozen=True)
class Benchmark:
    """A corpus with its task and protocols, frozen: any change of a number bumps `version`.

    Attributes:
        name: as the user writes it.
        version: of the benchmark, not of the corpus.
        task: what is predicted, with the label set or the dimensions.
        read: the corpus folder (None where `folder` is None) to the table of utterances: columns
            `utterance` (unique id), `path` (absolute), `start`, `end` (seconds, NaN for a whole
            file), `speaker` (`UNKNOWN` where nobody knows), `session`, `gender` ("female", "male"
            or whatever the corpus says), `text`, `split` ("train", "valid", "test" or several tests
            such as "test1" and "test2", "unlabelled" for what has no truth), the last four None
            where unknown, and the task's target columns.
        protocols: factories of the protocols it supports, by name; the first is the default.
        folder: its folder below the data folder; None if the package makes the corpus.
        licence: of the corpus.
        citation: of the corpus.
        obtain: how to get it.
        bibtex: an entry to cite the corpus by; empty if there is none.
        synthetic: whether the speech is made by a program; every table says so.
        known_defects: utterance id to what is wrong with it in the corpus as distributed; such an
            utterance is reported but does not stop a run.
    """

    name: str
    version: str
    task: Task
    read: Callable[[Path | None], DataFrame]
    protocols: Mapping[str, Callable[..., Protocol]]
    folder: str | None
    licence: str
    citation: str
    obtain: str
    bibtex: str = ""
    synthetic: bool = False
    known_defects: Mapping[str, str] = field(default_factory=dict)


def labelled(table: DataFrame) -> DataFrame:
    """Return the rows that have a truth: those whose `split` is not "unlabelled"."""
    return table[table["split"] != UNLABELLED] if "split" in table else table


def __getattr__(name: str) -> Any:
    """Give the author of a benchmark the protocols by the name of `serbench.benchmarks`."""
    if name == "protocols":
        return importlib.import_module("serbench.benchmarks.splitting.protocols")
    raise AttributeError(f"module 'serbench.benchmarks' has no attribute '{name}'")


__all__ = [
    "NAME",
    "PARTS",
    "SHAREABLE",
    "UNKNOWN",
    "UNLABELLED",
    "Benchmark",
    "Chosen",
    "Classification",
    "Distribution",
    "Finding",
    "Fold",
    "Protocol",
    "Regression",
    "Rows",
    "Task",
    "labelled",
    "protocols",
]
