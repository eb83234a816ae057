"""Pickles of PyTorch and joblib, read for their tensors and arrays without running what they name.

A pickle names functions to call. The unpickler here imports nothing: it makes tensors, arrays and
plain values, and an inert stand-in for whatever else is named.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from serbench.errors import SerbenchError


def read_torch(path: Path) -> Any:
    """Return what `torch.save` wrote: tensors on the CPU, plain values and stand-ins.

    Raises:
        SerbenchError: it is no whole file of PyTorch.
    """
    return _opened(path, "checkpoint of PyTorch", lambda: _loaded(path))


def read_joblib(path: Path) -> Any:
    """Return what `joblib.dump` wrote without compression: `Array`s, plain values and stand-ins.

    Raises:
        SerbenchError: it is no whole file of joblib.
    """
    return _opened(path, "uncompressed pickle of joblib", lambda: _unpickled(path.read_bytes()))


def inside(value: Any, *keys: str) -> Any:
    """Return what lies below keys in dicts and stand-ins, or None."""
    for key in keys:
        held = value.content if isinstance(value, Inert) else value
        value = held.get(key) if isinstance(held, dict) else None
    return value


class Inert:
    """Stands for any class or function that a pickle names: takes everything, does nothing.

    Attributes:
        content: the state of the object it stands for, usually a dict of its attributes.
    """

    content: Any = None

    def __init__(self, *_: object, **__: object) -> None:
        """Drop what the real one would be made of."""

    def __setstate__(self, state: object) -> None:
        self.content = state

    def __setitem__(self, key: object, value: object) -> None:
        """Drop the entry of what was a kind of dict."""

    def extend(self, values: object) -> None:
        """Drop the entries of what was a kind of list."""


class Array:
    """An array as joblib writes it: the pickle of its layout, and right behind it the numbers.

    Attributes:
        values: the array.
    """

    stream: ClassVar[IO[bytes]]
    values: NDArray[Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state.get("numpy_array_alignment_bytes") is not None:  # since joblib 1.2
            self.stream.read(self.stream.read(1)[0])
        shape, dtype = state["shape"], state["dtype"]
        numbers = self.stream.read(math.prod(shape) * dtype.itemsize)
        self.values = np.frombuffer(numbers, dtype).reshape(shape, order=state["order"])


class _Unpickler(pickle.Unpickler):
    known: ClassVar[Mapping[str, Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        return self.known.get(f"{module}.{name}", Inert)


class _TensorUnpickler(_Unpickler):
    known: ClassVar[Mapping[str, Any]] = {
        "collections.OrderedDict": OrderedDict,
        "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
        "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    }


class _TensorPickle:
    """What `torch.load` takes for the module `pickle`; the storages are its own affair."""

    Unpickler = _TensorUnpickler

    @staticmethod
    def load(stream: IO[bytes], **options: Any) -> Any:
        return _TensorUnpickler(stream, **options).load()


def _loaded(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
        if "constants.pkl" in names:
            raise ValueError("TorchScript, which torch.load would run")
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_TensorPickle)


def _unpickled(content: bytes) -> Any:
    """Return the object of a file of joblib.

    A stream that cannot peek is read no further than the unpickler has come, so an array finds its
    numbers where the stream is.
    """
    stream = io.BytesIO(content)
    array = type("_Array", (Array,), {"stream": stream})

    class Unpickler(_Unpickler):
        known: ClassVar[Mapping[str, Any]] = {
            "numpy.dtype": _dtype,
            "joblib.numpy_pickle.NumpyArrayWrapper": array,
            "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper": array,
        }

    return Unpickler(stream).load()


def _dtype(code: str, *_: object) -> np.dtype[Any]:
    """Return a dtype of its own, as the pickle goes on to set its byte order."""
    return np.dtype(code, align=False, copy=True)


def _opened(path: Path, kind: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # a bad pickle can end in an error of any kind
        raise SerbenchError(
            f"{path} cannot be read as a {kind} ({type(error).__name__}); is it the published "
            "file, and whole?"
        ) from error
