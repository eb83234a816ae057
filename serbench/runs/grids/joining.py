"""Being a driver of a Ray cluster: one that runs somewhere, one that runs here, or a new one."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any

from serbench.errors import SerbenchError, brief

_ANSWER = 5.0  # seconds in which the head of a cluster takes a connection


@contextmanager
def connected(
    address: str | None, tell: Callable[[str], object] = lambda text: None
) -> Iterator[None]:
    """Be a driver of a Ray cluster inside; what it runs for this driver ends with it.

    Args:
        address: "host:port", "auto", or None: one that runs here, else a new one of this machine.
        tell: shows a line.

    Raises:
        SerbenchError: nobody answers there, or it is of another version.
    """
    asked = reached(address)
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of what runs here
    before = signal.getsignal(signal.SIGTERM)
    # what Ray says of processes that died would stand in what is printed
    with redirect_stdout(sys.stderr):
        try:
            _join(asked, tell)
            signal.signal(signal.SIGTERM, before)
            yield
        finally:
            ray.shutdown()


def reached(address: str | None) -> str | None:
    """Return the address of a cluster that is meant, after a knock at it; None: of a new one.

    Args:
        address: as that of `connected`.

    Raises:
        SerbenchError: nobody answers there, or Ray is not installed.
    """
    if find_spec("ray") is None:
        raise SerbenchError("Ray is not installed; pip install 'serbench[ray]'")
    asked = address or os.environ.get("RAY_ADDRESS")
    if asked and asked != "auto":
        _answers(asked)
        return asked
    try:
        _answers(_found())
    except SerbenchError:
        if asked:
            raise
        return None
    return "auto"  # with that, Ray takes the token of this machine, too


def _found() -> str:
    """Return the address of a cluster of this machine, as Ray finds it, alive or not.

    Raises:
        SerbenchError: it finds none.
    """
    from ray._private.services import canonicalize_bootstrap_address

    try:
        return str(canonicalize_bootstrap_address("auto"))
    except (ConnectionError, ValueError) as error:
        msg = "--address auto: no Ray cluster runs on this machine; start one with `ray start`, "
        raise SerbenchError(f"{msg}or leave --address out for this machine alone") from error


def _join(asked: str | None, tell: Callable[[str], object]) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if asked is None:
        tell("no Ray cluster runs here; a new one of this machine alone is started")
        ray.init(address="local", include_dashboard=False, **quiet)
        return
    try:
        ray.init(address=asked, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        msg = f"no Ray cluster of use at '{asked}' ({brief(error)})"
        remedy = (
            "`ray status` there tells more; if it asks for a token, as one that began where "
            "~/.ray/auth_token was, have the same file here and set RAY_AUTH_MODE=token"
        )
        raise SerbenchError(f"{msg}; {remedy}") from error


def _answers(address: str) -> None:
    """Refuse an address at which nobody takes connections; Ray itself would try for minutes.

    Raises:
        SerbenchError: it is no address, or nobody does.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        msg = (
            f"--address '{address}' is no HOST:PORT; give that of the cluster's head, as "
            "`ray start --head` prints it, or auto on one of its nodes"
        )
        raise SerbenchError(msg)
    try:
        socket.create_connection((host, int(port)), _ANSWER).close()
    except (OSError, OverflowError) as error:
        msg = (
            f"nobody answers at {address} ({brief(error)}); start a cluster with `ray start --head "
            "--port 6379` and give its address, or leave --address out for this machine alone"
        )
        raise SerbenchError(msg) from error
