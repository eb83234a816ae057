"""Vectors in half precision where that holds them, for the tables beside a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compact(
    vectors: NDArray[np.float64],
) -> NDArray[np.float16] | NDArray[np.float32]:
    """Return (N, E) vectors in half precision, or in single precision where one would be lost.

    Half precision ends at 65504, and below 6e-5 it loses digits: a vector that has nothing larger
    would point elsewhere, or be zero. What is beyond single precision comes out infinite.
    """
    import numpy as np

    half = np.finfo(np.float16)
    largest = np.abs(vectors).max(axis=1, initial=0)
    held = (largest <= half.max) & ((largest >= half.smallest_normal) | (largest == 0))
    with np.errstate(over="ignore"):
        return vectors.astype(np.float16) if held.all() else vectors.astype(np.float32)
