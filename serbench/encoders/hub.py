"""s3prl's hub: which models it has, and how one is built without side effects."""

from __future__ import annotations

import inspect
import logging
import random
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from serbench import bounds
from serbench.digests import local_path
from serbench.errors import SerbenchError, brief, unknown

Builder = Callable[..., Any]
_DESCRIBED = "https://s3prl.github.io/s3prl/tutorial/upstream_collection.html"
_TAKES_WEIGHTS = ("_local", "_custom", "_url")  # s3prl's endings for "bring your own checkpoint"


def build(name: str, checkpoint: str | None) -> Any:
    """Return a model of the hub, a module with `get_downsample_rates`.

    Its last hidden state is what the whole model puts out. s3prl's own Large models hold to that;
    those that it takes from transformers ("hf_hubert_custom", "hf_wav2vec2_custom") end before the
    final layer norm, since transformers 5 does, and are mended here.

    Raises:
        SerbenchError: s3prl is not installed, has no such model, or cannot build, read or fetch it;
            the checkpoint is of another model.
    """
    models = _models()
    if name not in models:
        raise unknown("s3prl model", name, models, f"s3prl describes them at {_DESCRIBED}")
    options = _checkpoint(name, checkpoint, models)
    try:
        with contained():
            encoder = models[name](**options)
    except (Exception, SystemExit) as error:  # some of s3prl calls exit() for a missing package
        raise SerbenchError(_failure(name, error)) from error
    _mend(encoder, name, checkpoint)
    return encoder


@contextmanager
def contained() -> Iterator[None]:
    """Let code draw from the global generators, the same each time, and put them back after."""
    python, array = random.getstate(), np.random.get_state()
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if used else ()
    with torch.random.fork_rng(devices=devices):
        random.seed(0)
        np.random.seed(0)
        torch.default_generator.manual_seed(0)
        if devices:
            torch.cuda.manual_seed_all(0)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(array)


def revision() -> str:
    """Return the version of the installed s3prl."""
    import s3prl

    return str(s3prl.__version__)


def _models() -> dict[str, Builder]:
    """Return the builders of the hub, which also holds what its files import."""
    return {
        name: value
        for name, value in vars(_hub()).items()
        if inspect.isfunction(value)
        and value.__module__.startswith("s3prl.")
        and value.__module__.endswith(".hubconf")
        and _required(value) <= {"ckpt"}
    }


def _hub() -> Any:
    # it tells everyone who imports it that one of its models needs a further package
    logging.getLogger("s3prl.upstream.espnet_hubert.expert").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.script_method", DeprecationWarning)
            from s3prl import hub
    except ModuleNotFoundError as error:
        msg = f"the upstream 's3prl' needs {error.name}; run: pip install 'serbench[s3prl]'"
        raise SerbenchError(msg) from error
    return hub


def _required(builder: Builder) -> set[str]:
    parameters = inspect.signature(builder).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name for p in parameters if p.default is p.empty and p.kind not in variadic}


def _checkpoint(name: str, given: str | None, models: Mapping[str, Builder]) -> dict[str, str]:
    """Return the builder's keyword for a checkpoint; refuses those that it would not use."""
    if not name.endswith(_TAKES_WEIGHTS):
        if given is None:
            return {}
        family = [
            n
            for n, builder in models.items()
            if builder.__module__ == models[name].__module__ and n.endswith(_TAKES_WEIGHTS)
        ]
        remedy = f"take one of: {', '.join(family)}" if family else "leave the checkpoint out"
        msg = f"s3prl's '{name}' brings its own weights and would not use '{given}'; {remedy}"
        raise SerbenchError(msg)
    if given is None:
        msg = f"s3prl's '{name}' needs option 'checkpoint'; or take a model with its own"
        raise SerbenchError(msg)
    path = local_path(given)
    if path is not None and not path.exists():
        msg = f"checkpoint '{given}' does not exist; give a checkpoint of s3prl's '{name}'"
        raise SerbenchError(msg)
    if path is not None and not path.is_dir():
        bounds.regular(path, bounds.TENSORS)
    if path is not None and path.is_dir() and not (path / "preprocessor_config.json").exists():
        msg = f"checkpoint '{given}' has no preprocessor_config.json; s3prl would take another's"
        raise SerbenchError(msg)
    return {"ckpt": given if path is None else str(path)}


def _mend(encoder: Any, name: str, checkpoint: str | None) -> None:
    """Let a model out of transformers end after its final norm; refuse one that is not read whole.

    Raises:
        SerbenchError: the checkpoint is of another model type, whose tensors were left out.
    """
    from transformers import PreTrainedModel

    model = getattr(encoder, "model", None)
    if not isinstance(model, PreTrainedModel):
        return
    # the one in the checkpoint, and that of the class which was filled from it
    given, filled = model.config.model_type, type(model.config).model_type
    if given != filled:
        msg = (
            f"checkpoint '{checkpoint}' is of model type '{given}', of which s3prl's '{name}' "
            f"takes no more than a '{filled}' has; give --upstream huggingface --weights "
            f"{checkpoint}"
        )
        raise SerbenchError(msg)
    if model.config.do_stable_layer_norm:
        model.register_forward_hook(_end_after_the_norm)


def _end_after_the_norm(model: Any, _: Any, output: Any) -> None:
    # not `last_hidden_state`: an adapter behind the encoder may have made fewer frames of it
    *layers, last = output.hidden_states
    output.hidden_states = (*layers, model.encoder.layer_norm(last))


def _failure(name: str, error: BaseException) -> str:
    for frame, _ in traceback.walk_tb(error.__traceback__):
        known = frame.f_locals
        if frame.f_globals.get("__name__") == "s3prl.util.download" and "filepath" in known:
            return (
                f"s3prl could not fetch the weights of '{name}' ({type(error).__name__}); "
                f"download {known['url']} yourself and save it as {known['filepath']}"
            )
    return f"s3prl could not build '{name}': {brief(error)}"
