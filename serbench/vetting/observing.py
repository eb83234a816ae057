"""How checks watch a plugin: errors as sentences, random states, how far numbers are apart."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import ParamSpec

import numpy as np
import torch
from torch import Tensor

from serbench.plugins import blame

P = ParamSpec("P")
_UNLIKELY = 906_180_359
_UNORDERED = 1e-5  # of the largest value


def sentences(
    doing: str, check: Callable[P, Iterable[str]], *args: P.args, **kwargs: P.kwargs
) -> list[str]:
    """Return what a check finds; an error that ends it is one more sentence.

    Args:
        doing: what the check does, to begin that sentence with.
        check: finds problems.
        *args: of the check.
        **kwargs: of the check.
    """
    found: list[str] = []
    try:
        found.extend(check(*args, **kwargs))
    except (Exception, SystemExit) as error:
        found.append(f"{doing} {blame.told(error)}")
    return found


@contextmanager
def watched() -> Iterator[list[str]]:
    """List the libraries whose global random state a block changes, and put the states back.

    In the block they are seeded with a number that no plugin happens to take.
    """
    python, array = random.getstate(), np.random.get_state()
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if used else ()):
        random.seed(_UNLIKELY)
        np.random.seed(_UNLIKELY)
        torch.default_generator.manual_seed(_UNLIKELY)
        before, changed = _states(used), list[str]()
        try:
            yield changed
        finally:
            after = _states(used)
            changed += [library for library in before if before[library] != after[library]]
            random.setstate(python)
            np.random.set_state(array)


def _states(cuda: bool) -> dict[str, bytes]:
    states = {
        "torch": pickle.dumps(torch.get_rng_state().numpy()),
        "numpy": pickle.dumps(np.random.get_state()),
        "random": pickle.dumps(random.getstate()),
    }
    if cuda:
        states["torch.cuda"] = pickle.dumps([s.numpy() for s in torch.cuda.get_rng_state_all()])
    return states


def deviation(found: Tensor, expected: Tensor) -> float:
    """Return the largest absolute difference over the largest absolute value expected.

    Not a number counts as infinitely far.
    """
    largest = (found - expected).abs().max() / expected.abs().max().clamp(min=1e-30)
    return float(largest.nan_to_num(nan=torch.inf))


def same(found: Tensor, expected: Tensor) -> bool:
    """Return whether two tensors are equal, on a GPU but for rounding: its sums have no order."""
    if found.device.type == "cpu" or found.shape != expected.shape:
        return torch.equal(found, expected)
    return deviation(found, expected) <= _UNORDERED


def exact() -> AbstractContextManager[None]:
    """Let cuDNN compute in single precision, in one way: contracts are not about rounding."""
    made: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return made
