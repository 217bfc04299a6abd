"""Fixtures that several slow tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from preloaded import Preloaded

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


LONGEST = (
    "test_project_story.py",
    "test_documents_run.py",
    "test_scoring_files.py",
    "test_serving_hostile.py",
    "test_recipes.py",
    "test_killed_runs.py",
    "test_run.py",
    "test_installed.py",
    "test_pre_empted.py",
    "test_torchrun_machines.py",
    "test_registry_story.py",
    "test_demo.py",
)
"""What takes minutes comes first: at the end there is then something short left for each core."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield this machine's browser, driven by Playwright; where there is none tests are skipped, in CI they fail."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        message = f"none of {', '.join(BROWSERS)} is installed (Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preloaded]:
    """Yield the process of which commands are forks, for stories that are long without that."""
    process = Preloaded(tmp_path_factory.mktemp("preloaded"))
    yield process
    process.end()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a client of an S3 with an empty bucket, `bucket`; the environment leads to it, private as it is."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with urlopen(Request(f"{address}/moto-api/reset", method="POST")):
        pass  # a new server still has the last one's objects
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    yield client
    server.stop()


@pytest.fixture
def gs(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[str]:
    """Yield the address of a folder in an empty Google Cloud Storage; the environment leads to it, nobody asked who."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
    server.start()
    port = server._api._httpd.socket.getsockname()[1]  # it says nowhere which one the system gave it
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    yield "gs://bucket/folder"
    server.stop()
