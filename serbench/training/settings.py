"""How a head is trained: the part `[training]` of a recipe."""

from __future__ import annotations

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)


class Training(BaseModel):
    """How a head is trained, alone or with its upstream.

    Attributes:
        learning_rates: each is tried; the best by validation is kept, per fold and seed.
        batch: utterances an update, at least 2: one has neither a variance nor a CCC.
        epochs: at most.
        patience: epochs without a better validation score before stopping; None: never stop.
        warmup: updates over which the learning rates rise linearly; 0: they begin in full.
        weight_decay: decoupled (AdamW) if not zero.
        clip_norm: largest gradient norm.
        dimension_weights: of the dimensions in the regression loss; None: all equal.
        refit: once validation has chosen rate and epoch, train anew for as many epochs on the
            training and the validation part together; worth it where speakers are few.
        standardize: give each channel of each layer mean 0 and standard deviation 1, by the
            statistics of the part that is trained on.
        average: predict with the mean of the weights of so many best epochs by validation; of all,
            if there are fewer. Not with `refit`, where validation has nothing left to choose.
        finetune: train the upstream together with the head; it then encodes every batch anew.
        upstream_rate: learning rate of the upstream when it is trained; None: the head's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rates: tuple[PositiveFloat, ...] = Field(default=(1e-3,), min_length=1)
    batch: int = Field(default=32, ge=2)
    epochs: PositiveInt = 30
    patience: PositiveInt | None = None
    warmup: NonNegativeInt = 0
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: PositiveFloat = 1.0
    dimension_weights: tuple[PositiveFloat, ...] | None = None
    refit: bool = False
    standardize: bool = True
    average: PositiveInt = 1
    finetune: bool = False
    upstream_rate: PositiveFloat | None = None

    @field_validator("average")
    @classmethod
    def _of_what_was_chosen(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("refit"):
            msg = "a refit has no best epochs by validation to average; set training.refit=false"
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
    def most_epochs(self) -> int:
        """Epochs of one fold and seed, if nothing stops early."""
        return self.epochs * (len(self.learning_rates) + self.refit)
