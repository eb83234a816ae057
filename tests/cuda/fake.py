"""Torch's fake CUDA device: tensors with a device and a shape but no values; it needs no driver.

Where two devices meet in an operation, forward or backward, it raises an error as CUDA would.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from .cases import Step, moved


@contextmanager
def fake_cuda() -> Iterator[None]:
    """Make every tensor in the block a fake one, on "cuda" if it is moved there.

    Python's dispatcher takes recurrences apart into plain operations, where cuDNN's kernel would
    ask for a driver; the environment of shapes lets masks choose an unknown number of frames.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())
    with mode, enable_python_dispatcher():
        yield


def on_fake_cuda(step: Step) -> Step:
    """Return a copy of a step on the fake device, within `fake_cuda`.

    `Module.to` would move a part that has two names twice, and recurrences ask for a driver then.
    """
    memo: dict[int, Any] = {
        id(p): nn.Parameter(p.detach().to("cuda"), p.requires_grad)
        for p in step.module.parameters()
    }
    memo |= {id(buffer): buffer.to("cuda") for buffer in step.module.buffers()}
    module = copy.deepcopy(step.module, memo).train()
    return Step(module, moved(step.given, "cuda"), step.run)


@torch.no_grad()
def backward(loss: Tensor) -> None:
    """Run the backward pass of a scalar into `.grad`, node by node.

    Torch's engine asks the driver for the streams of a fake device (pytorch issue 92627). The nodes
    are torch's own; what the engine does between them is done here: gradients are added up and
    brought to the shape of what they belong to. Hooks of tensors are not run.
    """
    first: Any = loss.grad_fn
    awaited = _edges(first)
    sums: dict[Any, dict[int, Tensor]] = defaultdict(dict, {first: {0: torch.ones_like(loss)}})
    ready = [first]
    while ready:
        node = ready.pop()
        given = sums.pop(node, {})
        run = getattr(node, "apply", node)  # functions written in Python are not called themselves
        made = run(*(given.get(place) for place in range(len(node._input_metadata))))
        made = made if isinstance(made, tuple) else (made,)
        below = node.next_functions
        # one written in Python gives None for what it takes that is no tensor, too: at the end here
        assert made[len(below) :] == (None,) * (len(made) - len(below))
        for (after, place), gradient in zip(below, made[: len(below)], strict=True):
            if after is None:
                continue
            if gradient is not None:
                _add(sums[after], place, gradient, after._input_metadata[place])
            awaited[after] -= 1
            if not awaited[after]:
                ready.append(after)


def _edges(first: Any) -> Counter[Any]:
    """Return how many gradients each node below waits for."""
    edges: Counter[Any] = Counter()
    found = [first]
    for node in found:
        for after, _ in node.next_functions:
            if after is not None and after not in edges:
                found.append(after)
            if after is not None:
                edges[after] += 1
    return edges


def _add(sums: dict[int, Tensor], place: int, gradient: Tensor, belongs: Any) -> None:
    assert gradient.device == belongs.device, f"{gradient.device} is not {belongs.device}"
    reduced = gradient.sum_to_size(belongs.shape)
    sums[place] = sums[place] + reduced if place in sums else reduced
