"""How a head is trained, the part `[training]` of a recipe, and how its features are stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST = 2**31
# What no reader of a record would take for a number of a table.
_LARGEST = 2**63
Count = Annotated[int, Field(ge=1, lt=_MOST)]
Positive = Annotated[float, Field(gt=0, lt=_LARGEST)]
Seconds = Annotated[float, Field(gt=0, lt=1e9)]
# As large as every library takes it.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Precision = Literal["float16", "bfloat16", "float32"]
"""Of the frames that a frozen upstream leaves in the store."""


class FineTuning(BaseModel):
    """What only the training of an upstream needs: memory, precision, and what of it learns.

    Attributes:
        front_end: train its convolutions, too, where it leaves them frozen otherwise.
        accumulate: parts in which a batch goes through one after the other; their gradients are
            added up, each with the share of its utterances. Of cross-entropy that is the loss of
            the whole batch; of 1 - CCC it is the mean over the parts, each of which has a CCC of
            its own, and parts of fewer than 8 utterances are left out, as theirs says nothing.
            Batch normalisation sees a part at a time.
        batch_seconds: audio that goes through at once at most, padding included, but always two
            utterances; a batch with more goes in more parts.
        longest_seconds: of an utterance; what is longer is cut, in every part of a fold.
        keep: which end of it is kept. Tran et al. (Interspeech 2023) keep the end of 15.6 s.
        mixed: let the upstream compute in bfloat16 where the processor has it; weights, head and
            loss stay in single precision.
        checkpointing: keep no activations inside its Transformer blocks and compute them again in
            the backward pass: less memory, a third more time, the same numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    front_end: bool = False
    accumulate: Count = 1
    batch_seconds: Seconds | None = None
    longest_seconds: Seconds | None = None
    keep: Literal["beginning", "end"] = "end"
    mixed: bool = False
    checkpointing: bool = False

    def budget(self, rate: int) -> float:
        """Return the samples that go through at once at most, at a sample rate in Hz."""
        return math.inf if self.batch_seconds is None else self.batch_seconds * rate

    def cut(self, wave: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """Return what is kept of (samples,) at a sample rate in Hz."""
        most = len(wave) if self.longest_seconds is None else round(self.longest_seconds * rate)
        return wave[-most:] if self.keep == "end" else wave[:most]


class Learning(BaseModel):
    """What any training is told.

    Attributes:
        learning_rates: each is tried; the best by validation is kept, per fold and seed.
        batch: utterances an update, at least 2: one has neither a variance nor a CCC.
        epochs: at most.
        patience: epochs without a better validation score before stopping; None: never stop.
        schedule: of the learning rates after the warm-up: constant, or linear down to 0 at the end
            of the last of `epochs`, whether or not it is reached.
        warmup: updates over which the learning rates rise linearly; 0: they begin in full.
        weight_decay: decoupled (AdamW) if not zero.
        clip_norm: largest gradient norm.
        dimension_weights: of the dimensions in the regression loss; None: all equal.
        standardize: give each channel of each layer mean 0 and standard deviation 1, by the
            statistics of the part that is trained on.
        average: go on with the mean of the weights of so many best epochs by validation; of all,
            if there are fewer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    learning_rates: tuple[Positive, ...] = Field(default=(1e-3,), min_length=1)
    batch: int = Field(default=32, ge=2, lt=_MOST)
    epochs: Count = 30
    patience: Count | None = None
    warmup: int = Field(default=0, ge=0, lt=_MOST)
    schedule: Literal["constant", "linear"] = "constant"
    weight_decay: float = Field(default=0.0, ge=0, lt=_LARGEST)
    clip_norm: Positive = 1.0
    dimension_weights: tuple[Positive, ...] | None = None
    standardize: bool = True
    average: Count = 1


class Weighting(BaseModel):
    """How training utterances are weighted by who sounds like those who are tested.

    Attributes:
        functionals: what an utterance sounds like: the set of upstream `functionals`.
        components: principal components of it that are looked at.
        mixtures: Gaussians a speaker with clips enough; 1: one for each.
        nearest: training speakers that are chosen for each who is tested.
        strength: what a training speaker weighs more who is chosen for all of them.
        seed: of the mixtures and of what is drawn from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    functionals: Literal["own", "compare"] = "own"
    components: Count = 10
    mixtures: Count = 1
    nearest: Count = 5
    strength: float = Field(default=1.0, ge=0, lt=_LARGEST)
    seed: Seed = 0


class Training(Learning):
    """How a head is trained, alone or with its upstream.

    Attributes:
        refit: once validation has chosen rate and epoch, train anew for as many epochs on the
            training and the validation part together; worth it where speakers are few. Not with
            `average`: validation has nothing left to choose by then.
        finetune: train the upstream together with the head; it then encodes every batch anew.
            A table of settings means true.
        upstream_rate: learning rate of the upstream when it is trained; None: the head's, which is
            for a fresh one. `serbench run --finetune` sets `ENCODER_RATE`.
        weighting: of the training part by speakers (Sridhar & Busso 2022), see
            `serbench.training.weighting`; None: all utterances weigh the same.
    """

    refit: bool = False
    finetune: bool | FineTuning = False
    upstream_rate: Positive | None = None
    weighting: Weighting | None = None

    @field_validator("finetune")
    @classmethod
    def _of_one_meaning(cls, value: bool | FineTuning) -> bool | FineTuning:
        return True if value == FineTuning() else value

    @field_validator("refit")
    @classmethod
    def _of_what_was_chosen(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("average", 1) > 1:
            msg = "a refit has no best epochs by validation to average; set training.average=1"
            raise ValueError(msg)
        return value

    @field_validator("upstream_rate")
    @classmethod
    def _of_what_is_trained(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and not info.data.get("finetune"):
            msg = "a frozen upstream has no learning rate; set training.finetune=true as well"
            raise ValueError(msg)
        return value

    @property
    def tuning(self) -> FineTuning:
        """The settings of fine-tuning, those that have no effect included."""
        return self.finetune if isinstance(self.finetune, FineTuning) else FineTuning()

    @property
    def most_epochs(self) -> int:
        """Epochs of one fold and seed, if nothing stops early."""
        return self.epochs * (len(self.learning_rates) + self.refit)


class Stage(Learning, FineTuning):
    """How upstreams are fine-tuned with labels before the head learns: `[finetune]` of a recipe.

    Attributes:
        epochs: at most.
        upstream_rate: learning rate of the upstream; None: that of the output, `learning_rates`.
        seed: of the output's first weights, of shuffling and of what else is drawn.
    """

    epochs: Count = 10
    upstream_rate: Positive | None = 5e-5
    seed: Seed = 0

    @property
    def training(self) -> Training:
        """The same as a training of head and upstream together."""
        plain = self.model_dump(exclude={"seed"})
        tuning = {key: plain.pop(key) for key in FineTuning.model_fields}
        return Training(**plain, finetune=FineTuning(**tuning))
