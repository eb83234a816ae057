"""The record of a result: frozen, strict about what it reads, named by the digest of its recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic import JsonValue as Json
from pydantic_core import from_json
from pydantic_core.core_schema import (
    CoreSchema,
    no_info_after_validator_function,
    none_schema,
    union_schema,
)

from serbench.benchmarks import NAME
from serbench.benchmarks.tasks import KINDS
from serbench.digests import digest_json

FORMAT: Literal[1] = 1
"""Of the JSON record; raised by any change that makes older records unreadable."""


def _null_is_nan(_: None) -> float:
    """Undo what JSON does to NaN."""
    return math.nan


def _utc(moment: datetime) -> datetime:
    try:
        found = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise ValueError("no moment of the calendar in UTC") from error
    if not _FIRST <= found.year <= _LAST:
        raise ValueError(f"the year {found.year} is none of a result")
    return found


_MOST = 2**53  # what every reader of JSON can count to
_FIRST, _LAST = 2000, 2200  # years in which a result may have been computed
LABEL = 500
"""Characters that no label of a row exceeds."""
FileName = Annotated[str, Field(pattern=f"^{NAME}$")]
_DIGEST = r"^[0-9a-f]{8,}$"
_SHA256 = r"^[0-9a-f]{64}$"
_Label = Annotated[str, Field(max_length=LABEL)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Amount = Annotated[float, Field(ge=0, le=_MOST, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


def _number_or_null(kind: Any, plain: GetCoreSchemaHandler) -> CoreSchema:
    """Return the schema of a number; no Python is called for one, of which a record has many."""
    null = no_info_after_validator_function(_null_is_nan, none_schema())
    return union_schema([plain(kind), null])


Number = Annotated[
    float,
    GetPydanticSchema(_number_or_null),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Labels(_Record):
    """How a row is called: `upstream` ("huggingface"), `weights` ("-" for none), `downstream`."""

    upstream: _Label
    weights: _Label = "-"
    downstream: _Label


class BenchmarkRecord(_Record):
    """What was run on; `name` is also the folder of the result."""

    name: FileName
    version: str
    synthetic: bool
    task: Annotated[KINDS, Field(discriminator="kind")]


class Enrolled(_Record):
    """What is known of each test speaker before the rest of his clips is scored.

    Attributes:
        amount: what of his first clips adaptation and post-processors are given; of seconds, whole
            clips until there are as many.
        unit: of both amounts.
        aside: what of his first clips is not scored, enrolled or not, so that results with more and
            with less enrolled are on the same clips.
        labelled: whether post-processors are given the truths of what is enrolled, too.
    """

    amount: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    unit: Literal["clips", "seconds"] = "clips"
    aside: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    labelled: bool = False

    @model_validator(mode="after")
    def _no_more_than_aside(self) -> Self:
        if self.amount > self.aside:
            msg = f"{self.amount:g} cannot be enrolled of {self.aside:g} set aside; set more aside"
            raise ValueError(msg)
        if self.unit == "clips" and not (self.amount.is_integer() and self.aside.is_integer()):
            raise ValueError("clips are counted in whole numbers; give some, or seconds")
        return self

    @property
    def words(self) -> str:
        """As it stands in titles: "5 of 20 clips enrolled"."""
        labelled = " with labels" * self.labelled
        return f"{self.amount:g} of {self.aside:g} {self.unit} enrolled{labelled}"


class ProtocolRecord(_Record):
    """How it was split.

    Attributes:
        name: of the protocol.
        options: all of its own.
        shares: what the parts of a fold have in common ("speaker", ...).
        apart: what they have not, beside speakers, sessions and recordings ("text").
        enrolled: what of each test speaker is given away and not scored; None: nothing.
    """

    name: str
    options: dict[str, Json] = {}
    shares: Annotated[tuple[str, ...], AfterValidator(lambda shares: tuple(sorted(shares)))] = ()
    apart: tuple[str, ...] = ()
    enrolled: Enrolled | None = None


class FoldRecord(_Record):
    """Utterances in the parts of a fold, and the hash of their ids.

    `tests` has the utterances of each of several tests, in their order; the first ranks.
    `unlabelled` is how many more were predicted that have no truth. `truths` has a hash for each of
    the parts `train`, `valid`, `test` and, if there is one, `enrol` (of the test speakers, given
    away and not scored): of the rows `utterance`, `speaker` and truths that predictions for it must
    have (`digests.rows_of`, `digest_rows`); empty where an older serbench did not say.
    """

    name: str
    train: Count
    valid: Count
    test: Count
    enrol: Count = 0
    hash: str
    truths: dict[str, str] = {}
    tests: dict[str, Count] = {}
    unlabelled: Count = 0

    @model_serializer(mode="wrap")
    def _told(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = plain(self)
        return {k: v for k, v in told.items() if v or k not in ("tests", "unlabelled")}


class Split(_Record):
    """The folds, and what was in them: equal hashes mean comparable numbers.

    All but the first two are hashes over the utterances with their ids, whatever their order, and
    empty where an older serbench did not say.

    Attributes:
        hash: of the ids in each part of each fold.
        recordings: of all samples, whichever utterance they are.
        ids: of the utterances.
        audio: of the samples of each.
        speakers: of who speaks each.
        labels: of the truth of each, in all columns of the task.
        texts: of what is said in each.
        folds: their sizes.
    """

    hash: str
    recordings: str = ""
    ids: str = ""
    audio: str = ""
    speakers: str = ""
    labels: str = ""
    texts: str = ""
    folds: tuple[FoldRecord, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [fold.name for fold in self.folds]
        if len({*names}) < len(names):
            raise ValueError("a fold is there twice")
        return self

    @property
    def listed(self) -> tuple[tuple[Any, ...], ...]:
        """What equal hashes imply of each fold: its name, the sizes of its parts, its hash."""
        return tuple(
            (
                each.name,
                each.hash,
                each.train,
                each.valid,
                each.test,
                each.enrol,
                *each.tests.items(),
            )
            for each in self.folds
        )


class LeftOut(_Record):
    """An utterance that the user told the run to go on without."""

    utterance: str
    reason: str


class Curve(_Record):
    """How a training went at the chosen rate, at some of its epochs, the chosen one among them.

    Attributes:
        epochs: their numbers, from 1.
        losses: mean over the batches of each.
        valid_scores: of the validation part after each.
    """

    epochs: tuple[int, ...]
    losses: tuple[Number, ...]
    valid_scores: tuple[Number, ...]

    @model_validator(mode="after")
    def _as_long(self) -> Self:
        if not len(self.epochs) == len(self.losses) == len(self.valid_scores):
            raise ValueError("not one loss and one score an epoch")
        return self


class Fit(_Record):
    """What training chose by validation for one fold and seed.

    Attributes:
        fold: its name.
        seed: of the training.
        learning_rate: the chosen one.
        epoch: the chosen one, from 1.
        valid_score: of what predicted the test part, before a refit.
        skipped: batches left out of all epochs at that rate, as they gave no finite number.
        averaged: the epochs whose weights were averaged, where several were asked for.
        curve: of the training; None where an older serbench did not keep it.
        layers: for each upstream the learnt weight of each of its layers, of sum 1; none for a
            single layer, and empty where an older serbench did not keep them.
    """

    fold: str
    seed: int
    learning_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # whatever was asked
    epoch: Count
    valid_score: Number
    skipped: Count = 0
    averaged: tuple[int, ...] = ()
    curve: Curve | None = None
    layers: tuple[tuple[Number, ...], ...] = ()

    @model_serializer(mode="wrap")
    def _told(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = plain(self)
        return {k: v for k, v in told.items() if v or k not in ("curve", "layers")}


class Adaptation(_Record):
    """How the upstream was adapted to unlabelled audio before it encoded the benchmark's.

    Attributes:
        on: "all" utterances of the benchmark, or the "train"ing part of each fold alone; "before"
            the run, to whatever the card of the weights says.
        transductive: whether the test part was heard; of weights adapted before, whether their card
            names the benchmark.
        utterances: how many; with "train" on average of the folds.
        hours: of them, likewise.
        unseen: rule for speakers who were not among them; None for an upstream without speakers.
        checkpoints: digests of the adapted weights, one, or one a fold.
    """

    on: Literal["all", "train", "before"]
    transductive: bool
    utterances: Count
    hours: Amount
    unseen: str | None = None
    checkpoints: tuple[str, ...]


class FineTuned(_Record):
    """How the upstream was trained with labels before it encoded the benchmark's audio.

    Attributes:
        on: the "train"ing part of each fold; its validation part chose.
        utterances: how many, on average of the folds.
        hours: of them, likewise.
        checkpoints: digests of the weights, one a fold.
        training: what was chosen for each fold.
    """

    on: Literal["train"]
    utterances: Count
    hours: Amount
    checkpoints: tuple[str, ...]
    training: tuple[Fit, ...]


class Encoder(_Record):
    """Where the weights of an upstream come from, and what became of them; as in `Result`."""

    provenance: dict[str, str] = {}
    adaptation: Adaptation | None = None
    finetuned: FineTuned | None = None


class Conditioning(_Record):
    """What the head was told of who speaks.

    Attributes:
        on: "id", which of the speakers trained on it is; "mfcc", what the speaker sounds like.
        tested: speakers of the test parts who are known by name, each once; in records of older
            releases once for each fold that tests him.
        unseen: those of them whom a fold tests without training on them.
    """

    on: Literal["id", "mfcc"]
    tested: Count
    unseen: Count


class Weighted(_Record):
    """By whom training utterances were weighted.

    Attributes:
        heard: the "test" part, without labels, or what is "enrol"led of its speakers.
        functionals: by which voices were compared.
    """

    heard: Literal["test", "enrol"]
    functionals: str


class Member(_Record):
    """A finished run that was fused with others.

    Attributes:
        digest: of the run.
        labels: how its row is called.
        oracle: whether it looked at the truths of the test part.
    """

    digest: Annotated[str, Field(pattern=_DIGEST)]
    labels: Labels
    oracle: bool = False


class Corrected(_Record):
    """What post-processors made of a run's predictions.

    Attributes:
        digest: of the run.
        steps: names of the post-processors, in their order.
        oracle: whether one of them, or what corrected the run before, looked at the truths of the
            test part: shown, never ranked.
    """

    digest: Annotated[str, Field(pattern=_DIGEST)]
    steps: tuple[str, ...]
    oracle: bool = False


class Result(_Record):
    """All that is known of one run; the predictions lie beside it.

    Attributes:
        format: of the record.
        digest: of the recipe, hexadecimal; the name of the files.
        recipe: all that defines the run, as plain JSON values; of fused runs, how and which; of
            corrected ones, how and of which run.
        labels: how the row is called.
        benchmark: what was run on.
        protocol: how it was split, in words.
        split: how it was split, in numbers.
        seeds: of the training runs of each fold.
        left_out: utterances of the corpus that were not used.
        known_defects: how many utterances have a defect that the benchmark lists.
        unknown_speakers: of how many utterances nobody knows who speaks; they are in no figure by
            speaker.
        shared: what share of the utterances of a part has the speaker, session, text, recording or
            a near-copy of one in another, such as "text: test in train"; mean of folds, none if 0.
        warnings: what the audits of corpus and folds doubt, a sentence a kind, "what; remedy".
        provenance: of the upstream's weights: `id`, `revision`, `digest`, `licence`,
            `trained_on`, `method`, as far as they exist; of those before the run adapted them.
        adaptation: how they were adapted, by the run or before; None if they were not.
        finetuned: how the run then trained them with labels, before the head; None: it did not.
        fused_with: the same of the other upstreams, where there are several.
        members: the finished runs whose predictions were fused; empty for a run. The upstreams are
            then those of all of them, and what only a training has is theirs alone.
        corrected: what post-processors did, and to which run; None: nothing.
        noted: what must be said of the runs that it was made of, a sentence each, and is in their
            records alone; none of a run.
        conditioning: what the head was told of who speaks; None if it was told nothing.
        weighted: by whom training utterances were weighted; None: all weigh the same.
        training: what was chosen for each fold and seed.
        seconds: wall-clock time of `audit`, `adapt`, `finetune`, `encode` since the last start,
            and in `train` of all trainings together, whichever start, process or machine made
            them; of fused runs, of `fuse`; of corrected ones, of `postprocess`. An older serbench
            noted of `train` what the last start took.
        threads: that torch computed each of these on, which decides how it rounds; what a store or
            a stopped run had already was computed on theirs.
        parameters: how many there are of the `upstream` (of several, together), and of the `head`
            with all that learns beside it; of fused or corrected runs, and where an older serbench
            did not count them, none.
        speed: seconds of audio that the upstream encoded in a second, when it last did, on whatever
            machine that was; None: nobody knows.
        versions: of serbench, Python and what the numbers depend on.
        device: what it was computed on; of a run that was stopped, its last part.
        created: UTC, to the second.
        complete: whether the predictions have every fold with every seed.
        scores: for people to read; tables recompute them from the predictions.
        tables: SHA-256 of each file beside the record, by how its name goes on after the digest,
            ".valid.parquet"; empty where an older serbench did not say.
        checksum: SHA-256 of all the other fields as the file has them (`sum_of`), whatever their
            order and the white space; empty where an older serbench wrote none.
    """

    format: Literal[1] = FORMAT
    digest: Annotated[str, Field(pattern=_DIGEST)]
    recipe: dict[str, Json]
    labels: Labels
    benchmark: BenchmarkRecord
    protocol: ProtocolRecord
    split: Split
    seeds: tuple[int, ...]
    left_out: tuple[LeftOut, ...] = ()
    known_defects: Count = 0
    unknown_speakers: Count = 0
    shared: dict[str, Share] = {}
    warnings: tuple[str, ...] = ()
    provenance: dict[str, str] = {}
    adaptation: Adaptation | None = None
    finetuned: FineTuned | None = None
    fused_with: tuple[Encoder, ...] = ()
    members: tuple[Member, ...] = ()
    corrected: Corrected | None = None
    noted: tuple[str, ...] = ()
    conditioning: Conditioning | None = None
    weighted: Weighted | None = None
    training: tuple[Fit, ...] = ()
    seconds: dict[str, Amount] = {}
    threads: dict[str, Count] = {}
    parameters: dict[str, Count] = {}
    speed: Annotated[float, Field(gt=0)] | None = None
    versions: dict[str, str] = {}
    device: str = ""
    created: Annotated[AwareDatetime, AfterValidator(_utc)]
    complete: bool
    scores: dict[str, Json]
    tables: dict[str, Annotated[str, Field(pattern=_SHA256)]] = {}
    checksum: str = ""

    @property
    def encoders(self) -> tuple[Encoder, ...]:
        """All upstreams, in the order of the recipe."""
        first = Encoder(
            provenance=self.provenance, adaptation=self.adaptation, finetuned=self.finetuned
        )
        return (first, *self.fused_with)

    @property
    def saw_truths(self) -> bool:
        """Whether a post-processor looked at the truths of the test part, here or in a member."""
        corrected = self.corrected is not None and self.corrected.oracle
        return corrected or any(member.oracle for member in self.members)

    @property
    def transductive(self) -> bool:
        """Whether something was adapted to the audio of the test part: an upstream, or weights."""
        adaptations = (encoder.adaptation for encoder in self.encoders)
        heard = any(each is not None and each.transductive for each in adaptations)
        return heard or (self.weighted is not None and self.weighted.heard == "test")


def sum_of(plain: Mapping[str, Any]) -> str:
    """Return the checksum of a record as plain JSON values."""
    return digest_json({key: value for key, value in plain.items() if key != "checksum"})


def summed(result: Result) -> Result:
    """Return a record with its checksum."""
    plain = from_json(result.model_dump_json())
    return result.model_copy(update={"checksum": sum_of(plain)})
