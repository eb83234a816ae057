"""How a head is trained, the part `[training]` of a recipe, and how its features are stored."""

from __future__ import annotations

from typing import Literal

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

Precision = Literal["float16", "bfloat16", "float32"]
"""Of the frames that a frozen upstream leaves in the store."""


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
    finetune: bool = False
    upstream_rate: PositiveFloat | None = None

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
