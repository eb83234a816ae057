"""The processes that train one model together: the first leads, the others do what it sends them.

`accelerate launch` or `torchrun` starts them, all with one command. What is said between them goes
by gloo, so that who waits keeps no GPU busy; tensors of a GPU go by the backend that Accelerate
chooses for it.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.utils import parametrize

from serbench.errors import SerbenchError

# How long one waits for another: the first may encode a corpus meanwhile.
_PATIENCE = timedelta(weeks=2)

_here: Ranks | None = None


def here() -> Ranks | None:
    """Return the processes that this one has joined, if it has."""
    return _here


def join(device: str) -> Ranks:
    """Join the processes that a launcher started.

    Args:
        device: "cpu" or "cuda", of which each process takes its own.

    Raises:
        SerbenchError: Accelerate is not installed, the device is one of several that "cuda" may
            mean, or the others cannot be reached.
    """
    global _here
    if ":" in device:
        msg = f"--device {device} is one GPU, but each process takes its own: give --device cuda"
        raise SerbenchError(msg)
    try:
        from accelerate import PartialState
    except ImportError as error:
        msg = "training over processes needs Accelerate; pip install 'serbench[accelerate]'"
        raise SerbenchError(msg) from error
    with _reached():
        _here = Ranks(PartialState(cpu=device == "cpu", timeout=_PATIENCE))
    return _here


class Ranks:
    """A group of processes.

    Args:
        state: of Accelerate.

    Attributes:
        rank: of this process; 0 leads.
        count: of processes.
        device: of this process.
        between: whether all are between two steps, so that the next order will be heard.
        held: in the leader, what the others hold in each place.
    """

    def __init__(self, state: Any) -> None:
        self.rank: int = state.process_index
        self.count: int = state.num_processes
        # Accelerate counts processors, too, which torch does not
        self.device: torch.device = (
            torch.device("cpu") if state.device.type == "cpu" else state.device
        )
        self.between = True
        self.held: dict[int, object] = {}
        self._told = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def send(self, orders: Sequence[Any]) -> None:
        """Send each of the others its order."""
        with _reached():
            for rank, order in enumerate(orders, start=1):
                content = torch.frombuffer(_packed(order), dtype=torch.uint8)
                dist.send(torch.tensor([len(content)]), rank, group=self._told)
                dist.send(content, rank, group=self._told)

    def receive(self) -> Any:
        """Wait for an order of the leader, and return it."""
        size = torch.zeros(1, dtype=torch.int64)
        with _reached():
            dist.recv(size, 0, group=self._told)
            content = torch.empty(int(size), dtype=torch.uint8)
            dist.recv(content, 0, group=self._told)
        # from the leader's own memory, as between the processes of multiprocessing
        return torch.load(
            io.BytesIO(content.numpy().tobytes()), map_location=self.device, weights_only=False
        )

    def dismiss(self) -> None:
        """Let the others end; where one of them may be at work, the launcher ends it."""
        if self.between:
            self.send([None] * (self.count - 1))

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Give all the values that the leader has."""
        with _reached():
            for each in tensors:
                dist.broadcast(each.detach(), 0)

    def gather(self, own: Tensor) -> tuple[list[Tensor], list[int]]:
        """Return what each process has, (b, ...), padded with zeros beyond b; none in the others.

        Args:
            own: of this process; all have as many dimensions.

        Returns:
            The tensors in the order of the ranks, and the sizes of the largest of them.
        """
        with _reached():
            sizes = [torch.zeros(own.dim(), dtype=torch.int64) for _ in range(self.count)]
            dist.all_gather(sizes, torch.tensor(own.shape), group=self._told)
            most = torch.stack(sizes).amax(0).tolist()
            padded = _padded(own.detach(), most)
            found = None if self.rank else [torch.empty_like(padded) for _ in sizes]
            dist.gather(padded, found, 0)
        pairs = zip(found or [], sizes, strict=not self.rank)
        return [each[: int(size[0])] for each, size in pairs], most

    def scatter(self, parts: Sequence[Tensor] | None, like: Tensor, most: list[int]) -> Tensor:
        """Return the part that the leader has for this process, cut to the size of `like`."""
        got = like.new_empty(most)
        with _reached():
            dist.scatter(got, None if parts is None else [_padded(p, most) for p in parts], 0)
        return got[tuple(slice(size) for size in like.shape)]

    def add(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add the gradients of all processes up in the leader; the others have none then."""
        there = torch.tensor([each.grad is not None for each in parameters], dtype=torch.uint8)
        with _reached():
            dist.all_reduce(there, dist.ReduceOp.MAX, group=self._told)
            for each in (p for p, any_has in zip(parameters, there, strict=True) if any_has):
                gradient = torch.zeros_like(each) if each.grad is None else each.grad
                dist.reduce(gradient, 0)
                each.grad = None if self.rank else gradient


@contextmanager
def _reached() -> Iterator[None]:
    """Say in one sentence that another process is gone."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        reason = str(error).split("\n")[0]
        msg = (
            f"the processes that train together do not reach each other ({reason}); what is "
            "finished is kept, the same command goes on from there"
        )
        raise SerbenchError(msg) from error


def _padded(tensor: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return a tensor with zeros up to some sizes."""
    if list(tensor.shape) == list(sizes):
        return tensor.contiguous()
    padded = tensor.new_zeros(sizes)
    padded[tuple(slice(size) for size in tensor.shape)] = tensor
    return padded


class _Pickler(pickle.Pickler):
    """Takes modules with parametrisations, such as weight norm, which torch lets nobody pickle."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, nn.Module) and parametrize.is_parametrized(value):
            # such hooks read older files, and weight norm's is a local function
            state = value.__dict__ | {"_load_state_dict_pre_hooks": OrderedDict()}
            return _parametrised, (type(value).__mro__[1], state)
        return NotImplemented


def _parametrised(plain: type[nn.Module], state: dict[str, Any]) -> nn.Module:
    """Return a module with parametrisations of its class without them; as `copy.deepcopy` does."""
    module = plain.__new__(plain)
    module.__dict__.update(state)
    parametrize._inject_new_class(module)
    for name in state["_modules"]["parametrizations"]:
        parametrize._inject_property(module, name)
    return module


def _packed(order: Any) -> bytearray:
    """Return an order in bytes.

    Raises:
        SerbenchError: something in it cannot be sent.
    """
    buffer = io.BytesIO()
    module = SimpleNamespace(Pickler=_Pickler, dumps=pickle.dumps, __name__="pickle")
    try:
        torch.save(order, buffer, pickle_module=module)
    except (TypeError, AttributeError, RuntimeError, pickle.PicklingError) as error:
        msg = f"this encoder cannot be sent to other processes ({error}); train it in one"
        raise SerbenchError(msg) from error
    return bytearray(buffer.getbuffer())
