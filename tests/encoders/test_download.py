"""Weights by name, fetched by Hugging Face's own client from a hub on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from safetensors.torch import load_file

COMMIT = "dba3bb02fda4248b6e082697eee756de8fe8aa8a"
FIND = """
import json, sys
from serbench.errors import SerbenchError
from serbench.encoders.weights import find
from serbench.upstreams.hubert import WEIGHTS
for name, revision in json.loads(sys.argv[1]):
    try:
        print(json.dumps(find(name, revision, WEIGHTS, text="text" in sys.argv).provenance))
    except SerbenchError as error:
        print(json.dumps(str(error)))
"""


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's protocol that reads; repositories are folders below `root`."""

    root: Path
    fetched: set[str]

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        owner, name, what, revision = (*(parts[2:] if api else parts), "", "")[:4]
        repository = self.root / owner / name
        if not repository.is_dir():
            self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif revision not in {"main", COMMIT}:
            self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif what == "resolve":
            self.reply(200, (repository / parts[-1]).read_bytes(), {"ETag": f'"{parts[-1]}"'})
            self.fetched.add(parts[-1])
        else:
            files = sorted(repository.iterdir())
            tree = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": f.name}
                for f in files
            ]
            info = {"id": f"{owner}/{name}", "sha": COMMIT}
            content = json.dumps(tree if what == "tree" else info).encode()
            self.reply(200, content, {"Content-Type": "application/json"})

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        lengths = {"Content-Length": str(len(content)), "X-Repo-Commit": COMMIT}
        for key, value in (headers | lengths).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """Serve an empty hub."""
    handler = type("OwnHub", (Hub,), {"root": tmp_path / "served", "fetched": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(
    hub: ThreadingHTTPServer,
    home: Path,
    *names: tuple[str, str | None],
    offline: bool = False,
    text: bool = False,
) -> list[Any]:
    """Find weights in a process of its own, with `home` as Hugging Face's folder."""
    settings = {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-c", FIND, json.dumps(names), *["text"] * text]
    printed = subprocess.run(command, env=os.environ | settings, check=True, capture_output=True)
    return [json.loads(line) for line in printed.stdout.splitlines()]


def test_a_size_is_fetched_once_and_found_again_without_the_hub(
    hub: ThreadingHTTPServer, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    served = tmp_path / "served" / "facebook" / "hubert-base-ls960"
    shutil.copytree(tiny_checkpoints["hubert"], served)
    torch.save(load_file(served / "model.safetensors"), served / "pytorch_model.bin")
    (served / "tf_model.h5").write_bytes(b"another framework's")
    (first,) = ask(hub, tmp_path / "home", ("base", None))
    assert first["id"] == "facebook/hubert-base-ls960"
    assert first["revision"] == COMMIT
    wanted = {"config.json", "model.safetensors", "preprocessor_config.json"}
    assert hub.RequestHandlerClass.fetched == wanted
    assert ask(hub, tmp_path / "home", ("base", None), offline=True) == [first]


def test_pickled_tensors_are_fetched_where_there_are_no_others(
    hub: ThreadingHTTPServer, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    served = tmp_path / "served" / "someone" / "else"
    shutil.copytree(tiny_checkpoints["hubert"], served)
    torch.save(load_file(served / "model.safetensors"), served / "pytorch_model.bin")
    (served / "model.safetensors").unlink()
    (provenance,) = ask(hub, tmp_path / "home", ("someone/else", COMMIT))
    assert set(provenance) == {"id", "revision", "digest"}
    assert "pytorch_model.bin" in hub.RequestHandlerClass.fetched


def test_a_tokeniser_is_fetched_where_text_is_read(
    hub: ThreadingHTTPServer, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    served = tmp_path / "served" / "someone" / "else"
    shutil.copytree(tiny_checkpoints["bert"], served)
    for folder, text in (("deaf", True), ("hearing", False)):
        hub.RequestHandlerClass.fetched.clear()
        ask(hub, tmp_path / folder, ("someone/else", None), text=text)
        tokeniser = {"tokenizer.json", "tokenizer_config.json"} if text else set()
        assert hub.RequestHandlerClass.fetched == {"config.json", "model.safetensors"} | tokeniser


def test_what_the_hub_does_not_have(
    hub: ThreadingHTTPServer, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    served = tmp_path / "served" / "someone" / "else"
    shutil.copytree(tiny_checkpoints["hubert"], served)
    names = ("no/body", None), ("someone/else", "v9")
    nobody, nothing = ask(hub, tmp_path / "home", *names)
    assert "no weights 'no/body' on the hub" in nobody
    assert "'someone/else' have no revision 'v9' on the hub" in nothing
