"""An upstream as a feature extractor: for a notebook, or as the first step of a pipeline."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serbench import plugins
from serbench.errors import unknown

if TYPE_CHECKING:
    from serbench.training.inputs import Utterances
    from serbench.training.settings import Precision
    from serbench.training.store import Kept
    from serbench.upstreams import Upstream

Array: TypeAlias = NDArray[np.float32]
Layers: TypeAlias = Literal["all", "last"] | int | Sequence[int] | None

_OWN = ("upstream", "layers", "rate", "device", "precision")


class FeatureExtractor:
    """A frozen upstream that encodes any speech as a run does.

    Speech is a sequence of paths (anything that libsndfile reads), a sequence of (samples,) float
    arrays at `rate`, or a DataFrame with a column `path` and, where known, `start` and `end` in
    seconds, `speaker` and `text`, such as a benchmark's table. It is resampled and batched as in a
    run, so the features of a whole corpus are those that a run stores, and those of a part of it
    differ by no more than the upstream's `tolerance`. No features are kept on disk.

    An upstream that has to hear a speaker first hears up to a minute of what it is given of him;
    where nobody says who speaks, it takes each clip for itself.

    It has the methods of a scikit-learn transformer, without being one: `transform` gives one
    vector a clip. It is made when it is first used, and copies (`sklearn.base.clone`) are cheap.

    Args:
        upstream: its name (`serbench list upstreams`), or a Python file.
        layers: which of the upstream's L layers, as in a recipe: "all", "last", or several
            numbers from 0; here also one number, or negative ones, from the end. None is "all".
        rate: Hz of arrays; paths know their own.
        device: torch device.
        precision: whose values frames have: "float16", "bfloat16" or "float32".
        **options: of the upstream, such as `weights`.

    Raises:
        SerbenchError: an unknown name or option, or a wrong value.

    Example:
        extractor = serbench.FeatureExtractor("hubert", weights="nano", layers=[2, 3])
        extractor.frames(["one.wav", "another.flac"])[0].shape   # (2, frames, 256)
        pipeline = make_pipeline(extractor, StandardScaler(), LogisticRegression())
    """

    def __init__(
        self,
        upstream: str,
        *,
        layers: Layers = "all",
        rate: int | None = None,
        device: str = "cpu",
        precision: Precision = "float16",
        **options: Any,
    ) -> None:
        self.upstream = upstream
        self.layers = layers
        self.rate = rate
        self.device = device
        self.precision = precision
        self.options = options
        self._made: Upstream | None = None
        plugins.validate(self._plugin(), options)

    def frames(self, speech: Any) -> list[Array]:
        """Return (L, T, D) float32 for each clip, with the values of a store of this precision.

        Raises:
            SerbenchError: a file that cannot be read, a clip shorter than a frame, no such layer.
        """
        with plugins.blamed(self._plugin()):
            return self._encode(speech, "frames")

    def means(self, speech: Any) -> Array:
        """Return (N, L, D) float32: the means over time.

        Raises:
            SerbenchError: as `frames`.
        """
        with plugins.blamed(self._plugin()):
            return np.stack([clip[:, 0] for clip in self._encode(speech, "mean")])

    def transform(self, speech: Any) -> Array:
        """Return (N, D) float32: the means over time and over the layers, one vector a clip.

        Raises:
            SerbenchError: as `frames`.
        """
        vectors: Array = self.means(speech).mean(axis=1)
        return vectors

    def fit(self, speech: Any, y: Any = None) -> Self:
        """Return itself: it is frozen, so there is nothing to fit."""
        return self

    def fit_transform(self, speech: Any, y: Any = None) -> Array:
        """Return what `transform` does."""
        return self.transform(speech)

    @property
    def provenance(self) -> dict[str, str]:
        """What the weights are (`serbench.upstreams.Upstream`); loads them."""
        return self._upstream().provenance

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return what it was made with, by name."""
        return {name: getattr(self, name) for name in _OWN} | self.options

    def set_params(self, **params: Any) -> Self:
        """Make it anew with some of the parameters changed, and return it."""
        changed = type(self)(**{**self.get_params(), **params})
        vars(self).update(vars(changed))
        return self

    def _encode(self, speech: Any, kept: Kept) -> list[Array]:
        from serbench.training.inputs import utterances
        from serbench.training.store import encode_clips, plan_shards

        given = utterances(speech, self.rate)
        upstream = self._ready(given)
        chosen = self._chosen(upstream.depth)
        blocks: list[Array] = [np.empty(0, np.float32)] * len(given.table)
        for rows in plan_shards(given.table["seconds"].to_numpy(float)):
            clips = given.decode(rows, upstream)
            part = given.table.iloc[rows]
            made = encode_clips(clips, part, kept, self.device, precision=self.precision)
            for row, block in zip(rows, made, strict=True):
                blocks[row] = block[chosen].float().numpy()
        return blocks

    def _plugin(self) -> plugins.Plugin:
        return plugins.find("upstreams", self.upstream)

    def _upstream(self) -> Upstream:
        from serbench.devices import available

        if self._made is None:
            made: Upstream = plugins.make(self._plugin(), options=self.options)
            self._made = made.to(available(self.device)).eval()
        return self._made

    def _ready(self, given: Utterances) -> Upstream:
        """Return the upstream, who has heard the speakers whom it has to."""
        upstream = self._upstream()
        if not upstream.unseen_speakers(given.speakers):
            return upstream
        # on a copy, so that nothing depends on who was encoded before
        upstream = copy.deepcopy(upstream)
        given.enrol(upstream, self.device)
        return upstream

    def _chosen(self, depth: int) -> NDArray[np.int64]:
        """Return the numbers of the layers."""
        if self.layers is None or (isinstance(self.layers, str) and self.layers == "all"):
            return np.arange(depth)
        given = -1 if isinstance(self.layers, str) and self.layers == "last" else self.layers
        numbers = np.atleast_1d(given)
        if numbers.dtype.kind not in "iu":
            raise unknown("layer", str(self.layers), map(str, range(depth)), "or 'all' or 'last'")
        for number in numbers:
            if not -depth <= number < depth:
                raise unknown("layer", str(number), map(str, range(depth)))
        return numbers % depth

    def __getstate__(self) -> dict[str, Any]:
        """Leave the weights out of copies and pickles; they are loaded again where needed."""
        return {**vars(self), "_made": None}

    def __repr__(self) -> str:
        params = self.get_params()
        given = [f"{k}={v!r}" for k, v in params.items() if k != "upstream" and v is not None]
        return f"FeatureExtractor({', '.join([repr(self.upstream), *given])})"

    def __sklearn_tags__(self) -> Any:
        """Tell a pipeline of scikit-learn what it is: a transformer that needs no fit."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(string=True, two_d_array=False),
            requires_fit=False,
        )
